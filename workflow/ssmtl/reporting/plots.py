"""Figures of the report and of the training stage: data in, matplotlib `Figure` out.

No pyplot, so no global state; every column of scores has one colour, the same in all figures.
"""

import re
from io import StringIO
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from markupsafe import Markup, escape
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from sklearn.metrics import roc_curve

from ssmtl import store

INK = "#1f2328"  # text, axes and the combined score; inline figures take the page's text colour
TRUTH = "#e5484d"
UNKNOWN = "\u2013"  # shown for a number that there is not
COLOURS = {
    "combined": INK,
    "speed": "#8b8f98",
    "arrow_of_time": "#3b82d6",
    "motion_irregularity": "#e07b1f",
    "middle_box": "#1f9e77",
    "distillation": "#b05cc0",
    "rotation": "#c9a20a",
    "translation_vertical": "#2aa5b8",
    "translation_horizontal": "#d1527f",
    "jigsaw": "#7a7ae0",
}
SPARE = ("#a8743c", "#5f9e2f", "#6c8ea8", "#c46a5a")  # for tasks that are not named above

STYLE = {
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.size": 8,
    "grid.alpha": 0.15,
    "grid.color": INK,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "path.simplify_threshold": 0.3,
    "svg.fonttype": "none",
    "svg.hashsalt": "ssmtl",  # equal figures, equal bytes
    "text.color": INK,
    "text.parse_math": False,  # names of clips and kinds are plain text
    "xtick.color": INK,
    "ytick.color": INK,
}
NO_METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}


def title(column: str) -> str:
    """A column of scores as a reader sees it."""
    return "box speed (baseline)" if column == "speed" else column.replace("_", " ")


def colour(column: str) -> str:
    """The hex colour of a column of scores."""
    return COLOURS.get(column, SPARE[sum(column.encode()) % len(SPARE)])


def intervals(frames: pd.DataFrame) -> list[tuple[int, int, str]]:
    """First frame, last frame and kind of every anomalous stretch of one clip.

    `frames` has the columns frame, label (1 is anomalous, NaN is unlabelled) and kind; a
    stretch ends where the kind changes.
    """
    stretch = (frames[["label", "kind"]] != frames[["label", "kind"]].shift()).any(axis=1).cumsum()
    anomalous = frames[frames["label"] == 1]
    return [
        (int(part["frame"].iloc[0]), int(part["frame"].iloc[-1]), part["kind"].iloc[0])
        for _, part in anomalous.groupby(stretch[anomalous.index])
    ]


@matplotlib.rc_context(STYLE)
def timeline_figure(
    frames: pd.DataFrame, tasks: list[str], top: float, peaks: dict[str, float]
) -> Figure:
    """Combined score over one clip, raw and smoothed, and below it the smoothed tasks.

    `frames` are the clip's rows of frame_scores.csv; `top` ends the axis of the combined score;
    each task is divided by its value in `peaks`, since the tasks' scales differ widely.
    """
    figure = Figure(figsize=(8, 2.5))
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    figure.subplots_adjust(left=0.055, right=0.995, top=0.92, bottom=0.15, hspace=0.16)
    x = frames["frame"]
    upper.plot(x, frames["combined"], color=INK, alpha=0.35, linewidth=0.7)
    upper.plot(x, frames["combined_smoothed"], color=INK, linewidth=1.6)
    upper.set_ylim(0, top)
    for task in tasks:
        scaled = frames[f"{task}_smoothed"] / peaks[task]
        lower.plot(x, scaled, color=colour(task), linewidth=1)
    lower.set_ylim(0, 1.05)
    lower.set_yticks([])
    lower.set_ylabel("tasks")
    lower.set_xlabel("frame")
    lower.set_xlim(x.iloc[0], max(x.iloc[-1], x.iloc[0] + 1))
    upper.yaxis.set_major_locator(MaxNLocator(3))
    lower.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    for first, last, kind in intervals(frames):
        for axes in (upper, lower):
            axes.axvspan(first - 0.5, last + 0.5, color=TRUTH, alpha=0.14, linewidth=0)
        place = (first / 2 + last / 2, 1.02)
        upper.text(*place, kind, transform=upper.get_xaxis_transform(), color=TRUTH, ha="center")
    return figure


