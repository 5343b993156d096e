rule cubes:
    input:
        frames=f"{SHARD}/frames.h5",
        detections=f"{SHARD}/detections.h5",
    output:
        f"{SHARD}/cubes.h5",
    log:
        "results/{dataset}/logs/cubes_{split}_{shard}.log",
    benchmark:
        "results/{dataset}/benchmarks/cubes_{split}_{shard}.tsv"
    conda:
        "../envs/ssmtl.yaml"
    threads: 2
    resources:
        **limits("cubes"),
    params:
        options=options("cubes"),
        code=code("cubes"),
    shell:
        "python -m ssmtl cubes {output} --frames {input.frames} --detections {input.detections}"
        " --split {wildcards.split} {params.options} 2>&1 | tee {log}"
