rule evaluate:
    input:
        manifest="results/{dataset}/manifest.csv",
        scores=jobs.scores,
    output:
        metrics=report(
            f"{paths.RUN}/metrics.json",
            caption="../workflow/report/metrics.rst",
            category="{dataset}",
            subcategory="metrics",
        ),
        table=report(
            f"{paths.RUN}/frame_scores.csv",
            caption="../workflow/report/frame_scores.rst",
            category="{dataset}",
            subcategory="metrics",
        ),
    log:
        "results/{dataset}/logs/evaluate_{model}_{seed}.log",
    benchmark:
        "results/{dataset}/benchmarks/evaluate_{model}_{seed}.tsv"
    conda:
        "../envs/ssmtl.yaml"
    threads: 2
    resources:
        **jobs.limits("evaluate"),
    params:
        options=jobs.options("evaluate"),
        truth=jobs.truth,
        code=jobs.code("evaluate"),
    shell:
        "python -m ssmtl evaluate {output.metrics:q} {output.table:q} --manifest {input.manifest:q}"
        " --scores {input.scores:q} --dataset {wildcards.dataset:q} --model-name {wildcards.model:q}"
        " {params.options} 2>&1 | tee {log:q}"
