# All that `ssmtl watch` needs, in one folder.


rule watcher:
    input:
        model=jobs.weights,
        calibration=f"{paths.RUN}/calibration.h5",
        frames=jobs.files("frames", "train"),
    output:
        f"{paths.WATCHER}/watcher.json",
    log:
        "results/{dataset}/logs/watcher_{model}_{seed}.log",
    benchmark:
        "results/{dataset}/benchmarks/watcher_{model}_{seed}.tsv"
    wildcard_constraints:
        dataset=TRAINING,
    conda:
        "../envs/ssmtl.yaml"
    threads: 16
    resources:
        **jobs.limits("watcher"),
        gpu=1,
    params:
        folder=paths.WATCHER,
        config=jobs.run_config,
        code=jobs.code("watcher"),
    shell:
        "python -m ssmtl watcher {params.folder:q} --model {input.model:q}"
        " --calibration {input.calibration:q} --frames {input.frames:q} --config {params.config:q}"
        " 2>&1 | tee {log:q}"
