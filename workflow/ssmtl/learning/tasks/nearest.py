"""What the tasks without training share: the distance to what is known of normal objects."""

import torch
from torch import Tensor

from ssmtl.learning.settings import MemoryOptions
from ssmtl.learning.tasks.base import Batch, Shapes, Task, Views


class Nearest(Task):
    """How far an object's measured row is from the nearest ones of a memory of normal objects.

    The memory is bounded: evenly spaced objects of the training split, since those of neighbouring
    frames are nearly the same. The score is d / (1 + d) of the mean distance d to the `neighbours`
    nearest: one outlier in the memory then does not make its like normal.
    """

    options: MemoryOptions
    mean: Tensor
    deviation: Tensor
    memory: Tensor
    trained = False
    Options = MemoryOptions

    def __init__(self, shapes: Shapes):
        super().__init__(shapes)
        for name in ("mean", "deviation", "memory"):
            self.register_buffer(name, torch.zeros(0))

    def fit(self, targets: dict[str, Tensor]) -> None:
        (values,) = self.judged(targets).values()
        count = min(self.options.memory, len(values))
        values = values[torch.linspace(0, len(values) - 1, count).round().long()]
        values = values.to(self.mean.device)
        self.mean = values.mean(0)
        self.deviation = self.spread(values)
        self.memory = self.placed(values)

    def spread(self, values: Tensor) -> Tensor:
        """What the columns of rows (N, D) are divided by, (D,): the deviation of each."""
        deviation = values.std(0, correction=0)
        return torch.where(deviation > 1e-6, deviation, 1.0)

    def placed(self, values: Tensor) -> Tensor:
        """Measured rows (N, D) in the space of the distance, standardised."""
        return (values - self.mean) / self.deviation

    def score(self, features: dict[str, Tensor], batch: Batch) -> Tensor:
        (values,) = self.judged(batch.targets).values()
        placed = self.placed(values)
        # As sums of products: every engine has those, and they are the fastest.
        squares = placed.square().sum(1, keepdim=True) + self.memory.square().sum(1)
        apart = (squares - 2 * placed @ self.memory.T).clamp(min=0).sqrt()
        nearest = min(self.options.neighbours, len(self.memory))
        mean = apart.topk(nearest, largest=False).values.mean(1)
        return mean / (1 + mean)

    def views(self, batch: Batch) -> Views:
        return {}

    test_views = views

    def _load_from_state_dict(self, state: dict, prefix: str, *arguments) -> None:
        """Takes buffers of any size: that of the memory is known once it is fitted."""
        for name, buffer in self.named_buffers():
            if prefix + name in state:
                setattr(self, name, buffer.new_zeros(state[prefix + name].shape))
        super()._load_from_state_dict(state, prefix, *arguments)
