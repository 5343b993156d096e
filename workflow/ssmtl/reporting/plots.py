"""Figures of papers, of the training stage and of tables: data in, matplotlib `Figure` out.

No pyplot, so no global state.
"""

import re
from io import StringIO
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ssmtl.core import store
from ssmtl.formats.frame_scores import intervals
from ssmtl.reporting.series import (
    INK,
    TRUTH,
    axis_top,
    best_step,
    colour,
    losses,
    roc_curves,
    title,
)

STYLE: Any = {  # matplotlib's own type knows each key by its name
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
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "ssmtl",  # equal figures, equal bytes
    "text.color": INK,
    "text.parse_math": False,  # names of clips and kinds are plain text
    "xtick.color": INK,
    "ytick.color": INK,
}
# What would differ between equal figures, or says nothing.
NO_METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}
NO_PDF_METADATA = {"Creator": None, "Producer": None, "CreationDate": None}


@matplotlib.rc_context(STYLE)
def timelines_figure(clips: dict[str, pd.DataFrame]) -> Figure:
    """The combined score of every clip, raw and smoothed, ground truth shaded, on one axis for all.

    clips: the rows of frame_scores.csv by clip.
    """
    columns = min(2, len(clips))
    rows = -(-len(clips) // columns)
    figure = Figure(figsize=(3.6 * columns, 0.4 + 1.15 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
    names = ["combined", "combined_smoothed"]
    top = axis_top(np.concatenate([frames[names].to_numpy().ravel() for frames in clips.values()]))
    for axes, (clip, frames) in zip(grid, clips.items(), strict=False):
        x = frames["frame"]
        axes.plot(x, frames["combined"], color=INK, alpha=0.35, linewidth=0.6)
        axes.plot(x, frames["combined_smoothed"], color=INK, linewidth=1.4)
        axes.set_xlim(x.iloc[0], max(x.iloc[-1], x.iloc[0] + 1))
        axes.set_ylim(0, top)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(3))
        axes.set_title(clip, loc="left", fontsize=8)
        for first, last, kind in intervals(frames):
            axes.axvspan(first - 0.5, last + 0.5, color=TRUTH, alpha=0.14, linewidth=0)
            place = ((first + last) / 2, 1.02)
            axes.text(*place, kind, transform=axes.get_xaxis_transform(), color=TRUTH, ha="center")
    for axes in grid[len(clips) :]:
        axes.set_axis_off()
    for axes in grid[max(0, len(clips) - columns) : len(clips)]:
        axes.set_xlabel("frame")
    return figure


@matplotlib.rc_context(STYLE)
def roc_figure(frames: pd.DataFrame, columns: list[str], auc: dict[str, float | None]) -> Figure:
    """ROC of every column's smoothed frame scores over all labelled frames, with its micro AUC.

    Only the diagonal where the labels do not hold both classes.
    """
    figure = Figure(figsize=(4.6, 3.9))
    axes = figure.subplots()
    figure.subplots_adjust(left=0.11, right=0.98, top=0.98, bottom=0.12)
    axes.plot([0, 1], [0, 1], color=INK, alpha=0.3, linewidth=0.7)
    for column, curve in roc_curves(frames, columns, auc).items():
        axes.plot(
            curve.false_rate,
            curve.true_rate,
            color=colour(column),
            linewidth=2 if column == "combined" else 1.1,
            linestyle="--" if column == "speed" else "-",
            label=curve.name,
        )
    axes.set(xlim=(-0.005, 1), ylim=(0, 1.01))
    axes.set(xlabel="false-positive rate", ylabel="true-positive rate")
    axes.grid(True)
    if len(axes.lines) > 1:
        axes.legend(loc="lower right")
    return figure


@matplotlib.rc_context(STYLE)
def history_figure(history: pd.DataFrame) -> Figure:
    """Training and validation loss over the steps, one panel per loss, the best step marked.

    `history` is history.csv: step, split (train or validation), loss_total, loss_<task>...; the
    best step is the one with the lowest validation loss_total.
    """
    shown = losses(history)
    columns = min(3, len(shown))
    rows = -(-len(shown) // columns)
    figure = Figure(figsize=(8, 0.5 + 1.9 * rows))
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    figure.subplots_adjust(
        left=0.06, right=0.99, top=1 - 0.3 / figure.get_figheight(),
        bottom=0.45 / figure.get_figheight(), hspace=0.42, wspace=0.25,
    )  # fmt: skip
    best = best_step(history)
    for axes, (task, courses) in zip(grid, shown.items(), strict=False):
        shade = INK if task == "total" else colour(task)
        for split, line in (("train", {"alpha": 0.5, "linewidth": 0.9}), ("validation", {})):
            course = courses[split]
            marker = "o" if len(course) < 40 and split == "validation" else None
            axes.plot(
                course.index, course, color=shade, marker=marker, markersize=2.5,
                label=split, **line,
            )  # fmt: skip
        if best is not None:
            axes.axvline(best, color=TRUTH, linewidth=0.9, linestyle=":", label="best step")
        axes.set_title(title(task), color=shade, loc="left", fontsize=8.5)
        axes.grid(True)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(4))
    for axes in grid[len(shown) :]:
        axes.set_axis_off()
    for axes in grid[max(0, len(shown) - columns) : len(shown)]:
        axes.set_xlabel("step")
    grid[0].legend()
    return figure


@matplotlib.rc_context(STYLE)
def save(figure: Figure, path: Path) -> None:
    """Writes a figure on white, as SVG or PDF by its name; equal figures give equal bytes."""
    kind = Path(path).suffix[1:]
    metadata = NO_PDF_METADATA if kind == "pdf" else NO_METADATA
    with store.replacing(path) as temporary:
        figure.savefig(temporary, format=kind, facecolor="white", metadata=metadata)


@matplotlib.rc_context(STYLE)
def inline_svg(figure: Figure, name: str, description: str) -> Markup:
    """A figure as an `<svg>` element for a page, on no background, ink in the page's colour.

    `name` is unique on the page and begins every id in the element.
    """
    buffer = StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata=NO_METADATA)
    drawn = ElementTree.fromstring(buffer.getvalue())  # noqa: S314, written by matplotlib just now
    for defs in drawn.findall("{*}defs"):
        if defs.find("{*}style") is not None:  # would style the page
            drawn.remove(defs)
    for element in drawn.iter():
        element.tag = without_namespace(element.tag)
        for key, value in [*element.attrib.items()]:
            del element.attrib[key]
            if (key := without_namespace(key)) != "id" or element.tag != "g":
                element.attrib[key] = inline_value(key, value, name)
    drawn.attrib = {
        "class": "plot",
        "role": "img",
        "aria-label": description,
        "viewBox": drawn.attrib["viewBox"],
    }
    drawn.tail = None
    return Markup(ElementTree.tostring(drawn, encoding="unicode"))


def without_namespace(name: str) -> str:
    """A tag or key as HTML has it, `{http://www.w3.org/1999/xlink}href` -> `href`."""
    return name.rpartition("}")[2]


def inline_value(key: str, value: str, name: str) -> str:
    """The value of an attribute in a page with other figures, this one called `name`.

    Names repeat from figure to figure, and an id may be on a page only once.
    """
    if key == "id":
        return f"{name}-{value}"
    if key == "href":
        return f"#{name}-{value[1:]}" if value.startswith("#") else value
    if key == "d":  # hundredths of a point are seen by nobody
        return re.sub(r"(\.\d\d)\d+", r"\1", value)
    return value.replace("url(#", f"url(#{name}-").replace(INK, "currentColor")
