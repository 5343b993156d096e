# The variants of a model are models: the rules that train, score and evaluate make them too.


rule ablation:
    input:
        metrics=jobs.ablation_files("evaluate", "metrics.json"),
        cards=jobs.ablation_files("train", "model.json"),
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
        plan=jobs.ablation_plan,
        code=jobs.code("ablation"),
    shell:
        "python -m ssmtl ablation {output:q} --dataset {wildcards.dataset:q} --plan {params.plan:q}"
        " --metrics {input.metrics:q} --cards {input.cards:q} 2>&1 | tee {log:q}"
