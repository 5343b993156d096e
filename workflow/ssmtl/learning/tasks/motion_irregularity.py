"""Motion irregularity: consecutive frames (0) or intermittent ones, with some skipped (1)?

An intermittent cube goes from frame i outwards on both sides, t frames each, with random gaps
from {1, ..., 4}, not all 1 [P, gaps M]; the option `min_gap` makes the smallest larger. Score:
P(intermittent) of the gapless cube [P].
"""

from functools import cache
from itertools import product

import torch
from pydantic import Field
from torch import Tensor

from ssmtl.learning.settings import TaskOptions
from ssmtl.learning.tasks.base import Batch, TwoViews


@cache
def gap_table(radius: int, max_gap: int, min_gap: int = 1) -> tuple[Tensor, Tensor]:
    """All ways to step `radius` frames outwards with gaps min_gap..max_gap, nearest reach first.

    Returns the distances from the centre, int64 (gaps ** radius, radius), and for each room
    r = 0..radius*max_gap how many of these ways stay within r frames, int64.
    """
    ways = torch.tensor(list(product(range(min_gap, max_gap + 1), repeat=radius))).cumsum(1)
    ways = ways[ways[:, -1].sort(stable=True).indices]
    rooms = torch.arange(radius * max_gap + 1)
    return ways, torch.searchsorted(ways[:, -1].contiguous(), rooms, right=True)


def intermittent_indices(
    valid: Tensor, middle: int, radius: int, max_gap: int, draw: Tensor, min_gap: int = 1
) -> tuple[Tensor, Tensor]:
    """Indices of an intermittent cube in each stored window, drawn uniformly from all that fit.

    valid int64 (B, 2): the part [start, stop) of the window that exists; middle: index of frame
    i in the window; draw float (B,) in [0, 1).

    Returns int64 (B, 2 * radius + 1), strictly increasing, `middle` in the centre, at least one
    gap above 1, all within `valid`; and bool (B,), False where no such cube fits (its indices
    are then those of the shortest way).
    Source: docs/methods.md, motion irregularity.
    """
    ways, fitting = (table.to(valid.device) for table in gap_table(radius, max_gap, min_gap))
    room = torch.stack((middle - valid[:, 0], valid[:, 1] - 1 - middle), 1)
    counts = fitting[room.clamp(0, radius * max_gap)]  # (B, 2): ways that fit on either side
    pairs = counts.prod(1)
    # Pair 0 takes the shortest way on both sides, which may be the one without any gap.
    gapless = int(min_gap == 1)
    pair = (gapless + (draw * (pairs - gapless)).long()).clamp(max=pairs - 1).clamp(min=0)
    left, right = ways[pair // counts[:, 1].clamp(min=1)], ways[pair % counts[:, 1].clamp(min=1)]
    centre = torch.full_like(left[:, :1], middle)
    return torch.cat((middle - left.flip(1), centre, middle + right), 1), pairs > gapless


class Options(TaskOptions):
    """Options of motion irregularity."""

    min_gap: int = Field(
        1,
        ge=1,
        description=(
            "Smallest gap of an intermittent cube, 1 [M]; windows of 15 frames, as reported of "
            "the authors' training, would fit gaps of 2 to 5 [I]."
        ),
    )


class MotionIrregularity(TwoViews):
    options: "Options"
    name = "motion_irregularity"
    altered = "intermittent"
    Options = Options

    def indices(self, batch: Batch) -> tuple[Tensor, Tensor]:
        shapes, draw = self.shapes, batch.draws[self.name]
        gaps = shapes.max_gap, draw, self.options.min_gap
        return intermittent_indices(batch.valid, batch.middle, shapes.radius, *gaps)

    def alter(self, batch: Batch) -> Tensor:
        return batch.frames(self.indices(batch)[0])

    def usable(self, batch: Batch) -> Tensor:
        return self.indices(batch)[1]
