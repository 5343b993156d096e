rule train:
    input:
        cubes=shard_files("cubes", "train"),
        teachers=shard_files("teachers", "train"),
    output:
        model=f"{RUN_FOLDER}/model.safetensors",
        card=f"{RUN_FOLDER}/model.json",
        history=f"{RUN_FOLDER}/history.csv",
    log:
        "results/{dataset}/logs/train_{model}_{seed}.log",
    benchmark:
        "results/{dataset}/benchmarks/train_{model}_{seed}.tsv"
    wildcard_constraints:
        dataset=TRAINING,
    conda:
        "../envs/ssmtl.yaml"
    threads: 16
    resources:
        **limits("train"),
        gpu=1,
    params:
        options=options("train"),
        code=code("train"),
        # Undeclared on purpose: Snakemake deletes the outputs of a failed job, this stays.
        state=f"{RUN_FOLDER}/.state",
        folder=RUN_FOLDER,
    # Not in params: the number of GPUs changes nothing that is worth another run.
    shell:
        "launcher='-m torch.distributed.run --standalone --nproc_per_node={resources.gpu}';"
        " [ {resources.gpu} -gt 1 ] || launcher=;"
        " python $launcher -m ssmtl train {params.folder} --cubes {input.cubes}"
        " --teachers {input.teachers} --state {params.state} --seed {wildcards.seed}"
        " --model-name {wildcards.model}"
        " {params.options} 2>&1 | tee {log}"


rule history:
    input:
        f"{RUN_FOLDER}/history.csv",
    output:
        report(
            f"{RUN_FOLDER}/history.svg",
            caption="../workflow/report/history.rst",
            category="{dataset}",
            subcategory="training",
        ),
    log:
        "results/{dataset}/logs/history_{model}_{seed}.log",
    localrule: True
    conda:
        "../envs/ssmtl.yaml"
    params:
        code=code("history"),
    shell:
        "python -m ssmtl history {output} --history {input} 2>&1 | tee {log}"
