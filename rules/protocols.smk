# The protocols of the image system: one page per data set and protocol, from the runs of all normal
# classes, models and seeds.


rule pixel_baseline:
    input:
        train=own_images("train"),
        test="results/{imageset}/data/{source}/test/images.h5",
    output:
        "results/{imageset}/models/{normal}/pixel/scores/{source}.h5",
    log:
        "results/{imageset}/logs/pixel_baseline_{normal}_{source}.log",
    conda:
        "../envs/ssmtl.yaml"
    params:
        options=normal_option,
        code=code("pixel_baseline"),
    shell:
        "python -m ssmtl pixel-baseline {output} --train {input.train} --test {input.test}"
        " {params.options} 2>&1 | tee {log}"


rule protocol:
    input:
        images=lambda w: [
            f"results/{w.imageset}/data/{source}/test/images.h5" for source in protocol_sources(w)
        ],
        scores=protocol_scores,
        runs=protocol_files,
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
        plan=protocol_plan,
        code=code("protocol"),
    shell:
        "python -m ssmtl protocol {output} --protocol {wildcards.protocol}"
        " --dataset {wildcards.imageset} --plan {params.plan:q} --images {input.images}"
        " --scores {input.scores} 2>&1 | tee {log}"
