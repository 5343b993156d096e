# Released models: shared in folders, and taken in place of training.


rule use_released:
    input:
        jobs.released_files,
    output:
        expand(f"{paths.RUN}/{{file}}", file=RELEASED_FILES, allow_missing=True),
    log:
        "results/{dataset}/logs/take_{model}_{seed}.log",
    wildcard_constraints:
        dataset=TAKING,
    localrule: True
    conda:
        "../envs/ssmtl.yaml"
    params:
        folder=paths.RUN,
        released=jobs.released,
    shell:
        "python -m ssmtl use-released {params.folder:q} --released {params.released:q}"
        " --seed {wildcards.seed:q} --model-name {wildcards.model:q} 2>&1 | tee {log:q}"


rule release:
    input:
        expand(f"{paths.RUN}/{{file}}", file=RELEASED_FILES, allow_missing=True),
        model=f"{paths.RUN}/model.safetensors",
        metrics=f"{paths.RUN}/metrics.json",
    output:
        expand(f"{paths.RELEASE}/{{file}}", file=[*RELEASED_FILES, CARD], allow_missing=True),
    log:
        "results/{dataset}/logs/release_{model}_{seed}.log",
    localrule: True
    conda:
        "../envs/ssmtl.yaml"
    params:
        folder=paths.RELEASE,
        made_by=f"snakemake --cores all {paths.RELEASE}/{CARD}",
        run=paths.run_folder,
        reader=jobs.reader,
        config=jobs.run_config,
        code=jobs.code("release"),
    shell:
        "python -m ssmtl release {params.folder:q} --run-folder {params.run:q}"
        " --metrics {input.metrics:q} --reader {params.reader:q} --config {params.config:q}"
        " --made-by {params.made_by:q} 2>&1 | tee {log:q}"
