"""What figures show, whatever draws them: names, colours, curves and the ends of axes.

Pages are drawn by Plotly (`interactive`), files by matplotlib (`plots`). Every column of scores has
one colour, the same in all figures.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.metrics import roc_curve

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
SPLITS = ("train", "validation")  # of the history


def title(column: str) -> str:
    """A column of scores as a reader sees it."""
    return "box speed (baseline)" if column == "speed" else column.replace("_", " ")


def colour(column: str) -> str:
    """The hex colour of a column of scores."""
    return COLOURS.get(column, SPARE[sum(column.encode()) % len(SPARE)])


class Roc(NamedTuple):
    """A ROC curve, (points,) each, and its name with the AUC."""

    name: str
    false_rate: np.ndarray
    true_rate: np.ndarray
    threshold: np.ndarray


def roc_curves(
    frames: pd.DataFrame, columns: list[str], auc: dict[str, float | None]
) -> dict[str, Roc]:
    """The ROC of every column's smoothed frame scores over all labelled frames.

    Empty where the labels do not hold both classes.
    """
    labelled = frames[frames["label"].notna()]
    curves = {}
    for column in columns if labelled["label"].nunique() == 2 else ():
        value = auc.get(column)
        name = f"{title(column)}  {UNKNOWN if value is None else f'{100 * value:.1f}'}"
        curves[column] = Roc(name, *roc_curve(labelled["label"], labelled[f"{column}_smoothed"]))
    return curves


def losses(history: pd.DataFrame) -> dict[str, dict[str, pd.Series]]:
    """The course of every loss, `total` first, in training and validation: the loss by step.

    history: as of history.csv: step, split (train or validation), loss_total, loss_<task>...
    """
    found = {}
    for name in (column for column in history.columns if column.startswith("loss_")):
        parts = {s: history[history["split"] == s].dropna(subset=[name]) for s in SPLITS}
        found[name.removeprefix("loss_")] = {
            split: part.set_index("step")[name] for split, part in parts.items()
        }
    return found


def best_step(history: pd.DataFrame) -> int | None:
    """The step of the lowest validation loss_total; None where nothing was validated."""
    validation = history[history["split"] == "validation"].dropna(subset=["loss_total"])
    if validation.empty:
        return None
    return int(validation.loc[validation["loss_total"].idxmin(), "step"])


def axis_top(values: np.ndarray) -> float:
    """The end of an axis from 0 that holds every value, with some air; 1 for all zeros."""
    peak = float(np.nanmax(values, initial=0))
    return min(1.0, peak * 1.08) if peak > 0 else 1.0
