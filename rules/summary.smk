rule summary:
    # All data sets, models and seeds side by side.
    input:
        metrics=[f"{run}/metrics.json" for name in compared() for run in run_folders(name)],
        figures=[
            f"{folder}/{figure}.{suffix}"
            for name in compared()
            for folder in first_folders("figures", name)
            for figure in ("roc", "timelines")
            for suffix in ("svg", "pdf")
        ],
        reports=expand("results/{dataset}/report.html", dataset=compared()),
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
        published=json.dumps(
            {
                name: dataset(name)["published"]
                for name in compared()
                if "published" in dataset(name)
            },
            sort_keys=True,
        ),
        code=code("summary"),
    shell:
        "python -m ssmtl summary {output} --metrics {input.metrics}"
        " --published {params.published:q} 2>&1 | tee {log}"
