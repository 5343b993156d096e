"""How the tasks scores of an object become one."""

import numpy as np

QUANTILES = 1001


def combine(
    scores: dict[str, np.ndarray], fusion: str, calibration: dict[str, np.ndarray] | None = None
) -> np.ndarray:
    """The combined score of every object, float32 (N,) in [0, 1].

    fusion `mean`: the mean of the task scores [P]. `ecdf`: the mean of the shares F of normal
    objects that score lower. `fisher`: the mean of -log(1 - F), as in Fisher's method of combining
    p-values, over its largest value, so that one very unlikely task is not averaged away [D].
    calibration: per task ascending quantiles of its score on normal objects.
    """
    parts = list(contributions(scores, fusion, calibration).values())
    return np.mean(parts, axis=0).clip(0, 1).astype(np.float32)


def contributions(
    scores: dict[str, np.ndarray], fusion: str, calibration: dict[str, np.ndarray] | None
) -> dict[str, np.ndarray]:
    """What each task brings to the combined score, which is the mean of these; (N,) per task."""
    if fusion != "mean":
        scores = {name: calibrated(values, calibration[name]) for name, values in scores.items()}
    if fusion == "fisher":
        least = 1 / (QUANTILES + 1)
        scores = {
            name: np.log(np.maximum(1 - share, least)) / np.log(least)
            for name, share in scores.items()
        }
    return scores


def dominant_task(
    scores: dict[str, np.ndarray], fusion: str, calibration: dict[str, np.ndarray] | None
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


def quantiles_of(scores: np.ndarray) -> np.ndarray:
    """Ascending quantiles (QUANTILES,) of scores (N,); those of a uniform score where N is 0."""
    levels = np.linspace(0, 1, QUANTILES)
    return np.quantile(scores, levels) if len(scores) else levels
