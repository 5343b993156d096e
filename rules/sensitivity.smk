# Looks at the scores in other ways; nothing else reads what these rules make.


rule sensitivity:
    input:
        manifest="results/{dataset}/manifest.csv",
        scores=lambda w: [
            f"{run_of('score', w)}/scores/{shard}.h5" for shard in shards(w.dataset, "test")
        ],
        calibration=lambda w: f"{run_of('score', w)}/calibration.h5",
    output:
        f"{RUN_FOLDER}/sensitivity.csv",
    log:
        "results/{dataset}/logs/sensitivity_{model}_{seed}.log",
    conda:
        "../envs/ssmtl.yaml"
    params:
        options=options("sensitivity"),
        configured=configured_point,
        smoothing=lambda w: settings("evaluate", w)["smoothing"],
        code=code("sensitivity"),
    shell:
        "python -m ssmtl sensitivity {output} --manifest {input.manifest} --scores {input.scores}"
        " --calibration {input.calibration} --configured {params.configured:q}"
        " --model-name {wildcards.model} --smoothing {params.smoothing} {params.options} 2>&1 | tee {log}"


rule sensitivity_page:
    input:
        lambda w: expand("{run}/sensitivity.csv", run=run_folders(w.dataset)),
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
        about=shown_notes,
        code=code("sensitivity_page"),
    shell:
        "python -m ssmtl sensitivity-page {output} --dataset {wildcards.dataset} --tables {input}"
        " --about {params.about:q} 2>&1 | tee {log}"
