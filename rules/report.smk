rule explain:
    # The strongest objects of the events that the report shows.
    input:
        model=jobs.weights,
        table=f"{paths.RUN}/frame_scores.csv",
        scores=jobs.scores,
        frames=jobs.files("frames", "test"),
        detections=jobs.files("detections", "test"),
        cubes=jobs.stored("cubes", "test"),
        teachers=jobs.stored("teachers", "test"),
        models=jobs.network_files("teachers"),
    output:
        paths.EXPLAINED,
    log:
        "results/{dataset}/logs/explain_{model}_{seed}.log",
    benchmark:
        "results/{dataset}/benchmarks/explain_{model}_{seed}.tsv"
    conda:
        "../envs/ssmtl.yaml"
    resources:
        **jobs.limits("explain"),
    params:
        options=jobs.options("explain"),
        seen=jobs.seen_by,
        code=jobs.code("explain"),
    shell:
        "python -m ssmtl explain {output:q} --model {input.model:q} --table {input.table:q}"
        " --scores {input.scores:q} --frames {input.frames:q} --detections {input.detections:q}"
        " --cubes {input.cubes:q} --teachers {input.teachers:q} {params.options} {params.seen}"
        " 2>&1 | tee {log:q}"


rule report:
    input:
        manifest="results/{dataset}/manifest.csv",
        frames=jobs.files("frames"),
        detections=jobs.files("detections"),
        cubes=jobs.stored("cubes"),
        teachers=jobs.stored("teachers"),
        histories=jobs.each_run("history.svg"),
        metrics=jobs.each_run("metrics.json"),
        explained=jobs.first_explained,
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
