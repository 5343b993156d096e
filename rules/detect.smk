rule detect:
    input:
        frames=f"{SHARD}/frames.h5",
        boxes=imported_boxes,
        models=lambda w: model_files("detect", w),
    output:
        f"{SHARD}/detections.h5",
    log:
        "results/{dataset}/logs/detect_{split}_{shard}.log",
    benchmark:
        "results/{dataset}/benchmarks/detect_{split}_{shard}.tsv"
    conda:
        "../envs/ssmtl.yaml"
    threads: 16
    resources:
        **limits("detect"),
        gpu=1,
    params:
        options=options("detect"),
        boxes=lambda w, input: f"--boxes {input.boxes}" if input.boxes else "",
        code=code("detect"),
    shell:
        "python -m ssmtl detect {output} --frames {input.frames} {params.boxes} {params.options}"
        " 2>&1 | tee {log}"


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
        "python -m ssmtl train-detector {output} --jobs {threads} 2>&1 | tee {log}"
