def shown_config(wildcards):
    """The settings that the report shows, JSON: the data set's entry and every stage's."""
    name, data = wildcards.dataset, dataset(wildcards.dataset)
    stages = settings_tree.STAGES
    shown = {
        "dataset": {key: value for key, value in data.items() if key not in stages},
        **{stage: settings_tree.settings(config, stage, name) for stage in stages[:4]},
        "models": {
            model: {s: settings_tree.settings(config, s, name, model) for s in stages[4:]}
            for model in data["models"]
        },
        "notes": data["notes"],
    }
    if "published" in data:
        shown["published"] = data["published"]
    return json.dumps(shown, sort_keys=True)


rule report:
    input:
        manifest="results/{dataset}/manifest.csv",
        frames=shard_files("frames", "train", "test"),
        detections=shard_files("detections", "train", "test"),
        cubes=shard_files("cubes", "train", "test"),
        teachers=shard_files("teachers", "train", "test"),
        histories=lambda w: expand("{run}/history.svg", run=run_folders(w.dataset)),
        metrics=lambda w: expand("{run}/metrics.json", run=run_folders(w.dataset)),
    output:
        report(
            "results/{dataset}/report.html",
            caption="../workflow/report/report.rst",
            category="{dataset}",
            subcategory="report",
        ),
    params:
        runs=lambda w: run_folders(w.dataset),
        config=shown_config,
        code=code("report"),
    conda:
        "../envs/ssmtl.yaml"
    log:
        "results/{dataset}/logs/report.log",
    shell:
        "python -m ssmtl report {output} --dataset {wildcards.dataset} --config {params.config:q}"
        " --manifest {input.manifest} --frames {input.frames} --detections {input.detections}"
        " --cubes {input.cubes} --teachers {input.teachers} --runs {params.runs} 2>&1 | tee {log}"
