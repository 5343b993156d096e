# Pictures of image data sets. Of several data sets in one protocol, all have the size of the first.


rule images:
    output:
        paths.IMAGES,
    log:
        "results/{imageset}/logs/images_{source}_{split}.log",
    conda:
        "../envs/ssmtl.yaml"
    threads: 4
    resources:
        **jobs.limits("images"),
    params:
        options=jobs.options("images"),
        source=jobs.image_source,
        files=jobs.image_listing,
        code=jobs.code("images"),
    shell:
        "python -m ssmtl images {output:q} --dataset {wildcards.source:q} --split {wildcards.split:q} {params.source}"
        " {params.options} 2>&1 | tee {log:q}"


use rule images as seen_images with:
    # Larger, for a frozen network; only until it has seen them.
    output:
        temp(paths.SEEN_IMAGES),
    log:
        "results/{imageset}/logs/seen_images_{source}_{split}.log",
    params:
        options=jobs.seen_options,
        source=jobs.image_source,
        files=jobs.image_listing,
        code=jobs.code("images"),


rule image_features:
    input:
        images=paths.IMAGES,
        seen=paths.SEEN_IMAGES,
        models=jobs.image_networks,
    output:
        paths.IMAGE_FEATURES,
    log:
        "results/{imageset}/logs/image_features_{source}_{split}.log",
    benchmark:
        "results/{imageset}/benchmarks/image_features_{source}_{split}.tsv"
    conda:
        "../envs/ssmtl.yaml"
    threads: 16
    resources:
        **jobs.limits("image_features"),
        gpu=1,
    params:
        options=jobs.options("image_features"),
        code=jobs.code("image_features"),
    shell:
        "python -m ssmtl image-features {output:q} --images {input.images:q} --seen {input.seen:q}"
        " --split {wildcards.split:q} {params.options} 2>&1 | tee {log:q}"
