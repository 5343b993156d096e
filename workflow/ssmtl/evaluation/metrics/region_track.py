"""RBDC and TBDC: how well regions and tracks of anomalies are found (docs/methods.md).

Ramachandra and Jones, Street Scene, WACV 2020 [A]; what they leave open is marked [D].
"""

from collections.abc import Iterator

import numpy as np

from ssmtl.core.boxes import iou

LEAST_IOU = 0.1  # of a detection and a region, to match [A]
LEAST_SHARE = 0.1  # of a track's regions, to be found [A]
PAIRS = 1 << 20  # pairs of boxes compared at once


def both_conventions(
    score: np.ndarray,
    frame: np.ndarray,
    box: np.ndarray,
    region_frame: np.ndarray,
    region_box: np.ndarray,
    track: np.ndarray,
    frames: int,
) -> dict[str, float | None]:
    """RBDC and TBDC by our reading, and as `rbdc_authors` and `tbdc_authors` by theirs.

    The authors' evaluation counts one pixel more on each side of every box and takes detections
    one by one, those of one score in the order given [A]. Arguments as of `matching` and
    `rbdc_tbdc`.
    """
    ours = rbdc_tbdc(score, matching(frame, box, region_frame, region_box), track, frames)
    wider = [np.add(boxes, (0.0, 0.0, 1.0, 1.0)) for boxes in (box, region_box)]
    rank = np.empty(len(score))
    rank[np.argsort(-score, kind="stable")] = -np.arange(len(score))
    authors = rbdc_tbdc(rank, matching(frame, wider[0], region_frame, wider[1]), track, frames)
    return ours | {f"{name}_authors": value for name, value in authors.items()}


def rbdc_tbdc(
    score: np.ndarray,
    matches: tuple[np.ndarray, np.ndarray],
    track: np.ndarray,
    frames: int,
) -> dict[str, float | None]:
    """Areas under the rates of found regions and tracks over false positives per frame, 0 to 1.

    score: float (N,) of the detections, finite; matches: what `matching` returns; track: int
    (R,), the track of each region, different in every clip; frames: all frames of all clips.
    Detections of one score enter together, and each may find several regions [D].
    Returns `rbdc` and `tbdc`, None without any region.
    """
    if not len(track):
        return {"rbdc": None, "tbdc": None}
    detection, region = matches
    # A region is found from the highest score of its detections downwards.
    found = np.full(len(track), -np.inf)
    np.maximum.at(found, region, score[detection])
    wrong = np.ones(len(score), bool)
    wrong[detection] = False
    thresholds = np.unique(score)[::-1]
    rate = reached(score[wrong], thresholds) / frames
    tracks = found_tracks(found, track)
    return {
        "rbdc": area(rate, reached(found, thresholds) / len(found)),
        "tbdc": area(rate, reached(tracks, thresholds) / len(tracks)),
    }


def matching(
    frame: np.ndarray, box: np.ndarray, region_frame: np.ndarray, region_box: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """All pairs of a detection and a region in one frame with an IoU of LEAST_IOU or more.

    frame int (N,), region_frame int (R,): unique over all clips; box (N, 4), region_box (R, 4).
    Returns the pairs as indices of detections and of regions, int64 (P,) each. Needs memory for
    PAIRS candidates, and for the pairs that it returns.
    """
    order = np.argsort(region_frame, kind="stable")
    ordered = region_frame[order]
    first = np.searchsorted(ordered, frame, "left")
    count = np.searchsorted(ordered, frame, "right") - first
    pairs = [(np.zeros(0, np.int64), np.zeros(0, np.int64))]
    for rows in blocks(count):
        detection = np.repeat(rows, count[rows])
        # Position of each candidate within its detection's regions: 0, 1, ..., count - 1.
        position = np.arange(len(detection)) - np.repeat(
            np.cumsum(count[rows]) - count[rows], count[rows]
        )
        region = order[first[detection] + position]
        pair = box[detection].astype(np.float64), region_box[region].astype(np.float64)
        near = iou(*pair) >= LEAST_IOU
        pairs.append((detection[near], region[near]))
    detections, regions = zip(*pairs, strict=True)
    return np.concatenate(detections), np.concatenate(regions)


def blocks(count: np.ndarray) -> Iterator[np.ndarray]:
    """The rows with any candidates, in blocks of about PAIRS of these."""
    rows = np.flatnonzero(count)
    if len(rows):
        block = np.cumsum(count[rows]) // PAIRS
        yield from np.split(rows, np.flatnonzero(np.diff(block)) + 1)


def found_tracks(found: np.ndarray, track: np.ndarray) -> np.ndarray:
    """The score from which downwards LEAST_SHARE of a track's regions are found, (tracks,).

    found (R,): the same of each region; track int (R,).
    """
    found = found[np.lexsort((-found, track))]
    _, start, regions = np.unique(np.sort(track), return_index=True, return_counts=True)
    needed = np.ceil(regions * LEAST_SHARE).astype(int)
    return found[start + needed - 1]


def reached(scores: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """How many scores are at least as high as each threshold, int (thresholds,)."""
    return len(scores) - np.searchsorted(np.sort(scores), thresholds, "left")


def area(rate: np.ndarray, found: np.ndarray) -> float:
    """The area under the curve from (0, 0) through (rate, found) for rates 0 to 1.

    Both (K,) do not fall. Linear between the points and at rate 1, or the last value held up to
    rate 1 [D].
    """
    rate, found = np.append(0.0, rate), np.append(0.0, found)
    inside = np.searchsorted(rate, 1, "right")
    last = found[-1]
    if inside < len(rate):
        ahead = (1 - rate[inside - 1]) / (rate[inside] - rate[inside - 1])
        last = found[inside - 1] + ahead * (found[inside] - found[inside - 1])
    return float(np.trapezoid(np.append(found[:inside], last), np.append(rate[:inside], 1.0)))
