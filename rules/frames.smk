rule frames:
    input:
        clips=f"{SHARD}/clips.csv",
    output:
        f"{SHARD}/frames.h5",
    log:
        "results/{dataset}/logs/frames_{split}_{shard}.log",
    benchmark:
        "results/{dataset}/benchmarks/frames_{split}_{shard}.tsv"
    conda:
        "../envs/ssmtl.yaml"
    threads: 2
    resources:
        **limits("frames"),
    params:
        options=options("frames"),
        code=code("frames"),
    shell:
        "python -m ssmtl frames {output} --manifest {input.clips} --split {wildcards.split}"
        " --shard {wildcards.shard} {params.options} 2>&1 | tee {log}"
