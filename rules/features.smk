rule features:
    input:
        frames=f"{paths.SHARD}/frames.h5",
        cubes=f"{paths.SHARD}/cubes.h5",
        models=jobs.network_files("features"),
    output:
        f"{paths.SHARD}/features.h5",
    log:
        "results/{dataset}/logs/features_{split}_{shard}.log",
    benchmark:
        "results/{dataset}/benchmarks/features_{split}_{shard}.tsv"
    conda:
        "../envs/ssmtl.yaml"
    threads: 16
    resources:
        **jobs.limits("features"),
        gpu=1,
    params:
        options=jobs.options("features"),
        code=jobs.code("features"),
    shell:
        "python -m ssmtl features {output:q} --frames {input.frames:q} --cubes {input.cubes:q}"
        " --split {wildcards.split:q} {params.options} 2>&1 | tee {log:q}"
