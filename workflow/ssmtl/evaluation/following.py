"""Scores of objects averaged along their way: a mean filter over time that stays inside an object.

A filter over the map mixes an object with what it passes by, and one of fixed cells reaches beyond
small objects. Here a box is followed to the frames before and behind, from one to the next, and its
score is the mean over those. Nothing else is made of the way, and it may break off.
"""

import itertools

import numpy as np
from scipy.optimize import linear_sum_assignment

from ssmtl.core.boxes import iou

LEAST_IOU = 0.3  # of boxes of neighbouring frames, to be of one object [D]


def links(frame: np.ndarray, box: np.ndarray) -> np.ndarray:
    """The row of each object in the next frame, int (N,); -1 where it is not followed.

    frame int (N,) ascending; box float (N, 4) x1 y1 x2 y2. The pairs of two neighbouring frames are
    those with the largest sum of IoUs of LEAST_IOU or more, and depend on nothing but these frames.
    """
    following = np.full(len(frame), -1)
    numbers, first = np.unique(frame, return_index=True)
    ends = np.append(first, len(frame))
    rows = [slice(*pair) for pair in itertools.pairwise(ends)]
    for place in np.flatnonzero(np.diff(numbers) == 1):
        here, ahead = rows[place], rows[place + 1]
        shared = iou(box[here][:, None], box[ahead][None])
        shared[shared < LEAST_IOU] = 0
        own, other = linear_sum_assignment(-shared)
        kept = shared[own, other] > 0
        following[here.start + own[kept]] = ahead.start + other[kept]
    return following


def averaged(score: np.ndarray, following: np.ndarray, reach: int) -> np.ndarray:
    """The mean score (N,) of each object over the `reach` frames on both sides that follow it.

    following: what `links` returns. Float32; with `reach` 0 the score as it is.
    """
    total, count = score.astype(np.float64), np.ones(len(score))
    before = np.full(len(score), -1)
    before[following[following >= 0]] = np.flatnonzero(following >= 0)
    for step in (following, before):
        at = np.arange(len(score))
        for _ in range(reach):
            at = np.where(at >= 0, step[at], -1)
            total += np.where(at >= 0, score[at], 0)
            count += at >= 0
    return (total / count).astype(np.float32)
