rule calibrate:
    input:
        model=lambda w: f"{run_of('train', w)}/model.safetensors",
        cubes=shard_files("cubes", "train"),
        teachers=shard_files("teachers", "train"),
    output:
        f"{RUN_FOLDER}/calibration.h5",
    log:
        "results/{dataset}/logs/calibrate_{model}_{seed}.log",
    benchmark:
        "results/{dataset}/benchmarks/calibrate_{model}_{seed}.tsv"
    wildcard_constraints:
        dataset=TRAINING,
    conda:
        "../envs/ssmtl.yaml"
    threads: 16
    resources:
        gpu=1,
    params:
        options=options("score"),
        code=code("score"),
    shell:
        "python -m ssmtl calibrate {output} --model {input.model} --cubes {input.cubes}"
        " --teachers {input.teachers} {params.options} 2>&1 | tee {log}"


rule score:
    input:
        model=lambda w: f"{run_of('train', w)}/model.safetensors",
        calibration=f"{RUN_FOLDER}/calibration.h5",
        cubes=f"{TEST_SHARD}/cubes.h5",
        teachers=f"{TEST_SHARD}/teachers.h5",
    output:
        f"{RUN_FOLDER}/scores/{{shard}}.h5",
    log:
        "results/{dataset}/logs/score_{model}_{seed}_{shard}.log",
    benchmark:
        "results/{dataset}/benchmarks/score_{model}_{seed}_{shard}.tsv"
    conda:
        "../envs/ssmtl.yaml"
    threads: 16
    resources:
        gpu=1,
    params:
        options=options("score"),
        code=code("score"),
    shell:
        "python -m ssmtl score {output} --model {input.model} --calibration {input.calibration}"
        " --cubes {input.cubes} --teachers {input.teachers} {params.options} 2>&1 | tee {log}"
