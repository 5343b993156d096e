rule report:
    input:
        manifest="results/{dataset}/manifest.csv",
        frames=jobs.files("frames"),
        detections=jobs.files("detections"),
        cubes=jobs.stored("cubes"),
        teachers=jobs.stored("teachers"),
        histories=jobs.each_run("history.svg"),
        metrics=jobs.each_run("metrics.json"),
        models=jobs.first_models,
        videos=jobs.first_videos,
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
        **jobs.limits("report"),
    params:
        runs=jobs.runs,
        # Undeclared: a stage that ran outside Snakemake has none, and times alone rerun nothing.
        benchmarks="results/{dataset}/benchmarks",
        config=jobs.report_config,
        code=jobs.code("report"),
    shell:
        "python -m ssmtl report {output:q} --dataset {wildcards.dataset:q} --config {params.config:q}"
        " --manifest {input.manifest:q} --frames {input.frames:q} --detections {input.detections:q}"
        " --cubes {input.cubes:q} --teachers {input.teachers:q} --runs {params.runs:q}"
        " --videos {input.videos:q} --benchmarks {params.benchmarks:q} 2>&1 | tee {log:q}"


rule figures:
    # For papers; the pages draw their own.
    input:
        metrics=f"{paths.RUN}/metrics.json",
        table=f"{paths.RUN}/frame_scores.csv",
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
        run=paths.run_folder,
        code=jobs.code("figures"),
    shell:
        "python -m ssmtl figures {output:q} --run-folder {params.run:q} 2>&1 | tee {log:q}"
