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
