rule cubes:
    input:
        frames=f"{paths.SHARD}/frames.h5",
        detections=f"{paths.SHARD}/detections.h5",
    output:
        f"{paths.SHARD}/cubes.h5",
    log:
        "results/{dataset}/logs/cubes_{split}_{shard}.log",
    benchmark:
        "results/{dataset}/benchmarks/cubes_{split}_{shard}.tsv"
    conda:
        "../envs/ssmtl.yaml"
    threads: 2
    resources:
        **jobs.limits("cubes"),
    params:
        options=jobs.options("cubes"),
        code=jobs.code("cubes"),
    shell:
        "python -m ssmtl cubes {output:q} --frames {input.frames:q} --detections {input.detections:q}"
        " --split {wildcards.split:q} {params.options} 2>&1 | tee {log:q}"
