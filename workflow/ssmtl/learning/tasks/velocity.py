"""Velocity: does the object move as fast, and in such directions, as normal ones do?

It judges by the optical flow within the box by direction, per step between frames that was usual in
training: frames further apart make nothing faster. No training.

In which unit, normal objects tell. Where a camera looks along a street, those far away are small
and cross few pixels, and motion is in proportion to the box; seen from above, it is not, and a box
that is flat because half of its object is hidden would make it seem fast. So motion is taken over
the power of the box's height that it grows with among normal objects, from 0 (heights of a usual
box, so pixels) to 1 (heights of the object's own) [D].

Directions have one unit, so that they share one deviation: divided by deviations of their own,
the noise in directions that nobody walks would count as much as walking [D].

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

STILL = 1e-5  # widths of the picture a frame: as good as no motion, and no power of anything


class Options(MemoryOptions):
    """Options of velocity."""


class Velocity(Nearest):
    step: Tensor  # seconds between frames that were usual in training
    usual: Tensor  # height of a box, in widths of the picture
    power: Tensor  # of the box's height that normal motion grows with
    Options = Options
    name = "velocity"
    measured = ("flow", "step", "height")

    def __init__(self, shapes: Shapes):
        super().__init__(shapes)
        self.register_buffer("step", torch.zeros(()))
        self.register_buffer("usual", torch.ones(()))
        self.register_buffer("power", torch.ones(()))

    def fit(self, targets: dict[str, Tensor]) -> None:
        self.step = targets["step"].median().to(self.step.device)
        height = targets["height"]
        self.usual = height.median().to(self.step.device)
        steady = targets["flow"].sum(1, keepdim=True) * motion.factor(targets["step"], self.step)
        self.power = power_of(steady * height, height).to(self.step.device)
        super().fit(targets)

    def judged(self, targets: dict[str, Tensor]) -> dict[str, Tensor]:
        unit = (targets["height"] / self.usual.clamp(min=STILL)) ** (1 - self.power)
        return {"flow": targets["flow"] * motion.factor(targets["step"], self.step) * unit}

    def spread(self, values: Tensor) -> Tensor:
        deviation = values.var(0, correction=0).sum().sqrt()
        return torch.where(deviation > 0, deviation, 1.0).expand(values.shape[1]).clone()

    def made(self, batch: Batch) -> tuple[Views, Batch]:
        """The object twice as fast."""
        return {}, replace(batch, targets=batch.targets | {"flow": 2 * batch.targets["flow"]})


def power_of(moved: Tensor, height: Tensor) -> Tensor:
    """The power, from 0 to 1, of the box's height that the motion of objects grows with.

    Both (N, 1), in widths of the picture. The median slope of logarithms over pairs of a lower and
    a higher box (Theil's incomplete method), which objects that stand still or race do not move;
    1 where all boxes are of one height.
    """
    order = height[:, 0].argsort(stable=True)
    half = len(order) // 2
    low, high = order[:half], order[len(order) - half :]
    rise = (height[high] / height[low].clamp(min=STILL)).clamp(min=STILL).log()[:, 0]
    moves = moved.clamp(min=STILL).log()[:, 0]
    apart = rise > 0.01
    if not apart.any():
        return height.new_ones(())
    return ((moves[high] - moves[low])[apart] / rise[apart]).median().clamp(0, 1)
