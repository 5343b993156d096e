"""Vertical translation: is the picture in its place, moved down or moved up [P]?

By a quarter of its side, the free part filled by reflection [D].
"""

import torch
from torch import Tensor

from ssmtl.learning.tasks.base import Batch, Transformed


def moved(picture: Tensor, distance: int, axis: int) -> Tensor:
    """The picture moved by `distance` pixels along an axis; what comes in is its reflection."""
    last = picture.shape[axis] - 1
    source = (torch.arange(last + 1, device=picture.device) - distance).abs()
    return picture.index_select(axis, torch.where(source > last, 2 * last - source, source))


class TranslationVertical(Transformed):
    name = "translation_vertical"
    count = 3
    axis = 3

    def transform(self, picture: Tensor, number: int, batch: Batch) -> Tensor:
        quarter = picture.shape[self.axis] // 4
        return moved(picture, (0, quarter, -quarter)[number], self.axis)
