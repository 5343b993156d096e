rule frames:
    input:
        clips=f"{paths.SHARD}/clips.csv",
    output:
        f"{paths.SHARD}/frames.h5",
    log:
        "results/{dataset}/logs/frames_{split}_{shard}.log",
    benchmark:
        "results/{dataset}/benchmarks/frames_{split}_{shard}.tsv"
    conda:
        "../envs/ssmtl.yaml"
    threads: 2
    resources:
        **jobs.limits("frames"),
    params:
        options=jobs.options("frames"),
        code=jobs.code("frames"),
    shell:
        "python -m ssmtl frames {output:q} --manifest {input.clips:q} --split {wildcards.split:q}"
        " --shard {wildcards.shard:q} {params.options} 2>&1 | tee {log:q}"
