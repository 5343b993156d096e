"""Page, figure and tables of a protocol of the image system."""

import base64
import logging
from itertools import cycle
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ssmtl.core import store
from ssmtl.evaluation import protocols
from ssmtl.evaluation.protocols import Case, Run
from ssmtl.formats import tables
from ssmtl.formats.card import read_card
from ssmtl.formats.cubes import open_cubes
from ssmtl.formats.history import read_history
from ssmtl.formats.images import read_images
from ssmtl.media import codec
from ssmtl.reporting import plots, series
from ssmtl.reporting.page import as_yaml, environment, flat, verdict
from ssmtl.reporting.pages.ablation import points
from ssmtl.scoring.settings import PLAIN

log = logging.getLogger(__name__)

SEEDS = 3  # of the published results
STRIP = 10  # pictures in a row
GAP = 2  # pixels between them
BINS = 40
PER_LINE = 5  # names in a line of the figure's legend

TITLES = {
    "one_vs_all": "One against all",
    "out_of_distribution": "Out of distribution",
    "presentation_attack": "Presentation attacks",
}
HEADLINE = (
    "Published, from memory: up to 31 % less AUROC error than a baseline of geometric "
    "transformations."
)
RESULTS = {  # what the paper states, as far as it is known
    "one_vs_all": HEADLINE,
    "out_of_distribution": HEADLINE,
    "presentation_attack": "Published, from memory: on SiW-M an APCER at 5 % BPCER of 39.1 %, "
    "77.5 % before.",
}


# ---------------------------------------------------------------- figures


