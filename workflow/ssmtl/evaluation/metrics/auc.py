"""Frame-level AUC: micro, and macro in three named conventions (docs/methods.md)."""

from collections.abc import Iterable

import numpy as np
from sklearn.metrics import roc_auc_score

from ssmtl.evaluation.metrics.names import OF_FRAMES


def auc(labels: np.ndarray, scores: np.ndarray) -> float | None:
    """Area under the ROC curve of bool labels (N,) and scores (N,); None for a single class."""
    labels = np.asarray(labels, bool)
    if labels.all() or not labels.any():
        return None
    return float(roc_auc_score(labels, scores))


def padded(labels: np.ndarray, scores: np.ndarray) -> float | None:
    """AUC of a clip with one more frame of label 0, score 0 and one of label 1, score 1 [A].

    This is the authors' practice; it also defines clips of a single class.
    """
    return auc(np.append(labels, [False, True]), np.append(scores, [0.0, 1.0]))


def micro(labels: list[np.ndarray], scores: list[np.ndarray]) -> float | None:
    """All frames of all clips in one ROC."""
    return auc(np.concatenate(labels), np.concatenate(scores))


def macro_padded(labels: list[np.ndarray], scores: list[np.ndarray]) -> float:
    """Mean of the padded AUC over all clips."""
    return float(np.mean([padded(*clip) for clip in zip(labels, scores, strict=True)]))


def macro_strict(labels: list[np.ndarray], scores: list[np.ndarray]) -> float | None:
    """Mean AUC over the clips that hold both classes; None where there is none."""
    return mean_of_known(auc(*clip) for clip in zip(labels, scores, strict=True))


def macro_normal_added(labels: list[np.ndarray], scores: list[np.ndarray]) -> float | None:
    """Mean AUC where a clip without normal frames gets one more, of label 0 and score 0 [I].

    What the authors of SSMTL say they did (AED-SSMTL#11). Other clips stay as they are; those
    without anomalous frames have no AUC and are left out [D]. None where no clip is left.
    """
    return mean_of_known(
        auc(np.append(label, False), np.append(score, 0.0)) if np.all(label) else auc(label, score)
        for label, score in zip(labels, scores, strict=True)
    )


def mean_of_known(values: Iterable[float | None]) -> float | None:
    """The mean of the values that are there; None without any."""
    there = [value for value in values if value is not None]
    return float(np.mean(there)) if there else None


def frame_metrics(labels: list[np.ndarray], scores: list[np.ndarray]) -> dict[str, float | None]:
    """All metrics of `names.OF_FRAMES`, of bool labels (T,) and scores (T,) in [0, 1] per clip.

    None of them where all frames of all clips are of one class: the frames that the padding adds
    would be all that there is to tell apart.
    """
    if len(np.unique(np.concatenate(labels).astype(bool))) < 2:
        return dict.fromkeys(OF_FRAMES)
    metrics = (micro, macro_padded, macro_strict, macro_normal_added)
    return dict(zip(OF_FRAMES, (metric(labels, scores) for metric in metrics), strict=True))
