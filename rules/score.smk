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
        **limits("calibrate"),
        gpu=1,
    params:
        options=options("score"),
        code=code("calibrate"),
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
    wildcard_constraints:
        dataset=STORING,
    conda:
        "../envs/ssmtl.yaml"
    threads: 16
    resources:
        **limits("score"),
        gpu=1,
    params:
        options=options("score"),
        code=code("score"),
    shell:
        "python -m ssmtl score {output} --model {input.model} --calibration {input.calibration}"
        " --cubes {input.cubes} --teachers {input.teachers} {params.options} 2>&1 | tee {log}"


rule score_frames:
    # The same scores, without cubes.h5 and teachers.h5 of the test clips.
    input:
        model=lambda w: f"{run_of('train', w)}/model.safetensors",
        calibration=f"{RUN_FOLDER}/calibration.h5",
        frames=f"{TEST_SHARD}/frames.h5",
        detections=f"{TEST_SHARD}/detections.h5",
        models=lambda w: model_files("teachers", w),
    output:
        f"{RUN_FOLDER}/scores/{{shard}}.h5",
    log:
        "results/{dataset}/logs/score_{model}_{seed}_{shard}.log",
    benchmark:
        "results/{dataset}/benchmarks/score_{model}_{seed}_{shard}.tsv"
    wildcard_constraints:
        dataset=FROM_FRAMES,
    conda:
        "../envs/ssmtl.yaml"
    threads: 16
    resources:
        **limits("score_frames"),
        gpu=1,
    params:
        options=options("score"),
        cubes=lambda w: settings_tree.flags(settings("cubes", w), "cubes_"),
        teachers=lambda w: settings_tree.flags(settings("teachers", w), "teachers_"),
        code=code("score_frames"),
    shell:
        "python -m ssmtl score-frames {output} --model {input.model}"
        " --calibration {input.calibration} --frames {input.frames}"
        " --detections {input.detections} {params.options} {params.cubes} {params.teachers}"
        " 2>&1 | tee {log}"