@matplotlib.rc_context(STYLE)
def roc_figure(frames: pd.DataFrame, columns: list[str], auc: dict[str, float | None]) -> Figure:
    """ROC of every column's smoothed frame scores over all labelled frames, with its micro AUC."""
    figure = Figure(figsize=(4.6, 3.9))
    axes = figure.subplots()
    figure.subplots_adjust(left=0.11, right=0.98, top=0.98, bottom=0.12)
    axes.plot([0, 1], [0, 1], color=INK, alpha=0.3, linewidth=0.7)
    labelled = frames[frames["label"].notna()]
    for column in columns:
        false, true, _ = roc_curve(labelled["label"], labelled[f"{column}_smoothed"])
        value = UNKNOWN if auc.get(column) is None else f"{100 * auc[column]:.1f}"
        axes.plot(
            false,
            true,
            color=colour(column),
            linewidth=2 if column == "combined" else 1.1,
            linestyle="--" if column == "speed" else "-",
            label=f"{title(column)}  {value}",
        )
    axes.set(xlim=(-0.005, 1), ylim=(0, 1.01))
    axes.set(xlabel="false-positive rate", ylabel="true-positive rate")
    axes.grid(True)
    axes.legend(loc="lower right")
    return figure


@matplotlib.rc_context(STYLE)
def history_figure(history: pd.DataFrame) -> Figure:
    """Training and validation loss over the steps, one panel per loss, the best step marked.

    `history` is history.csv: step, split (train or validation), loss_total, loss_<task>...; the
    best step is the one with the lowest validation loss_total.
    """
    losses = [name for name in history.columns if name.startswith("loss_")]
    columns = min(3, len(losses))
    rows = -(-len(losses) // columns)
    figure = Figure(figsize=(8, 0.5 + 1.9 * rows))
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    figure.subplots_adjust(
        left=0.06, right=0.99, top=1 - 0.3 / figure.get_figheight(),
        bottom=0.45 / figure.get_figheight(), hspace=0.42, wspace=0.25,
    )  # fmt: skip
    best = best_step(history)
    for axes, name in zip(grid, losses, strict=False):
        task = name.removeprefix("loss_")
        shade = INK if task == "total" else colour(task)
        for split, line in (("train", {"alpha": 0.5, "linewidth": 0.9}), ("validation", {})):
            part = history[history["split"] == split].dropna(subset=[name])
            marker = "o" if len(part) < 40 and split == "validation" else None
            axes.plot(
                part["step"], part[name], color=shade, marker=marker, markersize=2.5,
                label=split, **line,
            )  # fmt: skip
        if best is not None:
            axes.axvline(best, color=TRUTH, linewidth=0.9, linestyle=":", label="best step")
        axes.set_title(title(task), color=shade, loc="left", fontsize=8.5)
        axes.grid(True)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(4))
    for axes in grid[len(losses) :]:
        axes.set_axis_off()
    for axes in grid[max(0, len(losses) - columns) : len(losses)]:
        axes.set_xlabel("step")
    grid[0].legend()
    return figure


def best_step(history: pd.DataFrame) -> int | None:
    """The step of the lowest validation loss_total; None where nothing was validated."""
    validation = history[history["split"] == "validation"].dropna(subset=["loss_total"])
    if validation.empty:
        return None
    return int(validation.loc[validation["loss_total"].idxmin(), "step"])


@matplotlib.rc_context(STYLE)
def save(figure: Figure, path: Path) -> None:
    """Writes a figure as a stand-alone SVG on white; the same figure gives the same bytes."""
    with store.replacing(path) as temporary:
        figure.savefig(temporary, format="svg", facecolor="white", metadata=NO_METADATA)


@matplotlib.rc_context(STYLE)
def inline_svg(figure: Figure, name: str, description: str) -> Markup:
    """A figure as an `<svg>` element for a page, on no background, ink in the page's colour.

    `name` is unique on the page and begins every id in the element.
    """
    buffer = StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata=NO_METADATA)
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    box = re.search(r'viewBox="[^"]*"', svg).group()
    head = f'<svg class="plot" role="img" aria-label="{escape(description)}" {box}>'
    svg = head + svg[svg.index(">") + 1 :]
    svg = re.sub(r"<defs>\s*<style.*?</defs>", "", svg, flags=re.DOTALL)  # would style the page
    # Names repeat from figure to figure, and an id may be on a page only once.
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    svg = re.sub(r'( id="|href="#|url\(#)', rf"\g<1>{name}-", svg)
    svg = re.sub(r' d="[^"]*"', lambda path: re.sub(r"(\.\d\d)\d+", r"\1", path.group()), svg)
    return Markup(svg.replace(INK, "currentColor").replace("xlink:href", "href").strip())


def axis_top(values: np.ndarray) -> float:
    """The end of an axis from 0 that holds every value, with some air; 1 for all zeros."""
    peak = float(np.nanmax(values, initial=0))
    return min(1.0, peak * 1.08) if peak > 0 else 1.0
