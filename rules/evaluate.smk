rule evaluate:
    input:
        manifest="results/{dataset}/manifest.csv",
        scores=lambda w: [
            f"{run_of('score', w)}/scores/{shard}.h5" for shard in shards(w.dataset, "test")
        ],
    output:
        metrics=report(
            f"{RUN_FOLDER}/metrics.json",
            caption="../workflow/report/metrics.rst",
            category="{dataset}",
            subcategory="metrics",
        ),
        table=report(
            f"{RUN_FOLDER}/frame_scores.csv",
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
        **limits("evaluate"),
    params:
        options=options("evaluate"),
        truth=truth,
        code=code("evaluate"),
    shell:
        "python -m ssmtl evaluate {output.metrics} {output.table} --manifest {input.manifest}"
        " --scores {input.scores} --dataset {wildcards.dataset} --model-name {wildcards.model}"
        " {params.options} 2>&1 | tee {log}"
