# All that `ssmtl watch` needs, in one folder.


rule watcher:
    input:
        model=lambda w: f"{run_of('train', w)}/model.safetensors",
        calibration=f"{RUN_FOLDER}/calibration.h5",
        frames=shard_files("frames", "train"),
    output:
        "results/{dataset}/watcher/{model}/seed{seed}/watcher.json",
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
        **limits("watcher"),
        gpu=1,
    params:
        config=run_config,
        code=code("watcher"),
    shell:
        "python -m ssmtl watcher $(dirname {output}) --model {input.model}"
        " --calibration {input.calibration} --frames {input.frames} --config {params.config:q}"
        " 2>&1 | tee {log}"
