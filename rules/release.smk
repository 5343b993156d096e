# Released models: shared in folders, and taken in place of training.


rule use_released:
    input:
        released_files,
    output:
        expand(f"{RUN_FOLDER}/{{file}}", file=RELEASED_FILES, allow_missing=True),
    log:
        "results/{dataset}/logs/take_{model}_{seed}.log",
    wildcard_constraints:
        dataset=TAKING,
    localrule: True
    conda:
        "../envs/ssmtl.yaml"
    params:
        folder=RUN_FOLDER,
        released=released_folder,
    shell:
        "python -m ssmtl use-released {params.folder} --released {params.released}"
        " --seed {wildcards.seed} --model-name {wildcards.model} 2>&1 | tee {log}"


rule release:
    input:
        expand(f"{RUN_FOLDER}/{{file}}", file=RELEASED_FILES, allow_missing=True),
        model=f"{RUN_FOLDER}/model.safetensors",
        metrics=f"{RUN_FOLDER}/metrics.json",
    output:
        expand(f"{RELEASE}/{{file}}", file=[*RELEASED_FILES, "README.md"], allow_missing=True),
    log:
        "results/{dataset}/logs/release_{model}_{seed}.log",
    localrule: True
    conda:
        "../envs/ssmtl.yaml"
    params:
        folder=RELEASE,
        run=lambda w, input: Path(input.model).parent,
        reader=lambda w: dataset(w.dataset)["reader"],
        config=run_config,
        code=code("release"),
    shell:
        "python -m ssmtl release {params.folder} --run-folder {params.run}"
        " --metrics {input.metrics} --reader {params.reader} --config {params.config:q}"
        " --made-by 'snakemake --cores all {params.folder}/README.md' 2>&1 | tee {log}"
