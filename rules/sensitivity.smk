# Looks at the scores in other ways; nothing else reads what these rules make.


rule sensitivity:
    input:
        manifest="results/{dataset}/manifest.csv",
        scores=jobs.scores,
        calibration=jobs.calibration,
    output:
        f"{paths.RUN}/sensitivity.csv",
    log:
        "results/{dataset}/logs/sensitivity_{model}_{seed}.log",
    conda:
        "../envs/ssmtl.yaml"
    params:
        options=jobs.options("sensitivity"),
        configured=jobs.configured_point,
        code=jobs.code("sensitivity"),
    shell:
        "python -m ssmtl sensitivity {output:q} --manifest {input.manifest:q} --scores {input.scores:q}"
        " --calibration {input.calibration:q} --model-name {wildcards.model:q}"
        " {params.configured} {params.options} 2>&1 | tee {log:q}"


rule sensitivity_page:
    input:
        jobs.each_run("sensitivity.csv"),
    output:
        page=report(
            "results/{dataset}/sensitivity.html",
            caption="../workflow/report/sensitivity.rst",
            category="{dataset}",
            subcategory="sensitivity",
        ),
        table="results/{dataset}/sensitivity.csv",
    log:
        "results/{dataset}/logs/sensitivity_page.log",
    localrule: True
    conda:
        "../envs/ssmtl.yaml"
    params:
        about=jobs.notes,
        code=jobs.code("sensitivity_page"),
    shell:
        "python -m ssmtl sensitivity-page {output:q} --dataset {wildcards.dataset:q} --tables {input:q}"
        " --about {params.about:q} 2>&1 | tee {log:q}"
