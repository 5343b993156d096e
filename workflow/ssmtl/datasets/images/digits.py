"""Scikit-learn's digits, 1,797 pictures of 8 x 8 pixels, which come with that library."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ssmtl.datasets.images import Picture

__all__ = ["classes", "listing", "pictures"]

SPLIT_SEED = 0
WHITE = 16  # the largest value in the data


def classes(path: Path, split: str) -> list[str]:
    """The ten digits."""
    return [str(digit) for digit in range(10)]


def pictures(path: Path, split: str) -> Iterator[Picture]:
    """The split's pictures, uint8 (8, 8, 3); a random two thirds of every digit are `train`."""
    from sklearn.datasets import load_digits

    data = load_digits()
    grey = np.rint(data.images * (255 / WHITE)).astype(np.uint8)  # (1797, 8, 8)
    rng = np.random.default_rng(SPLIT_SEED)
    for digit in range(10):
        rows = rng.permutation(np.flatnonzero(data.target == digit))
        cut = round(len(rows) * 2 / 3)
        for row in np.sort(rows[:cut] if split == "train" else rows[cut:]):
            yield Picture(str(digit), f"sample {row}", np.repeat(grey[row, :, :, None], 3, axis=2))


def listing(path: Path, split: str) -> str:
    """Nothing: there are no files that could change."""
    return ""
