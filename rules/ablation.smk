# The variants of a model are models: the rules that train, score and evaluate make them too.


rule ablation:
    input:
        metrics=lambda w: ablation_files("evaluate", "metrics.json", w.dataset),
        cards=lambda w: ablation_files("train", "model.json", w.dataset),
    output:
        page=report(
            "results/{dataset}/ablation.html",
            caption="../workflow/report/ablation.rst",
            category="{dataset}",
            subcategory="ablation",
        ),
        summary="results/{dataset}/ablation.csv",
        runs="results/{dataset}/ablation_runs.csv",
        figure=report(
            "results/{dataset}/ablation.svg",
            caption="../workflow/report/ablation.rst",
            category="{dataset}",
            subcategory="ablation",
        ),
    log:
        "results/{dataset}/logs/ablation.log",
    conda:
        "../envs/ssmtl.yaml"
    params:
        plan=lambda w: json.dumps(settings_tree.ablation_plan(config, w.dataset), sort_keys=True),
        code=code("ablation"),
    shell:
        "python -m ssmtl ablation {output} --dataset {wildcards.dataset} --plan {params.plan:q}"
        " --metrics {input.metrics} --cards {input.cards} 2>&1 | tee {log}"
