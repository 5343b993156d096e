rule videos:
    input:
        frames=shard_files("frames", "test"),
        scores=lambda w: [
            f"{run_of('score', w)}/scores/{shard}.h5" for shard in shards(w.dataset, "test")
        ],
        calibration=lambda w: f"{run_of('score', w)}/calibration.h5",
        table=f"{RUN_FOLDER}/frame_scores.csv",
    output:
        report(
            directory("results/{dataset}/videos/{model}/seed{seed}"),
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
        **limits("videos"),
    params:
        code=code("videos"),
    shell:
        "python -m ssmtl videos {output} --frames {input.frames} --scores {input.scores}"
        " --table {input.table} --calibration {input.calibration} 2>&1 | tee {log}"
