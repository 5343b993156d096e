"""Pixel AUC: one ROC over all pixels of all clips, the filtered map against the masks."""

from collections.abc import Iterable

import numpy as np

from ssmtl.evaluation.anomaly_map import LEVELS, levels


class PixelRoc:
    """The ROC of maps whose cells each stand for all of their pixels.

    Counts pixels per level of the map (`anomaly_map.levels`), so that its memory does not grow
    with the clips, and is exact for these.
    """

    def __init__(self):
        self.pixels = np.zeros(LEVELS + 1)  # counts as float64, exact up to 2**53
        self.anomalous = np.zeros(LEVELS + 1)

    def add(
        self,
        volume: np.ndarray,
        repeats: np.ndarray,
        pixels: np.ndarray,
        anomalous: tuple[np.ndarray, np.ndarray],
    ) -> None:
        """Count the pixels of a map.

        volume (n, rows, columns) in [0, 1]; repeats int (n,): for how many frames each of its
        frames stands; pixels int (rows, columns): of each cell; anomalous: indices into the
        flat volume, and the number of anomalous pixels there, int (K,) each.
        """
        live = volume > 0.5 / LEVELS  # most cells are ground without objects
        weight = np.multiply.outer(repeats.astype(np.int32), pixels.astype(np.int32))[live]
        self.pixels += np.bincount(levels(volume[live]), weight, LEVELS + 1)
        self.pixels[0] += int(repeats.sum()) * int(pixels.sum()) - int(weight.sum())
        cells, count = anomalous
        self.anomalous += np.bincount(levels(volume.ravel()[cells]), count, LEVELS + 1)

    def auc(self) -> float | None:
        """The area under the ROC curve; None where the pixels are of one class."""
        found = np.append(0, np.cumsum(self.anomalous[::-1]))
        wrong = np.append(0, np.cumsum((self.pixels - self.anomalous)[::-1]))
        if not (found[-1] and wrong[-1]):
            return None
        return float(np.trapezoid(found / found[-1], wrong / wrong[-1]))


def cell_pixels(shape: tuple[int, int], cell: int) -> np.ndarray:
    """How many pixels of a picture (height, width) each cell holds, int (rows, columns)."""
    height, width = (np.diff([*range(0, side, cell), side]) for side in shape)
    return np.outer(height, width)


def anomalous_cells(masks: Iterable[np.ndarray], cell: int) -> tuple[np.ndarray, ...]:
    """The cells with anomalous pixels: frame, row, column and number of these, int64 (K,) each.

    masks: one bool (H, W) per frame.
    """
    found = [np.zeros((4, 0), np.int64)]
    for frame, mask in enumerate(masks):
        if not mask.any():
            continue
        height, width = mask.shape
        count = np.add.reduceat(mask, np.arange(0, height, cell), axis=0, dtype=np.int64)
        count = np.add.reduceat(count, np.arange(0, width, cell), axis=1)
        row, column = np.nonzero(count)
        found.append(np.stack((np.full(len(row), frame), row, column, count[row, column])))
    return tuple(np.concatenate(found, axis=1))
