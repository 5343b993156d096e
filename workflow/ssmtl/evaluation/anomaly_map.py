"""From object scores to frame scores.

Each box is painted with its score, the maximum where boxes overlap; a 3D mean filter runs over
the clip's volume (9x9x9) [M]; the frame score is the maximum [M], smoothed in time by a Gaussian
of sigma 21 frames with zero padding [A], or by its causal half [D]. Frames without objects score 0.
"""

from collections.abc import Iterator
from typing import Literal

import numpy as np
from scipy.ndimage import gaussian_filter1d, uniform_filter

WINDOW = 256  # frames of the volume in memory at once
# Steps of a map's values where these are compared with each other: the running sums of the mean
# filter leave rounding errors of about 1e-7, which must not put equal scores in some order.
LEVELS = 1 << 20


def paint(
    frame: np.ndarray, box: np.ndarray, score: np.ndarray, start: int, stop: int, shape: tuple, cell
) -> np.ndarray:
    """The score volume of frames start..stop-1, float32 (stop - start, rows, columns).

    frame int (N,) ascending; box float (N, 4) in pixels; score (N,); `shape` is the picture's
    (height, width) and `cell` the side of a cell, all in pixels. A box covers every cell that it
    overlaps by half a cell or more, and at least one.
    """
    rows, columns = (-(-side // cell) for side in shape)
    volume = np.zeros((stop - start, rows, columns), np.float32)
    first, last = covered(box, (rows, columns), cell)
    for i in range(*np.searchsorted(frame, (start, stop))):
        (x1, y1), (x2, y2) = first[i], last[i]
        region = volume[frame[i] - start, y1:y2, x1:x2]
        np.maximum(region, score[i], out=region)
    return volume


def covered(box: np.ndarray, grid: tuple[int, int], cell) -> tuple[np.ndarray, np.ndarray]:
    """The cells that boxes cover: first and one past the last, int (N, 2) each as column, row.

    box (N, 4) in pixels; `grid` is the map's (rows, columns).
    """
    rows, columns = grid
    first = np.ceil(box[:, :2] / cell - 0.5).astype(int).clip(0, (columns - 1, rows - 1))
    return first, np.maximum(np.floor(box[:, 2:] / cell + 0.5).astype(int), first + 1)


def levels(values: np.ndarray) -> np.ndarray:
    """Map values in [0, 1] as whole numbers 0..LEVELS, int32 of the same shape."""
    return np.rint(values.clip(0, 1) * LEVELS).astype(np.int32)


def filtered(
    frame: np.ndarray,
    box: np.ndarray,
    score: np.ndarray,
    *,
    span: tuple[int, int],
    shape: tuple[int, int],
    cell: int,
    filter_size: int,
) -> Iterator[np.ndarray]:
    """The mean-filtered score volume of a clip in runs of frames, each float32 (n, rows, columns).

    span: the frames (first, one past the last) that can have objects; beyond them, in time, the
    nearest frame is repeated, and beyond the picture's edges there is 0.
    """
    half = filter_size // 2
    first, end = span
    for start in range(first, end, WINDOW):
        stop = min(start + WINDOW, end)
        low, high = max(first, start - half), min(end, stop + half)
        volume = paint(frame, box, score, low, high, shape, cell)
        missing = (half - (start - low), half - (high - stop))
        volume = np.concatenate(
            (volume[:1].repeat(missing[0], 0), volume, volume[-1:].repeat(missing[1], 0))
        )
        if filter_size > 1:
            volume = uniform_filter(volume, filter_size, mode="constant")
        yield volume[half : half + stop - start]


def box_scores(
    volume: np.ndarray, start: int, frame: np.ndarray, box: np.ndarray, cell: int
) -> np.ndarray:
    """The maximum of a filtered map inside each box, in steps of 1 / LEVELS, float64 (K,).

    volume (n, rows, columns): the map from frame `start` on; frame int (N,) ascending; box
    (N, 4). Returns the K of the boxes that lie in these frames, in order.
    """
    chosen = slice(*np.searchsorted(frame, (start, start + len(volume))))
    first, last = covered(box[chosen], volume.shape[1:], cell)
    peaks = [
        volume[time, y1:y2, x1:x2].max()
        for time, (x1, y1), (x2, y2) in zip(frame[chosen] - start, first, last, strict=True)
    ]
    return levels(np.array(peaks, np.float32)) / LEVELS


def frame_scores(
    frame: np.ndarray,
    box: np.ndarray,
    score: np.ndarray,
    *,
    frames: int,
    radius: int,
    shape: tuple[int, int],
    cell: int,
    filter_size: int,
) -> np.ndarray:
    """The maximum of the filtered map in every frame of a clip, float32 (frames,).

    The first and last `radius` frames have no full window and take the nearest frame's score [D].
    """
    span = (radius, frames - radius)
    maps = filtered(frame, box, score, span=span, shape=shape, cell=cell, filter_size=filter_size)
    return pad_to_clip(np.concatenate([volume.max((1, 2)) for volume in maps]), radius)


def pad_to_clip(peaks: np.ndarray, radius: int) -> np.ndarray:
    """Frame scores of a whole clip from those of its frames with a full window, float32."""
    # The running sums of the mean filter leave rounding errors about 0 and 1.
    return np.pad(peaks.clip(0, 1), radius, mode="edge")


def smooth(
    scores: np.ndarray, sigma: float, border: str, smoothing: str = "gaussian"
) -> np.ndarray:
    """Frame scores (T,) smoothed in time, float32; beyond the clip 0 (`zero`) or the end value
    (`replicate`).

    smoothing: `gaussian`, or `causal`, which uses a frame and those before it alone [D].
    """
    if not sigma:
        return scores
    if smoothing == "causal":
        weights = causal_weights(sigma)
        beyond: Literal["constant", "edge"] = "constant" if border == "zero" else "edge"
        past = np.pad(scores.astype(np.float64), (len(weights) - 1, 0), beyond)
        return np.convolve(past, weights[::-1], "valid").astype(np.float32)
    mode = {"zero": "constant", "replicate": "nearest"}[border]
    return gaussian_filter1d(scores.astype(np.float64), sigma, mode=mode).astype(np.float32)


def causal_weights(sigma: float) -> np.ndarray:
    """Weights of a frame and those before it, the oldest first, float64 (n,), their sum 1.

    The half of the Gaussian that looks back, cut off where SciPy cuts off the whole.
    """
    reach = int(4 * sigma + 0.5)
    weights = np.exp(-0.5 * (np.arange(-reach, 1) / sigma) ** 2)
    return weights / weights.sum()
