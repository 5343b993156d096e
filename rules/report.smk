rule report:
    input:
        manifest="results/{dataset}/manifest.csv",
        frames=shard_files("frames"),
        detections=shard_files("detections"),
        cubes=shard_files("cubes"),
        teachers=shard_files("teachers"),
        histories=lambda w: expand("{run}/history.svg", run=run_folders(w.dataset)),
        metrics=lambda w: expand("{run}/metrics.json", run=run_folders(w.dataset)),
    output:
        report(
            "results/{dataset}/report.html",
            caption="../workflow/report/report.rst",
            category="{dataset}",
            subcategory="report",
        ),
    log:
        "results/{dataset}/logs/report.log",
    conda:
        "../envs/ssmtl.yaml"
    resources:
        **limits("report"),
    params:
        runs=lambda w: run_folders(w.dataset),
        config=shown_config,
        code=code("report"),
    shell:
        "python -m ssmtl report {output} --dataset {wildcards.dataset} --config {params.config:q}"
        " --manifest {input.manifest} --frames {input.frames} --detections {input.detections}"
        " --cubes {input.cubes} --teachers {input.teachers} --runs {params.runs} 2>&1 | tee {log}"
