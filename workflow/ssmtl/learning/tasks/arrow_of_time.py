"""Arrow of time: does the cube run forwards (0) or backwards (1)?

Score: P(backward) of the gapless forward cube [P].
"""

from torch import Tensor

from ssmtl.learning.tasks.base import Batch, TwoViews


class ArrowOfTime(TwoViews):
    name = "arrow_of_time"
    altered = "reversed"

    def alter(self, batch: Batch) -> Tensor:
        return batch.consecutive(self.shapes.radius).flip(2)
