# The protocols of the image system: one page per data set and protocol, from the runs of all normal
# classes, models and seeds.


rule pixel_baseline:
    input:
        train=paths.own_images("train"),
        test=paths.IMAGES.replace("{split}", "test"),
    output:
        "results/{imageset}/models/{normal}/pixel/scores/{source}.h5",
    log:
        "results/{imageset}/logs/pixel_baseline_{normal}_{source}.log",
    conda:
        "../envs/ssmtl.yaml"
    params:
        options=jobs.normal_option,
        code=jobs.code("pixel_baseline"),
    shell:
        "python -m ssmtl pixel-baseline {output:q} --train {input.train:q} --test {input.test:q}"
        " {params.options} 2>&1 | tee {log:q}"


rule protocol:
    input:
        images=jobs.protocol_images,
        scores=jobs.protocol_scores,
        runs=jobs.protocol_files,
    output:
        page=report(
            "results/{imageset}/{protocol}.html",
            caption="../workflow/report/protocol.rst",
            category="{imageset}",
            subcategory="{protocol}",
        ),
        summary="results/{imageset}/{protocol}.csv",
        runs="results/{imageset}/{protocol}_runs.csv",
        figure=report(
            "results/{imageset}/{protocol}.svg",
            caption="../workflow/report/protocol.rst",
            category="{imageset}",
            subcategory="{protocol}",
        ),
    log:
        "results/{imageset}/logs/{protocol}.log",
    wildcard_constraints:
        protocol="one_vs_all|out_of_distribution|presentation_attack",
    conda:
        "../envs/ssmtl.yaml"
    params:
        plan=jobs.protocol_plan,
        code=jobs.code("protocol"),
    shell:
        "python -m ssmtl protocol {output:q} --protocol {wildcards.protocol:q}"
        " --dataset {wildcards.imageset:q} --plan {params.plan:q} --images {input.images:q}"
        " --scores {input.scores:q} 2>&1 | tee {log:q}"
