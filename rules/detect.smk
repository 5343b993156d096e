def imported_boxes(wildcards):
    """The CSV of boxes, for the imported detector only."""
    if settings("detect", wildcards)["backend"] != "imported":
        return []
    boxes = dataset(wildcards.dataset).get("boxes", {})
    if wildcards.split not in boxes:
        raise WorkflowError(
            f"config: datasets.{wildcards.dataset}.boxes.{wildcards.split} must name a CSV of "
            "boxes, since detect.backend is imported"
        )
    return boxes[wildcards.split]


rule detect:
    input:
        frames=f"{SHARD}/frames.h5",
        boxes=imported_boxes,
    output:
        f"{SHARD}/detections.h5",
    params:
        options=options("detect"),
        boxes=lambda w, input: f"--boxes {input.boxes}" if input.boxes else "",
        code=code("detect"),
    threads: 16
    resources:
        gpu=1,
    conda:
        "../envs/ssmtl.yaml"
    log:
        "results/{dataset}/logs/detect_{split}_{shard}.log",
    shell:
        "python -m ssmtl detect {output} --frames {input.frames} {params.boxes} {params.options}"
        " 2>&1 | tee {log}"


rule demo_detector:
    # Not part of a run: `snakemake demo_detector` trains the demo's detector again.
    output:
        "results/demo-detector/demo-detector.pt",
    threads: 16
    conda:
        "../envs/ssmtl.yaml"
    log:
        "results/demo-detector/train.log",
    shell:
        "python -m ssmtl train-detector {output} --jobs {threads} 2>&1 | tee {log}"
