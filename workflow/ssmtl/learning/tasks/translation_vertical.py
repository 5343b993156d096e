"""Vertical translation: is the picture in its place, moved down or moved up [P]?

By a quarter of its side, the free part filled by reflection [D].
"""

from functools import cache

import numpy as np
import torch
from torch import Tensor

from ssmtl.learning.tasks.base import Batch, Transformed


def moved(picture: Tensor, distance: int, axis: int) -> Tensor:
    """The picture moved by `distance` pixels along an axis; what comes in is its reflection."""
    source = reflected(int(picture.shape[axis]), distance, picture.device)
    return picture.index_select(axis, source)


@cache
def reflected(length: int, distance: int, device: torch.device) -> Tensor:
    """Where the pixels of a moved line come from, int64 (length,); made once for all pictures."""
    source, last = np.abs(np.arange(length) - distance), length - 1
    return torch.from_numpy(np.where(source > last, 2 * last - source, source)).to(device)


class TranslationVertical(Transformed):
    name = "translation_vertical"
    count = 3
    axis = 3

    def transform(self, picture: Tensor, number: int, batch: Batch) -> Tensor:
        quarter = int(picture.shape[self.axis]) // 4
        return moved(picture, (0, quarter, -quarter)[number], self.axis)
