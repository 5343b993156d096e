"""Rotation: by which multiple of 90 degrees was the picture turned [P]?"""

from torch import Tensor

from ssmtl.learning.tasks.base import Batch, Transformed


class Rotation(Transformed):
    name = "rotation"
    count = 4

    def transform(self, picture: Tensor, number: int, batch: Batch) -> Tensor:
        return picture.rot90(number, (3, 4))
