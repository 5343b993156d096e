"""Appearance: does the object look like normal ones to a network that knows thousands of things?

Its row is `embedding`, the frozen network's features of the crop, compared by their directions
once each is standardised [D]. No training.
"""

from dataclasses import replace

from torch import Tensor
from torch.nn import functional as F

from ssmtl.learning.settings import MemoryOptions
from ssmtl.learning.tasks.base import Batch, Views
from ssmtl.learning.tasks.nearest import Nearest


class Options(MemoryOptions):
    """Options of appearance."""


class Appearance(Nearest):
    Options = Options
    name = "appearance"
    measured = ("embedding",)
    made_rows = ("altered",)

    def made(self, batch: Batch) -> tuple[Views, Batch]:
        """The crop turned by a quarter, as no object of the scene stands; a picture mixed with
        another."""
        altered = {"embedding": batch.targets["altered"]}
        return {}, replace(batch, targets=batch.targets | altered)

    def placed(self, values: Tensor) -> Tensor:
        return F.normalize(super().placed(values), dim=1)
