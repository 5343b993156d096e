rule videos:
    input:
        frames=jobs.files("frames", "test"),
        scores=jobs.scores,
        calibration=jobs.calibration,
        table=f"{paths.RUN}/frame_scores.csv",
    output:
        report(
            directory(paths.VIDEOS),
            patterns=["{clip}.mp4"],
            caption="../workflow/report/videos.rst",
            category="{dataset}",
            subcategory="videos",
        ),
    log:
        "results/{dataset}/logs/videos_{model}_{seed}.log",
    benchmark:
        "results/{dataset}/benchmarks/videos_{model}_{seed}.tsv"
    conda:
        "../envs/ssmtl.yaml"
    threads: 4
    resources:
        **jobs.limits("videos"),
    params:
        code=jobs.code("videos"),
    shell:
        "python -m ssmtl videos {output:q} --frames {input.frames:q} --scores {input.scores:q}"
        " --table {input.table:q} --calibration {input.calibration:q}"
        " --model-name {wildcards.model:q} 2>&1 | tee {log:q}"
