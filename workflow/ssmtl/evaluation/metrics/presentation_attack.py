"""Error rates of presentation attack detection, named as in ISO/IEC 30107-3.

A score says how anomalous a presentation is; it counts as an attack when its score is *above* the
threshold, so that a score equal to the threshold is accepted. APCER is the share of attacks that
are accepted, BPCER the share of bona fide presentations that are rejected. Both change at scores
only, so the thresholds that matter are the scores and minus infinity; equal scores fall together.
"""

from collections.abc import Sequence

import numpy as np

from ssmtl.core.errors import InputError

MOST_BPCER = 0.05
MEASURES = ("eer", "apcer_at_bpcer5", "apcer", "bpcer", "acer")


def share_above(scores: np.ndarray, thresholds: Sequence[float] | np.ndarray) -> np.ndarray:
    """The share of scores (N,) above each threshold (K,): float64 (K,)."""
    # A count over N, not one minus a share: 3 of 60 must be 0.05 and no more.
    return (len(scores) - np.searchsorted(np.sort(scores), thresholds, "right")) / len(scores)


def share_accepted(scores: np.ndarray, thresholds: Sequence[float] | np.ndarray) -> np.ndarray:
    """The share of scores (N,) that each threshold (K,) accepts: float64 (K,)."""
    return np.searchsorted(np.sort(scores), thresholds, "right") / len(scores)


def equal_error_rate(bona_fide: np.ndarray, attacks: np.ndarray) -> float:
    """Where APCER equals BPCER, for scores (N,) and (M,).

    APCER grows and BPCER falls from threshold to threshold; between two neighbouring thresholds
    both are taken as linear, so that the rate exists for any scores: 0 where all attacks are above
    all bona fide presentations, 0.5 where all scores are equal, 1 for the reverse order.
    """
    thresholds = np.concatenate([[-np.inf], np.unique(np.concatenate([bona_fide, attacks]))])
    apcer = share_accepted(attacks, thresholds)
    gap = apcer - share_above(bona_fide, thresholds)  # ascending from -1 to 1
    after = int(np.argmax(gap >= 0))
    weight = -gap[after - 1] / (gap[after] - gap[after - 1])
    return float(apcer[after - 1] + weight * (apcer[after] - apcer[after - 1]))


def threshold_at_bpcer(bona_fide: np.ndarray, most: float = MOST_BPCER) -> float:
    """The lowest threshold that rejects at most the share `most` of bona fide scores (N,).

    It is one of the scores: nothing is interpolated, so that it could be used as it is.
    """
    thresholds = np.unique(bona_fide)
    return float(thresholds[np.argmax(share_above(bona_fide, thresholds) <= most)])


def apcer_at_bpcer(bona_fide: np.ndarray, attacks: np.ndarray, most: float = MOST_BPCER) -> float:
    """The share of attacks (M,) accepted at `threshold_at_bpcer` of the bona fide scores (N,)."""
    return float(share_accepted(attacks, [threshold_at_bpcer(bona_fide, most)])[0])


def measures(bona_fide: np.ndarray, attacks: np.ndarray, threshold: float | None = None) -> dict:
    """All of MEASURES for bona fide scores (N,) and the scores (M,) of attacks of one type, or of
    all types pooled.

    `eer` and `apcer_at_bpcer5` take their thresholds from these very scores, as published figures
    do. `apcer`, `bpcer` and their mean, `acer`, are at the given threshold, which must not have
    been chosen on them; NaN without one. Raises InputError where there is no score of one kind.
    """
    if not len(bona_fide) or not len(attacks):
        raise InputError(
            f"{len(bona_fide)} bona fide presentations and {len(attacks)} attacks; error rates "
            "need both"
        )
    apcer = bpcer = float("nan")
    if threshold is not None:
        apcer = float(share_accepted(attacks, [threshold])[0])
        bpcer = float(share_above(bona_fide, [threshold])[0])
    return {
        "eer": equal_error_rate(bona_fide, attacks),
        "apcer_at_bpcer5": apcer_at_bpcer(bona_fide, attacks),
        "apcer": apcer,
        "bpcer": bpcer,
        "acer": (apcer + bpcer) / 2,
    }
