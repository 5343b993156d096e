"""Middle box: from the cube without frame i, predict the crop of frame i [P].

L1 loss [M]; the score is the mean absolute error [P].
"""

from dataclasses import replace

import torch
from torch import Tensor, nn

from ssmtl.core.errors import InputError
from ssmtl.learning.distributed import BatchNorm2d
from ssmtl.learning.tasks.base import Batch, Shapes, Task, Views


class MiddleBox(Task):
    name = "middle_box"
    sees = "the content"

    def __init__(self, shapes: Shapes):
        super().__init__(shapes)
        if not shapes.radius or not shapes.pools:
            raise InputError(
                "train.tasks: middle_box needs cubes of several frames and an encoder that keeps "
                "a picture, cnn3d"
            )
        # As many (nearest upsampling, convolution) stages as the encoder has poolings [P].
        layers: list[nn.Module] = []
        for stage in range(shapes.pools):
            last = stage == shapes.pools - 1
            layers.append(nn.Upsample(scale_factor=2))
            # A bias before batch norm has no effect, and its gradient is nothing but rounding.
            filters = 3 if last else shapes.channels
            layers.append(nn.Conv2d(shapes.channels, filters, 3, padding=1, bias=last))
            if not last:
                layers += [BatchNorm2d(shapes.channels), nn.ReLU(inplace=True)]
        self.head = nn.Sequential(*layers)

    def views(self, batch: Batch) -> Views:
        radius, middle = self.shapes.radius, batch.middle
        index = [i for i in range(middle - radius, middle + radius + 1) if i != middle]
        return {"without_middle": lambda: batch.frames(torch.tensor(index))}

    test_views = views

    def made(self, batch: Batch) -> tuple[Views, Batch]:
        """The middle crop of another object in place of the own one."""
        cubes = batch.cubes.clone()
        cubes[:, batch.middle] = cubes[:, batch.middle].roll(len(cubes) // 2, 0)
        return self.test_views(batch), replace(batch, cubes=cubes)

    def error(self, features: dict[str, Tensor], batch: Batch) -> Tensor:
        """Mean absolute error per sample, float (B,)."""
        truth = batch.frames(torch.tensor([batch.middle]))[:, :, 0]  # (B, 3, S, S)
        predicted = self.head(features["without_middle"]).float()
        return (predicted - truth).abs().flatten(1).mean(1)

    def loss(self, features: dict[str, Tensor], batch: Batch) -> Tensor:
        return self.error(features, batch).mean()

    def score(self, features: dict[str, Tensor], batch: Batch) -> Tensor:
        return self.error(features, batch).clamp(max=1)