def shades(scores: list[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """A colour for every (model, column) set side by side; the method's is the ink."""
    others = cycle([*list(series.COLOURS.values())[2:], *series.SPARE])
    return {score: next(others) if number else series.INK for number, score in enumerate(scores)}


@matplotlib.rc_context(plots.STYLE)
def bars_figure(summary: pd.DataFrame) -> Figure:
    """AUROC of every case and of all cases, one bar per compared score, from chance at 50 %; with
    the standard deviation where there are several seeds. `summary`: of `protocols.summarise`."""
    colours = shades(protocols.compared(summary))
    names = protocols.score_names(summary)
    cases = summary.groupby(["level", "case"], sort=False)
    # What is over all cases stands first.
    ordered = sorted(cases, key=lambda item: item[0][0] != "all")
    height = 0.8 / len(colours)
    legend = 0.1 + 0.2 * -(-len(colours) // PER_LINE)  # inches
    figure = Figure(figsize=(8, 0.4 + legend + len(ordered) * (0.14 + 0.09 * len(colours))))
    axes = figure.subplots()
    tall = figure.get_figheight()
    figure.subplots_adjust(left=0.16, right=0.985, top=1 - legend / tall, bottom=0.45 / tall)
    for number, (score, shade) in enumerate(colours.items()):
        rows = [part[(part["model"] == score[0]) & (part["column"] == score[1])].iloc[0]
                for _, part in ordered]  # fmt: skip
        mean = np.array([100 * row["auroc_mean"] for row in rows])
        axes.barh(
            np.arange(len(rows)) - 0.4 + (number + 0.5) * height, mean - 50, height, left=50,
            xerr=np.nan_to_num([100 * row["auroc_sd"] for row in rows]),
            error_kw={"linewidth": 0.6, "ecolor": series.INK, "alpha": 0.6},
            color=shade, label=names[number],
        )  # fmt: skip
    axes.axvline(50, color=series.INK, linewidth=0.6)
    axes.set_yticks(range(len(ordered)), [case for (_, case), _ in ordered])
    axes.invert_yaxis()
    axes.margins(y=0.01)
    axes.set_xlim(right=100)
    axes.set_xlabel("AUROC, per cent")
    axes.grid(True, axis="x")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=PER_LINE, borderaxespad=0.2)
    return figure


@matplotlib.rc_context(plots.STYLE)
def histogram_figure(parts: list[tuple[str, np.ndarray, np.ndarray]]) -> Figure:
    """How the scores of normal and anomalous pictures are spread: a panel per case.

    parts: (case, scores of normal (N,), of anomalous pictures (M,)); each is a density.
    """
    columns = min(3, len(parts))
    rows = -(-len(parts) // columns)
    figure = Figure(figsize=(8, 0.5 + 1.3 * rows))
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    tall = figure.get_figheight()
    figure.subplots_adjust(
        left=0.02, right=0.985, top=1 - 0.25 / tall, bottom=0.4 / tall, hspace=0.55, wspace=0.08
    )
    for axes, (case, normal, anomalous) in zip(panels, parts, strict=False):
        both = np.concatenate([normal, anomalous])
        low, high = float(both.min()), float(both.max())
        edges = np.linspace(low, high if high > low else low + 1e-6, BINS + 1)
        for values, shade, label in (
            (normal, series.INK, "normal"),
            (anomalous, series.TRUTH, "anomalous"),
        ):
            axes.hist(values, edges, density=True, histtype="stepfilled", color=shade, alpha=0.45,
                      label=label)  # fmt: skip
        axes.set_title(case, loc="left", fontsize=8.5)
        axes.set_yticks([])
    for axes in panels[len(parts) :]:
        axes.set_axis_off()
    panels[0].legend(loc="upper right")
    return figure


# ---------------------------------------------------------------- pictures


class Pictures:
    """The test pictures of all data sets; read a few at a time."""

    def __init__(self, images: list[Path]):
        self.paths = {}
        for path in images:
            with read_images(path, []) as file:
                self.paths[store.attribute(file, "dataset")] = path

    def strip(self, shown: list[tuple[str, str, int, float]]) -> dict:
        """Pictures side by side as the attributes of an `<img>`, and their names and scores.

        shown: (data set, class, row, score) of each.
        """
        pictures, names = [], []
        for source, label, row, score in shown:
            with read_images(self.paths[source], []) as file:
                pictures.append(open_cubes(file[label])[row, 0])
                name = file[label]["name"].asstr()[row]
            names.append(f"{label}: {name}, {score:.3f}")
        return {
            **png_uri(side_by_side(pictures)),
            "names": names,
            "range": f"{shown[0][3]:.3f} to {shown[-1][3]:.3f}",
        }


def side_by_side(pictures: list[np.ndarray]) -> np.ndarray:
    """Pictures uint8 (S, S, 3) in a row with grey gaps: (S, n * (S + GAP) - GAP, 3)."""
    gap = np.full((len(pictures[0]), GAP, 3), 128, np.uint8)
    return np.concatenate([part for p in pictures for part in (gap, p)][1:], axis=1)


def png_uri(picture: np.ndarray) -> dict:
    """A picture as a data URI without loss, with its width and height."""
    data = base64.b64encode(codec.encode_png(picture)).decode()
    height, width = picture.shape[:2]
    return {"src": f"data:image/png;base64,{data}", "width": width, "height": height}


def extremes(run: Run, parts: list[tuple[str, str]]) -> tuple[list, list]:
    """The STRIP lowest combined scores, ascending, and the STRIP highest, descending, of the
    pictures of some (data set, class): each (data set, class, row, score)."""
    values = run.values("combined", parts)
    counts = [len(run.values("combined", [part])) for part in parts]
    part = np.repeat(np.arange(len(parts)), counts)
    row = np.concatenate([np.arange(count) for count in counts])
    order = np.argsort(values, kind="stable")
    ranked = [[(*parts[part[i]], int(row[i]), float(values[i])) for i in chosen]
              for chosen in (order[:STRIP], order[::-1][:STRIP])]  # fmt: skip
    return ranked[0], ranked[1]


def strips(run: Run, case: Case, pictures: Pictures) -> list[dict]:
    """The pictures of both kinds that look most and least normal, with headings."""
    rows = []
    for kind, parts in (("normal", case.normal), ("anomalous", case.anomalous)):
        lowest, highest = extremes(run, parts)
        for what, shown in (("lowest", lowest), ("highest", highest)):
            wrong = (kind == "normal") == (what == "highest")
            title = f"{kind.capitalize()} pictures with the {what} scores"
            rows.append({"title": title, "wrong": wrong} | pictures.strip(shown))
    return rows


# ---------------------------------------------------------------- page


def count_of(value) -> int | None:
    """A count in a summary, which has none where several cases are averaged."""
    return None if pd.isna(value) else int(value)


def case_rows(summary: pd.DataFrame, figure: str) -> list[dict]:
    """A table of one figure: per case, the text of every compared score and whether it is best."""
    rows = []
    for (level, case), part in summary.groupby(["level", "case"], sort=False):
        by_score = {(row["model"], row["column"]): row for _, row in part.iterrows()}
        found = [by_score[score] for score in protocols.compared(summary)]
        means = [row[f"{figure}_mean"] for row in found]
        known = [m for m in means if pd.notna(m)]
        best = (max if figure == protocols.HIGHER else min)(known) if known else None
        rows.append(
            {
                "case": case,
                "level": level,
                "counts": [count_of(found[0][kind]) for kind in ("normal", "anomalous")],
                "cells": [
                    (protocols.cell(row, figure), row[f"{figure}_mean"] == best) for row in found
                ],
            }
        )
    return rows


def task_rows(summary: pd.DataFrame, case: str) -> list[dict]:
    """Over all cases, every figure of the columns of scores within each model: a row per column."""
    over = summary[(summary["level"] == "all") & (summary["case"] == case)]
    figures = [f for f in protocols.SHOWN if f"{f}_mean" in summary]
    return [
        {
            "model": row["model"],
            "column": row["column"],
            "cells": [protocols.cell(row, figure) for figure in figures],
        }
        for _, row in over[over["model"] != protocols.PIXEL].iterrows()
    ]


def standings(summary: pd.DataFrame, case: str) -> list[dict]:
    """Over all cases, the AUROC of every compared score and how it stands to the method's."""
    over = summary[(summary["level"] == "all") & (summary["case"] == case)]
    by_score = {(row["model"], row["column"]): row for _, row in over.iterrows()}
    scores = protocols.compared(summary)
    own = by_score[scores[0]]["auroc_mean"]
    names = protocols.score_names(summary)
    return [
        {
            "name": names[number],
            "auroc": protocols.cell(by_score[score], "auroc"),
            "verdict": verdict(100 * (by_score[score]["auroc_mean"] - own)) if number else None,
            "difference": points(by_score[score]["auroc_mean"] - own) if number else "",
        }
        for number, score in enumerate(scores)
    ]


def first_runs(runs: list[Run]) -> list[Run]:
    """The runs of the method with its first seed, one per normal class."""
    return [run for run in runs if (run.model, run.seed) == (runs[0].model, runs[0].seed)]


def training(runs: list[Run]) -> list[dict]:
    """The training history of some runs; none where nothing was logged."""
    found = []
    for number, run in enumerate(runs, 1):
        table = read_history(run.folder / "history.csv")
        if not table.empty:
            figure = plots.history_figure(table)
            svg = plots.inline_svg(figure, f"training-{number}", f"Training on {run.normal}")
            found.append({"normal": run.normal, "svg": svg})
    return found


def run_rows(runs: list[Run]) -> list[dict]:
    """What was trained: per run its normal class, model, seed, and what its card says."""
    rows = []
    for run in runs:
        if run.seed is not None:
            card = read_card(run.folder / "model.json")
            rows.append(
                {
                    "normal": run.normal,
                    "model": run.model,
                    "seed": run.seed,
                    "train": flat(card["train"]),
                    "best": flat(card["best"]),
                    "versions": flat(card["versions"]),
                }
            )
    return rows


def drawn(cases: list[tuple[Run, Case]], summary: pd.DataFrame, pictures: Pictures) -> dict:
    """The figures of a page, and the strips of pictures of every case."""
    parts = [
        (case.name, run.values("combined", case.normal), run.values("combined", case.anomalous))
        for run, case in cases
    ]
    words = "Scores of normal and anomalous pictures"
    return {
        "bars": plots.inline_svg(bars_figure(summary), "bars", "AUROC of every case"),
        "histograms": plots.inline_svg(histogram_figure(parts), "histograms", words),
        "strips": [(case.name, strips(run, case, pictures)) for run, case in cases],
    }


def protocol_page(
    protocol: str,
    dataset: str,
    plan: dict,
    runs: list[Run],
    counts: dict[str, dict[str, int]],
    summary: pd.DataFrame,
    images: list[Path],
) -> str:
    """The page, HTML; its arguments are those that `write_protocol` gathers."""
    shown = first_runs(runs)
    cases = [
        (run, case)
        for run in shown
        for case in protocols.cases_of(protocol, dataset, run.normal, counts)
    ]
    figures = [f for f in protocols.SHOWN if f"{f}_mean" in summary]
    trained, overall = run_rows(runs), protocols.OVERALL[protocol]
    return (
        environment()
        .get_template("protocol.html.j2")
        .render(
            protocol=protocol,
            title=TITLES[protocol],
            published=RESULTS[protocol],
            published_seeds=SEEDS,
            dataset=dataset,
            method=runs[0].model.replace("_", " "),
            classes=len(counts[dataset]),
            cases=[case.name for _, case in cases],
            pictures=sum(sum(classes.values()) for classes in counts.values()),
            seeds=sorted({run.seed for run in runs if run.seed is not None}),
            overall=overall,
            standings=standings(summary, overall),
            winners=protocols.winners_text(summary, overall),
            pretrained=protocols.pretrained_networks(summary),
            both=any(column in PLAIN for _, column in protocols.compared(summary)),
            reductions=protocols.reductions_text(summary),
            notes=plan["notes"],
            names=protocols.score_names(summary),
            tables=[(protocols.LABELS[f], case_rows(summary, f)) for f in figures],
            labels=[protocols.LABELS[f] for f in figures],
            tasks=task_rows(summary, overall),
            **drawn(cases, summary, Pictures(images)),
            training=training(shown),
            runs=trained,
            versions=sorted({row["versions"] for row in trained}),
            config=as_yaml(plan["settings"]),
        )
    )


def write_csv(table: pd.DataFrame, output: Path, **columns: str) -> None:
    """A table with some constant columns before its own."""
    labelled = pd.concat([pd.DataFrame(columns, index=table.index), table], axis=1)
    tables.write_csv(output, labelled)


def write_protocol(
    page: Path,
    summary: Path,
    runs: Path,
    figure: Path,
    *,
    protocol: str,
    dataset: str,
    plan: dict,
    scores: list[Path],
    images: list[Path],
) -> None:
    """Writes the page of a protocol, a CSV row per case and score, one per run, and the figure.

    scores: files of scores, of the method first, then of the models to compare and of the pixel
    baselines, each in a folder `scores` of its run; a model's run has model.json and history.csv,
    for attacks also calibration.h5. images: the test pictures of every data set. plan:
    `references`, the models that the method's error is set against, `pretrained`, the network of
    each model that uses one which was trained on other pictures, `notes` and `settings` to show.
    """
    counts = protocols.count_pictures(images)
    found = protocols.read_runs(scores, counts)
    table = protocols.run_table(protocol, dataset, found, counts)
    table = protocols.with_reductions(table, plan["references"])
    summarised = protocols.with_pretrained(protocols.summarise(table), plan["pretrained"])
    write_csv(table, runs, protocol=protocol, dataset=dataset)
    write_csv(summarised, summary, protocol=protocol, dataset=dataset)
    plots.save(bars_figure(summarised), figure)
    with store.replacing(page) as path:
        text = protocol_page(protocol, dataset, plan, found, counts, summarised, images)
        path.write_text(text, encoding="utf-8")
    log.info("%s: %d runs", page, len(found))
