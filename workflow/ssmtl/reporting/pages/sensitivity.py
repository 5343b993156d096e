"""Page of the sensitivity to what is chosen after the objects are scored."""

from pathlib import Path

import matplotlib
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ssmtl.core import store
from ssmtl.core.errors import InputError
from ssmtl.evaluation.metrics.names import OF_FRAMES
from ssmtl.evaluation.sensitivity import FACTORS, METRICS, one_at_a_time
from ssmtl.formats.tables import read_csv, write_csv
from ssmtl.reporting import plots, series
from ssmtl.reporting.page import environment, notes_of, percent, spread
from ssmtl.reporting.pages.ablation import points

TEXT = ("model", "fusion", "border", "configured")
TITLES = {
    "fusion": "Fusion of the task scores",
    "cell": "Cell of the map, source pixels",
    "filter_size": "Side of the mean filter, cells and frames",
    "sigma": "Sigma of the temporal Gaussian, frames",
    "border": "Beyond a clip's ends",
}
LINES = {"zero": "--", "replicate": "-"}


def read_sweeps(tables: list[Path]) -> pd.DataFrame:
    """All sweeps, with the model and seed of each."""
    parts = []
    for path in tables:
        table = read_csv(path, text=TEXT)
        if missing := {"model", "seed", *FACTORS, *METRICS, "configured"} - set(table):
            raise InputError(f"{path}: no column {', '.join(sorted(missing))}; make it again")
        table["configured"] = table["configured"] == "True"
        parts.append(table)
    return pd.concat(parts, ignore_index=True)


def averaged(sweep: pd.DataFrame) -> pd.DataFrame:
    """The means over the seeds of one model's sweeps, in the order of the grid."""
    columns = [*FACTORS, "configured"]
    return sweep.groupby(columns, sort=False)[list(METRICS)].mean().reset_index()


def factor_tables(sweep: pd.DataFrame) -> list[dict]:
    """Per factor, its values with the texts of every metric: figure and difference in points."""
    at = averaged(sweep)
    point = at[at["configured"]].iloc[0]
    tables = []
    for factor, part in one_at_a_time(at).items():
        rows = []
        for row in part.to_dict("records"):
            runs = sweep[(sweep[list(FACTORS)] == [row[f] for f in FACTORS]).all(axis=1)]
            rows.append(
                {
                    "value": row[factor] if isinstance(row[factor], str) else f"{row[factor]:g}",
                    "configured": row["configured"],
                    "cells": [(spread(runs[m]), points(row[m] - point[m])) for m in METRICS],
                }
            )
        tables.append({"title": TITLES[factor], "rows": rows})
    return tables


@matplotlib.rc_context(plots.STYLE)
def sweep_figure(sweep: pd.DataFrame) -> Figure:
    """Micro AUC over sigma: a panel per fusion, a colour per filter, a line style per border rule,
    at the configured cell; the mean over the seeds."""
    at = averaged(sweep)
    point = at[at["configured"]].iloc[0]
    at = at[at["cell"] == point["cell"]]
    fusions, filters = at["fusion"].unique(), at["filter_size"].unique()
    shades = [*list(series.COLOURS.values())[2:], *series.SPARE]
    figure = Figure(figsize=(8, 2.9))
    panels = figure.subplots(1, len(fusions), sharey=True, squeeze=False)[0]
    figure.subplots_adjust(left=0.065, right=0.82, top=0.9, bottom=0.15, wspace=0.08)
    for axes, fusion in zip(panels, fusions, strict=True):
        for (size, border), line in at[at["fusion"] == fusion].groupby(["filter_size", "border"]):
            axes.plot(
                line["sigma"], 100 * line["micro"],
                color=shades[list(filters).index(size) % len(shades)], linestyle=LINES[border],
                marker="o", markersize=2.5, linewidth=1.1, label=f"filter {size:g}, {border}",
            )  # fmt: skip
        if fusion == point["fusion"]:
            axes.plot(point["sigma"], 100 * point["micro"], "o", color=series.TRUTH, markersize=6,
                      fillstyle="none", label="configured")  # fmt: skip
            handles = axes.get_legend_handles_labels()
        axes.set_title(f"fusion: {fusion}", loc="left", fontsize=8.5)
        axes.set_xlabel("sigma, frames")
        axes.grid(True)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    panels[0].set_ylabel("micro AUC, %")
    figure.legend(*handles, loc="center right")
    return figure


def model_view(number: int, model: str, sweep: pd.DataFrame) -> dict:
    """All that the page shows of one model."""
    at = averaged(sweep)
    point = at[at["configured"]].iloc[0]
    low, high = at["micro"].min(), at["micro"].max()
    return {
        "name": model,
        "seeds": sorted(set(sweep["seed"])),
        "points": len(at),
        "configured": ", ".join(
            f"{f.replace('_', ' ')} {point[f] if isinstance(point[f], str) else f'{point[f]:g}'}"
            for f in FACTORS
        ),
        "micro": spread(sweep.loc[sweep["configured"], "micro"]),
        "range": (percent(low), percent(at["micro"].median()), percent(high)),
        "factors": factor_tables(sweep),
        "figure": plots.inline_svg(
            sweep_figure(sweep), f"sweep-{number}", f"Micro AUC of {model} over sigma"
        ),
    }


def write_page(
    page: Path, combined: Path, *, dataset: str, tables: list[Path], about: dict
) -> None:
    """Writes the page of a data set, HTML, and all sweeps in one CSV.

    tables: sensitivity.csv of every model and seed.
    """
    sweeps = read_sweeps(tables)
    models = [
        model_view(number, model, sweep)
        for number, (model, sweep) in enumerate(sweeps.groupby("model", sort=False), 1)
    ]
    template = environment().get_template("sensitivity.html.j2")
    text = template.render(
        dataset=dataset,
        models=models,
        metric_names=[OF_FRAMES[metric] for metric in METRICS],
        notes=notes_of(about),
    )
    write_csv(combined, sweeps)
    with store.replacing(page) as path:
        path.write_text(text, encoding="utf-8")
