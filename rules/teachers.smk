rule teachers:
    input:
        frames=f"{paths.SHARD}/frames.h5",
        detections=f"{paths.SHARD}/detections.h5",
        cubes=f"{paths.SHARD}/cubes.h5",
        models=jobs.network_files("teachers"),
    output:
        f"{paths.SHARD}/teachers.h5",
    log:
        "results/{dataset}/logs/teachers_{split}_{shard}.log",
    benchmark:
        "results/{dataset}/benchmarks/teachers_{split}_{shard}.tsv"
    conda:
        "../envs/ssmtl.yaml"
    threads: 16
    resources:
        **jobs.limits("teachers"),
        gpu=1,
    params:
        options=jobs.options("teachers"),
        code=jobs.code("teachers"),
    shell:
        "python -m ssmtl teachers {output:q} --frames {input.frames:q} --detections {input.detections:q}"
        " --cubes {input.cubes:q} --split {wildcards.split:q} {params.options} 2>&1 | tee {log:q}"
