rule report:
    input:
        manifest="results/{dataset}/manifest.csv",
        frames=shard_files("frames"),
        detections=shard_files("detections"),
        cubes=lambda w: stored_files("cubes", w),
        teachers=lambda w: stored_files("teachers", w),
        histories=lambda w: expand("{run}/history.svg", run=run_folders(w.dataset)),
        metrics=lambda w: expand("{run}/metrics.json", run=run_folders(w.dataset)),
        models=lambda w: expand("{run}/model.safetensors", run=first_folders("models", w.dataset)),
        videos=lambda w: first_folders("videos", w.dataset),
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
        # Undeclared: a stage that ran outside Snakemake has none, and times alone rerun nothing.
        benchmarks="results/{dataset}/benchmarks",
        config=shown_config,
        code=code("report"),
    shell:
        "python -m ssmtl report {output} --dataset {wildcards.dataset} --config {params.config:q}"
        " --manifest {input.manifest} --frames {input.frames} --detections {input.detections}"
        " --cubes {input.cubes} --teachers {input.teachers} --runs {params.runs}"
        " --videos {input.videos} --benchmarks {params.benchmarks} 2>&1 | tee {log}"


rule figures:
    # For papers; the pages draw their own.
    input:
        metrics=f"{RUN_FOLDER}/metrics.json",
        table=f"{RUN_FOLDER}/frame_scores.csv",
    output:
        report(
            expand(
                "results/{{dataset}}/figures/{{model}}/seed{{seed}}/{figure}.{suffix}",
                figure=("roc", "timelines"),
                suffix=("svg", "pdf"),
            ),
            caption="../workflow/report/figures.rst",
            category="{dataset}",
            subcategory="figures",
        ),
    log:
        "results/{dataset}/logs/figures_{model}_{seed}.log",
    localrule: True
    conda:
        "../envs/ssmtl.yaml"
    params:
        run=lambda w, input: Path(input.metrics).parent,
        code=code("figures"),
    shell:
        "python -m ssmtl figures {output} --run-folder {params.run} 2>&1 | tee {log}"
