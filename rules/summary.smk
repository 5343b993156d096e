rule summary:
    # All data sets, models and seeds side by side.
    input:
        metrics=jobs.compared_metrics,
        figures=jobs.compared_figures,
        reports=jobs.compared_reports,
    output:
        page=report(
            "results/summary.html",
            caption="../workflow/report/summary.rst",
            category="Comparison",
            subcategory="page",
        ),
        csv=report(
            "results/summary.csv",
            caption="../workflow/report/summary.rst",
            category="Comparison",
            subcategory="tables",
        ),
        tex=report(
            "results/summary.tex",
            caption="../workflow/report/summary.rst",
            category="Comparison",
            subcategory="tables",
        ),
        svg=report(
            "results/summary.svg",
            caption="../workflow/report/summary.rst",
            category="Comparison",
            subcategory="figures",
        ),
        pdf=report(
            "results/summary.pdf",
            caption="../workflow/report/summary.rst",
            category="Comparison",
            subcategory="figures",
        ),
    log:
        "results/logs/summary.log",
    localrule: True
    conda:
        "../envs/ssmtl.yaml"
    params:
        published=jobs.published,
        code=jobs.code("summary"),
    shell:
        "python -m ssmtl summary {output:q} --metrics {input.metrics:q}"
        " --published {params.published:q} 2>&1 | tee {log:q}"
