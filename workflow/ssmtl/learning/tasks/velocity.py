"""Velocity: does the object move as fast, and in such directions, as normal ones do?

It judges by the optical flow within the box by direction, in heights of the box, a unit that
perspective leaves alone and in which people walk and vehicles drive [D], per step between frames
that was usual in training: frames further apart make nothing faster. No training.
The idea of judging objects by attributes as simple as their velocity is that of AI-VAD (Reiss and
Hoshen, 2022).
"""

from dataclasses import replace

import torch
from torch import Tensor

from ssmtl.learning.settings import MemoryOptions
from ssmtl.learning.tasks.base import Batch, Shapes, Views
from ssmtl.learning.tasks.nearest import Nearest
from ssmtl.media import motion


class Options(MemoryOptions):
    """Options of velocity."""


class Velocity(Nearest):
    step: Tensor  # seconds between frames that were usual in training
    Options = Options
    name = "velocity"
    measured = ("flow", "step")

    def __init__(self, shapes: Shapes):
        super().__init__(shapes)
        self.register_buffer("step", torch.zeros(()))

    def fit(self, targets: dict[str, Tensor]) -> None:
        self.step = targets["step"].median().to(self.step.device)
        super().fit(targets)

    def judged(self, targets: dict[str, Tensor]) -> dict[str, Tensor]:
        return {"flow": targets["flow"] * motion.factor(targets["step"], self.step)}

    def made(self, batch: Batch) -> tuple[Views, Batch]:
        """The object twice as fast."""
        return {}, replace(batch, targets=batch.targets | {"flow": 2 * batch.targets["flow"]})
