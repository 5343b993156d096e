rule detect:
    input:
        frames=f"{paths.SHARD}/frames.h5",
        boxes=jobs.boxes,
        models=jobs.network_files("detect"),
    output:
        f"{paths.SHARD}/detections.h5",
    log:
        "results/{dataset}/logs/detect_{split}_{shard}.log",
    benchmark:
        "results/{dataset}/benchmarks/detect_{split}_{shard}.tsv"
    conda:
        "../envs/ssmtl.yaml"
    threads: 16
    resources:
        **jobs.limits("detect"),
        gpu=1,
    params:
        options=jobs.options("detect"),
        boxes=jobs.boxes_option,
        code=jobs.code("detect"),
    shell:
        "python -m ssmtl detect {output:q} --frames {input.frames:q} {params.boxes} {params.options}"
        " 2>&1 | tee {log:q}"


rule demo_detector:
    # Not part of a run: `snakemake demo_detector` trains the demo's detector again.
    output:
        "results/demo-detector/demo-detector.pt",
    log:
        "results/demo-detector/train.log",
    conda:
        "../envs/ssmtl.yaml"
    threads: 16
    shell:
        "python -m ssmtl train-detector {output:q} --jobs {threads} 2>&1 | tee {log:q}"
