rule calibrate:
    input:
        model=jobs.weights,
        cubes=jobs.files("cubes", "train"),
        teachers=jobs.files("teachers", "train"),
        features=jobs.features("train"),
    output:
        f"{paths.RUN}/calibration.h5",
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
        **jobs.limits("calibrate"),
        gpu=1,
    params:
        options=jobs.options("score"),
        code=jobs.code("calibrate"),
    shell:
        "python -m ssmtl calibrate {output:q} --model {input.model:q} --cubes {input.cubes:q}"
        " --teachers {input.teachers:q} --features {input.features:q} {params.options}"
        " 2>&1 | tee {log:q}"


rule score:
    input:
        model=jobs.weights,
        calibration=f"{paths.RUN}/calibration.h5",
        cubes=f"{paths.TEST_SHARD}/cubes.h5",
        teachers=f"{paths.TEST_SHARD}/teachers.h5",
        features=jobs.features("test"),
    output:
        f"{paths.RUN}/scores/{{shard}}.h5",
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
        **jobs.limits("score"),
        gpu=1,
    params:
        options=jobs.options("score"),
        code=jobs.code("score"),
    shell:
        "python -m ssmtl score {output:q} --model {input.model:q} --calibration {input.calibration:q}"
        " --cubes {input.cubes:q} --teachers {input.teachers:q} --features {input.features:q}"
        " {params.options} 2>&1 | tee {log:q}"


rule score_frames:
    # The same scores, without cubes.h5 and teachers.h5 of the test clips.
    input:
        model=jobs.weights,
        calibration=f"{paths.RUN}/calibration.h5",
        frames=f"{paths.TEST_SHARD}/frames.h5",
        detections=f"{paths.TEST_SHARD}/detections.h5",
        models=jobs.network_files("teachers"),
    output:
        f"{paths.RUN}/scores/{{shard}}.h5",
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
        **jobs.limits("score_frames"),
        gpu=1,
    params:
        options=jobs.options("score_frames"),
        cubes=jobs.scored_from("cubes"),
        teachers=jobs.scored_from("teachers"),
        features=jobs.scored_from("features"),
        code=jobs.code("score_frames"),
    shell:
        "python -m ssmtl score-frames {output:q} --model {input.model:q}"
        " --calibration {input.calibration:q} --frames {input.frames:q}"
        " --detections {input.detections:q} {params.options} {params.cubes} {params.teachers}"
        " {params.features} 2>&1 | tee {log:q}"
