"""Comparison of data sets, models and seeds: page, tables and figure."""

from pathlib import Path

import matplotlib
import pandas as pd
from matplotlib.figure import Figure

from ssmtl.core import store
from ssmtl.evaluation.metrics.names import ALL as METRICS
from ssmtl.formats.metrics import read_metrics
from ssmtl.formats.tables import write_csv
from ssmtl.reporting import plots, published, series
from ssmtl.reporting.page import environment, known, mean, spread

DRAWN = ("micro", "macro_padded")
PUBLISHED = {"micro": "micro", "macro_padded": "macro", "rbdc": "rbdc", "tbdc": "tbdc"}


def run_table(runs: list[dict]) -> pd.DataFrame:
    """One row per run and column of scores: dataset, model, seed, score, and METRICS as fractions.

    runs: contents of metrics.json. Frame metrics are those of the run's own border rule; NaN where
    a data set has no such ground truth.
    """
    rows = []
    for run in runs:
        for column in sorted(run["columns"], key=lambda name: name != "combined"):
            values = dict(run["scores"].get(run["border"], {}).get(column, {}))
            values |= run["regions"].get(column, {})
            values["pixel_auc"] = run["pixel_auc"].get(column)
            about = {"dataset": run["dataset"], "model": run["model"], "seed": run["seed"]}
            about |= {"border": run["border"], "score": column}
            rows.append(about | {metric: values.get(metric) for metric in METRICS})
    table = pd.DataFrame(rows)
    return table.astype(dict.fromkeys(METRICS, float))


def model_rows(table: pd.DataFrame, results: dict[str, list]) -> list[dict]:
    """One row per data set and model, mean ± standard deviation over the seeds in per cent.

    After those of a data set its box-speed baseline, the mean over all of its runs, and what is
    published, `results` by data set.
    """
    rows = []
    for dataset, of_set in table.groupby("dataset", sort=False):
        combined = of_set[of_set["score"] == "combined"]
        for model, runs in combined.groupby("model", sort=False):
            cells = [spread(runs[metric]) for metric in METRICS]
            about = {"dataset": dataset, "method": model, "seeds": len(runs)}
            rows.append(about | {"kind": "ours", "cells": cells})
        speed = of_set[of_set["score"] == "speed"]
        if len(speed):
            cells = [spread([mean(speed[metric])]) for metric in METRICS]
            about = {"dataset": dataset, "method": series.title("speed"), "seeds": None}
            rows.append(about | {"kind": "baseline", "cells": cells})
        for row in results.get(dataset, []):
            values = [getattr(row, PUBLISHED.get(metric, ""), None) for metric in METRICS]
            cells = [series.UNKNOWN if value is None else f"{value:.1f}" for value in values]
            about = {"dataset": dataset, "method": f"{row.method}, {row.source}", "seeds": None}
            rows.append(about | {"kind": "published", "cells": cells})
    return rows


def as_latex(rows: list[dict]) -> str:
    """The rows of `model_rows` as a LaTeX table for booktabs."""
    body = [[row["dataset"], row["method"], row["seeds"] or "", *row["cells"]] for row in rows]
    frame = pd.DataFrame(body, columns=["data set", "method", "seeds", *METRICS.values()])
    return frame.to_latex(
        index=False,
        escape=True,
        column_format="ll" + "r" * (1 + len(METRICS)),
        caption="Frame-level AUC, RBDC, TBDC and pixel AUC in per cent; "
        "mean $\\pm$ standard deviation over the seeds.",
        label="tab:ssmtl",
        position="t",
    )


@matplotlib.rc_context(plots.STYLE)
def summary_figure(table: pd.DataFrame, results: dict[str, list]) -> Figure:
    """AUC of every data set's models: mean and standard deviation, each seed as a faint dot.

    The baseline is a grey dot, what is published a hollow one.
    """
    combined = table[table["score"] == "combined"]
    pairs = list(combined.groupby(["dataset", "model"], sort=False))
    figure = Figure(figsize=(7.2, 0.9 + 0.32 * len(pairs)), layout="constrained")
    panels = figure.subplots(1, len(DRAWN), sharey=True)
    for axes, metric in zip(panels, DRAWN, strict=True):
        for height, ((dataset, _), runs) in enumerate(pairs):
            values = 100 * runs[metric].dropna()
            axes.plot(
                values, [height] * len(values), "o", color=series.INK, alpha=0.3, markersize=3
            )
            if len(values):
                deviation = 0 if len(values) < 2 else values.std()
                axes.errorbar(values.mean(), height, xerr=deviation, fmt="o", color=series.INK)
            speed = table[(table["dataset"] == dataset) & (table["score"] == "speed")][metric]
            axes.plot(100 * speed.mean(), height, "o", color=series.colour("speed"), markersize=4)
            known_results = known(
                getattr(row, PUBLISHED[metric]) for row in results.get(dataset, [])
            )
            axes.plot(
                known_results, [height] * len(known_results), "o",
                markerfacecolor="none", color=series.TRUTH, markersize=5,
            )  # fmt: skip
        axes.set_title(f"{METRICS[metric]} AUC", loc="left", fontsize=8.5)
        axes.set_xlabel("per cent")
        axes.grid(True, axis="x")
    panels[0].set_yticks(
        range(len(pairs)), [f"{dataset}, {model}" for (dataset, model), _ in pairs]
    )
    panels[0].set_ylim(len(pairs) - 0.5, -0.5)
    return figure


def write_summary(
    page: Path,
    csv: Path,
    tex: Path,
    figures: list[Path],
    *,
    metrics: list[Path],
    published_results: dict[str, str],
) -> None:
    """Writes the comparison of all runs.

    metrics: metrics.json of every run; published_results: per data set the name of its published
    results. InputError for a file that is missing or broken and for an unknown name.
    """
    table = run_table([read_metrics(path) for path in metrics])
    results = {name: published.results_for(key) for name, key in published_results.items()}
    rows = model_rows(table, results)
    figure = summary_figure(table, results)
    html = (
        environment()
        .get_template("summary.html.j2")
        .render(
            rows=rows,
            metric_names=list(METRICS.values()),
            datasets=list(table["dataset"].unique()),
            runs=table[table["score"] == "combined"].to_dict("records"),
            metrics=list(METRICS),
            differences=published.DIFFERENCES if any(results.values()) else "",
            figure=plots.inline_svg(figure, "summary", "AUC of every data set and model"),
        )
    )
    for path, text in ((page, html), (tex, as_latex(rows))):
        with store.replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    write_csv(csv, table)
    for path in figures:
        plots.save(figure, path)
