# Pictures of image data sets. Of several data sets in one protocol, all have the size of the first.


rule images:
    output:
        "results/{imageset}/data/{source}/{split}/images.h5",
    log:
        "results/{imageset}/logs/images_{source}_{split}.log",
    conda:
        "../envs/ssmtl.yaml"
    threads: 4
    resources:
        **limits("images"),
    params:
        options=options("images"),
        source=image_source,
        files=lambda w: image_listing(w.source, w.split),
        code=images_code,
    shell:
        "python -m ssmtl images {output} --dataset {wildcards.source} --split {wildcards.split} {params.source}"
        " {params.options} 2>&1 | tee {log}"
