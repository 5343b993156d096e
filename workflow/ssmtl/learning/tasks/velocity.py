"""Velocity: does the object move as fast, and in such directions, as normal ones do?

Its row is `flow`, the optical flow within its box by direction, in heights of the box a frame: the
unit that perspective leaves alone, and in which people walk and vehicles drive [D]. No training.
The idea of judging objects by attributes as simple as their velocity is that of AI-VAD (Reiss and
Hoshen, 2022).
"""

from dataclasses import replace

from ssmtl.learning.settings import MemoryOptions
from ssmtl.learning.tasks.base import Batch, Views
from ssmtl.learning.tasks.nearest import Nearest


class Options(MemoryOptions):
    """Options of velocity."""


class Velocity(Nearest):
    Options = Options
    name = "velocity"
    measured = ("flow",)

    def made(self, batch: Batch) -> tuple[Views, Batch]:
        """The object twice as fast."""
        return {}, replace(batch, targets=batch.targets | {"flow": 2 * batch.targets["flow"]})
