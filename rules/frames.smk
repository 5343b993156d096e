rule frames:
    input:
        # Clips that change are seen by `clips`; a new clip must not touch other shards.
        manifest=ancient("results/{dataset}/manifest.csv"),
    output:
        f"{SHARD}/frames.h5",
    params:
        options=options("frames"),
        clips=sources,
        code=code("frames"),
    threads: 2
    conda:
        "../envs/ssmtl.yaml"
    log:
        "results/{dataset}/logs/frames_{split}_{shard}.log",
    shell:
        "python -m ssmtl frames {output} --manifest {input.manifest} --split {wildcards.split}"
        " --shard {wildcards.shard} {params.options} 2>&1 | tee {log}"
