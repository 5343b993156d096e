"""Page and figure of an ablation."""

import json
import logging
from pathlib import Path

import matplotlib
import pandas as pd
from matplotlib.figure import Figure

from ssmtl.core import store
from ssmtl.evaluation import ablation
from ssmtl.evaluation.metrics.names import ALL, OF_FRAMES
from ssmtl.formats.metrics import read_metrics
from ssmtl.formats.tables import write_csv
from ssmtl.reporting import plots, series
from ssmtl.reporting.page import as_yaml, environment, notes_of, spread

log = logging.getLogger(__name__)

GROUPS = {
    "full": "Full set",
    "only": "Every task alone",
    "without": "Full set without one task",
    "encoders": "Encoders",
    "options": "Named variants",
}
DRAWN = ("micro", "macro_padded")


def task_of(variant: str) -> str | None:
    """The task that a variant has alone or leaves out."""
    for prefix in ("only_", "without_"):
        if variant.startswith(prefix):
            return variant.removeprefix(prefix)
    return None


def shown_changes(row: dict, settings: dict) -> str:
    """What a named variant changes: `train.flip false (full set: true)`."""
    if row["group"] != "options":
        return ""
    return "; ".join(
        f"{stage}.{key} {json.dumps(value)} (full set: {json.dumps(settings[stage][key])})"
        for stage, values in row["changes"].items()
        for key, value in values.items()
    )


def points(value: float) -> str:
    """A difference of fractions in percentage points, with its sign."""
    return f"{100 * value:+.1f}" if pd.notna(value) else series.UNKNOWN


@matplotlib.rc_context(plots.STYLE)
def ablation_figure(runs: pd.DataFrame, summary: pd.DataFrame) -> Figure:
    """Mean and standard deviation of every variant, each seed as a faint dot, the full set as a
    line; tables as of `ablation.run_table` and `ablation.summarise`."""
    variants = summary["variant"].tolist()
    # A gap of half a row opens every group.
    opened = (summary["group"] != summary["group"].shift()).cumsum()
    place = dict(zip(variants, summary.index + opened * 0.5, strict=True))
    figure = Figure(figsize=(8, 0.9 + 0.2 * (len(variants) + opened.iloc[-1] / 2)))
    panels = figure.subplots(1, len(DRAWN), sharey=True)
    figure.subplots_adjust(
        left=0.24, right=0.985, wspace=0.08,
        top=1 - 0.3 / figure.get_figheight(), bottom=0.45 / figure.get_figheight(),
    )  # fmt: skip
    for axes, metric in zip(panels, DRAWN, strict=True):
        axes.axvline(100 * summary[f"{metric}_mean"].iloc[0], color=series.INK, linewidth=0.6)
        for row in summary.itertuples():
            shade = series.colour(task_of(row.variant) or "combined")
            seeds = 100 * runs.loc[runs["variant"] == row.variant, metric]
            height = place[row.variant]
            axes.plot(seeds, [height] * len(seeds), "o", color=shade, alpha=0.3, markersize=3)
            mean, spread = (100 * getattr(row, f"{metric}_{what}") for what in ("mean", "sd"))
            axes.errorbar(
                mean, height, xerr=0 if pd.isna(spread) else spread,
                fmt="o", color=shade, markersize=5, linewidth=1.2,
            )  # fmt: skip
        axes.set_title(f"{ALL[metric]} AUC", loc="left", fontsize=8.5)
        axes.set_xlabel("per cent")
        axes.grid(True, axis="x")
    panels[0].set_yticks(list(place.values()), [series.title(name) for name in variants])
    panels[0].invert_yaxis()
    return figure


def variant_rows(plan: dict, runs: pd.DataFrame, summary: pd.DataFrame, metrics: list[str]):
    """The table of the page: per variant its name, group, changes, texts of figures, cost."""
    changes = {row["variant"]: shown_changes(row, plan["settings"]) for row in plan["rows"]}
    rows = []
    for row in summary.to_dict("records"):
        of_row = runs[runs["variant"] == row["variant"]]
        rows.append(
            {
                "variant": row["variant"],
                "group": row["group"],
                "task": task_of(row["variant"]),
                "changes": changes[row["variant"]],
                "cells": [
                    (spread(of_row[metric]), points(row[f"{metric}_difference"]))
                    for metric in metrics
                ],
                "cubes_seen": row["cubes_seen"],
                "parameters": row["parameters"],
            }
        )
    return rows


def ablation_page(
    dataset: str,
    plan: dict,
    runs: pd.DataFrame,
    summary: pd.DataFrame,
    within: pd.DataFrame,
    totals: dict,
) -> str:
    """The page, HTML; its arguments are those that `ablation.write_ablation` gathers.

    within: as of `ablation.tasks_within`, for the full set; totals: the metrics of one run.
    """
    metrics = [metric for metric in ALL if summary[f"{metric}_mean"].notna().any()]
    figure = plots.inline_svg(
        ablation_figure(runs, summary), "variants", "Frame-level AUC of every variant"
    )
    columns = [
        {"column": column, "cells": [spread(part[metric]) for metric in OF_FRAMES]}
        for column, part in within.groupby("column", sort=False)
    ]
    template = environment().get_template("ablation.html.j2")
    return template.render(
        dataset=dataset,
        model=plan["model"],
        reduced=plan["reduced"],
        notes=notes_of(plan["settings"] | {"notes": plan["notes"]}),
        totals=totals,
        seeds=sorted(set(runs["seed"])),
        full=spread(runs.loc[runs["variant"] == "full", "micro"]),
        groups=GROUPS,
        metric_names=[ALL[metric] for metric in metrics],
        rows=variant_rows(plan, runs, summary, metrics),
        frame_metrics=OF_FRAMES.values(),
        within=columns,
        figure=figure,
        config=as_yaml({"full set": plan["settings"]}),
    )


def write_ablation(
    page: Path,
    summary: Path,
    runs: Path,
    figure: Path,
    *,
    dataset: str,
    plan: dict,
    metrics: list[Path],
    cards: list[Path],
) -> None:
    """Writes the page, a CSV row per variant, a CSV row per variant and seed, and the figure.

    plan: `rows` as of `config.ablation`; `model`, the base model's name; `settings`, those of the
    full set by stage; `reduced`, train key -> [value of the base model, value here]; `notes`.
    """
    table = ablation.run_table(plan["rows"], ablation.read_runs(metrics, cards))
    summarised = ablation.summarise(table)
    within = ablation.tasks_within(metrics, plan["rows"][0]["model"])
    totals = read_metrics(metrics[0])
    write_csv(runs, table)
    write_csv(summary, summarised)
    plots.save(ablation_figure(table, summarised), figure)
    with store.replacing(page) as path:
        text = ablation_page(dataset, plan, table, summarised, within, totals)
        path.write_text(text, encoding="utf-8")
    log.info("%s: %d variants, %d runs", page, len(summarised), len(table))
