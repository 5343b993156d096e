"""How the tasks scores of an object become one."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ssmtl.core import store
from ssmtl.core.errors import InputError
from ssmtl.formats.calibration import read_calibration
from ssmtl.scoring.settings import Score

QUANTILES = 1001
LEAST = 1e-3  # the tail probability from which `evidence` tells no more
TAIL = 0.99  # beyond this quantile of normal scores the tail is taken as exponential


@dataclass(frozen=True)
class Calibration:
    """What is known of the tasks and of their scores on normal objects.

    quantiles: per task ascending ones (Q,); weights: per task what it counts in `evidence`, all
    the same where none are given; counts: per task how many views its score is a mean over, 1
    where none is given.
    """

    quantiles: dict[str, np.ndarray]
    weights: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)


def calibration_of(path: Path, task_options: dict, tasks: Collection[str]) -> Calibration:
    """Quantiles and weights of the tasks; InputError where they are not of these tasks' scores.

    task_options: those of the scores, by task.
    """
    with read_calibration(path) as file:
        found = Score.upgraded(store.settings_of(file))["task_options"]
        if set(file) != set(tasks):
            raise InputError(
                f"{path}: of the tasks {', '.join(sorted(file))}, the scores are of "
                f"{', '.join(sorted(tasks))}; calibrate with the same model"
            )
        if other := [name for name in tasks if found.get(name) != task_options.get(name)]:
            raise InputError(
                f"{path}: made with score.task_options.{other[0]} {found.get(other[0])}, the "
                f"scores with {task_options.get(other[0])}; calibrate again, or score so"
            )
        quantiles = {name: file[name][:] for name in tasks}
        weights = {name: float(store.attribute(file[name], "weight", 1)) for name in file}
        counts = {name: int(store.attribute(file[name], "count", 1)) for name in file}
        return Calibration(quantiles, weights, counts)


def combine(
    scores: dict[str, np.ndarray], fusion: str, calibration: Calibration | None = None
) -> np.ndarray:
    """The combined score of every object, float32 (N,) in [0, 1].

    fusion `mean`: the mean of the task scores [P]. `summed`: their mean weighted by how many views
    each is a mean over, as if views were summed within a task before the mean over tasks. `ecdf`:
    the mean of the shares F of normal objects that score lower. `fisher`: the mean of -log(1 - F),
    as in Fisher's method of combining p-values, over its largest value, so that one very unlikely
    task is not averaged away [D]. `evidence`: the weighted quadratic mean of tails that saturate
    [D]; see `tail`.
    """
    parts = np.sum(list(contributions(scores, fusion, calibration).values()), axis=0)
    if fusion == "evidence":
        parts = np.sqrt(parts)
    return parts.clip(0, 1).astype(np.float32)


def contributions(
    scores: dict[str, np.ndarray], fusion: str, calibration: Calibration | None
) -> dict[str, np.ndarray]:
    """What each task brings: the combined score rises with the sum of these; (N,) per task."""
    shares = dict.fromkeys(scores, 1 / len(scores))
    if fusion == "mean":
        parts = scores
    elif fusion == "summed":
        counts = calibration.counts if calibration else {}
        parts, shares = scores, normalised({name: counts.get(name, 1) for name in scores})
    elif calibration is None:
        raise ValueError(f"the fusion {fusion} needs a calibration")
    elif fusion == "evidence":
        parts = {n: tail(v, calibration.quantiles[n]) ** 2 for n, v in scores.items()}
        shares = weights_of(list(scores), calibration)
    else:
        parts = {n: calibrated(v, calibration.quantiles[n]) for n, v in scores.items()}
        if fusion == "fisher":
            least = 1 / (QUANTILES + 1)
            parts = {
                name: np.log(np.maximum(1 - share, least)) / np.log(least)
                for name, share in parts.items()
            }
    return {name: shares[name] * part for name, part in parts.items()}


def weights_of(names: list[str], calibration: Calibration) -> dict[str, float]:
    """The weights of tasks, their sum 1; equal ones where none tells anything."""
    return normalised({name: calibration.weights.get(name, 1.0) for name in names})


def normalised(weights: Mapping[str, float]) -> dict[str, float]:
    """Weights over their sum; equal ones where that is 0."""
    total = sum(weights.values())
    return {name: weight / total if total else 1 / len(weights) for name, weight in weights.items()}


def dominant_task(
    scores: dict[str, np.ndarray], fusion: str, calibration: Calibration | None
) -> np.ndarray:
    """The task that brings most to each object's combined score, its place in `scores`, (N,)."""
    return np.argmax(list(contributions(scores, fusion, calibration).values()), axis=0)


def calibrated(values: np.ndarray, quantiles: np.ndarray) -> np.ndarray:
    """The distribution function that `quantiles` (Q,) describe, at `values` (N,): (N,) in [0, 1].

    The largest normal score goes to Q / (Q + 1), and what lies beyond it keeps its order.
    """
    largest, top = quantiles[-1], len(quantiles) / (len(quantiles) + 1)
    inside = np.interp(values, quantiles, np.linspace(0, top, len(quantiles)))
    beyond = top + (1 - top) * (values - largest) / max(1 - largest, 1e-9)
    return np.where(values > largest, np.clip(beyond, top, 1), inside)


def tail(values: np.ndarray, quantiles: np.ndarray) -> np.ndarray:
    """How unlikely scores (N,) are among normal objects, -log of the share that scores as high.

    Over -log LEAST, where it saturates: [0, 1]. Beyond the quantile TAIL, where there are few
    normal objects, the share falls exponentially with the mean excess of those few, so that it does
    not depend on the very largest. A score that many normal objects share is as likely as they are
    many, so a task that saturates on normal objects tells nothing where it does.
    """
    levels = np.linspace(0, 1, len(quantiles))
    start = int(TAIL * (len(quantiles) - 1))
    edge, rest = quantiles[start], quantiles[start:]
    excess = np.trapezoid(rest) / (len(rest) - 1) - edge
    # Of a run of equal quantiles the first counts: all of them score at least as high.
    kept = np.append(True, np.diff(quantiles) > 0)
    inside = 1 - np.interp(values, quantiles[kept], levels[kept])
    beyond = (1 - TAIL) * np.exp(-np.maximum(values - edge, 0) / max(excess, 1e-9))
    share = np.where(values > edge, beyond, inside)
    return np.log(share.clip(LEAST, 1)) / np.log(LEAST)


def quantiles_of(scores: np.ndarray) -> np.ndarray:
    """Ascending quantiles (QUANTILES,) of scores (N,); those of a uniform score where N is 0."""
    levels = np.linspace(0, 1, QUANTILES)
    return np.quantile(scores, levels) if len(scores) else levels
