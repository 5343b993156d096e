rule train:
    input:
        cubes=jobs.files("cubes", "train"),
        teachers=jobs.files("teachers", "train"),
        features=jobs.features("train"),
    output:
        model=f"{paths.RUN}/model.safetensors",
        card=f"{paths.RUN}/model.json",
        history=f"{paths.RUN}/history.csv",
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
        **jobs.limits("train"),
        gpu=1,
    params:
        options=jobs.options("train"),
        code=jobs.code("train"),
        # Undeclared on purpose: Snakemake deletes the outputs of a failed job, this stays.
        state=f"{paths.RUN}/.state",
        folder=paths.RUN,
    # Not in params: the number of GPUs changes nothing that is worth another run.
    shell:
        "launcher='-m torch.distributed.run --standalone --nproc_per_node={resources.gpu}';"
        " [ {resources.gpu} -gt 1 ] || launcher=;"
        " python $launcher -m ssmtl train {params.folder:q} --cubes {input.cubes:q}"
        " --teachers {input.teachers:q} --features {input.features:q} --state {params.state:q}"
        " --seed {wildcards.seed:q} --model-name {wildcards.model:q}"
        " {params.options} 2>&1 | tee {log:q}"


rule history:
    input:
        f"{paths.RUN}/history.csv",
    output:
        report(
            f"{paths.RUN}/history.svg",
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
        code=jobs.code("history"),
    shell:
        "python -m ssmtl history {output:q} --history {input:q} 2>&1 | tee {log:q}"
