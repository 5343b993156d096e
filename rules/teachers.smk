rule teachers:
    input:
        frames=f"{SHARD}/frames.h5",
        detections=f"{SHARD}/detections.h5",
        cubes=f"{SHARD}/cubes.h5",
        models=lambda w: model_files("teachers", w),
    output:
        f"{SHARD}/teachers.h5",
    log:
        "results/{dataset}/logs/teachers_{split}_{shard}.log",
    benchmark:
        "results/{dataset}/benchmarks/teachers_{split}_{shard}.tsv"
    conda:
        "../envs/ssmtl.yaml"
    threads: 16
    resources:
        **limits("teachers"),
        gpu=1,
    params:
        options=options("teachers"),
        code=code("teachers"),
    shell:
        "python -m ssmtl teachers {output} --frames {input.frames} --detections {input.detections}"
        " --cubes {input.cubes} --split {wildcards.split} {params.options} 2>&1 | tee {log}"
