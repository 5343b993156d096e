"""WideResNet for single pictures, 16-4 by default [P].

Zagoruyko and Komodakis, *Wide Residual Networks*: a convolution with 16 filters, three groups of
(depth - 4) / 6 blocks with 16, 32 and 64 times `width` filters, the picture halved before the
second and third, batch norm and ReLU before each convolution, and the mean over the picture.
"""

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from ssmtl.core.errors import InputError
from ssmtl.core.settings import Settings
from ssmtl.learning.distributed import BatchNorm2d


class Block(nn.Module):
    """Two 3x3 convolutions beside a shortcut, (B, C, S, S) -> (B, filters, S/stride, S/stride)."""

    def __init__(self, channels: int, filters: int, stride: int):
        super().__init__()
        self.norm1, self.norm2 = BatchNorm2d(channels), BatchNorm2d(filters)
        self.conv1 = nn.Conv2d(channels, filters, 3, stride, padding=1, bias=False)
        self.conv2 = nn.Conv2d(filters, filters, 3, padding=1, bias=False)
        self.shortcut = None
        if stride > 1 or channels != filters:
            self.shortcut = nn.Conv2d(channels, filters, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        active = F.relu(self.norm1(x), inplace=True)
        kept = x if self.shortcut is None else self.shortcut(active)
        return self.conv2(F.relu(self.norm2(self.conv1(active)), inplace=True)) + kept


class Options(Settings):
    """Size of the encoder."""

    depth: Literal[10, 16, 22, 28, 34, 40] = Field(
        16, description="Convolutions in a row, 6 n + 4 [P]."
    )
    widen: int = Field(4, ge=1, description="Times the filters of a plain ResNet [P].")


class WideResNet(nn.Module):
    """Encoder of pictures: float (B, 3, 1, S, S) -> (B, 64 * width, 1, 1)."""

    name = "wideresnet"
    Options = Options
    side, pools = 1, 0

    def __init__(self, depth: int = 16, width: int = 4):
        super().__init__()
        blocks = (depth - 4) // 6
        layers: list[nn.Module] = [nn.Conv2d(3, 16, 3, padding=1, bias=False)]
        channels = 16
        for group, stride in enumerate((1, 2, 2)):
            filters = 16 * width << group
            for block in range(blocks):
                layers.append(Block(channels, filters, stride if block == 0 else 1))
                channels = filters
        layers += [BatchNorm2d(channels), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1)]
        self.layers = nn.Sequential(*layers)
        self.channels = channels
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
        self.to(memory_format=torch.channels_last)

    @classmethod
    def from_spec(cls, spec: dict) -> "WideResNet":
        options = Options.parse(spec["encoder_options"], "train.encoder_options")
        return cls(options.depth, options.widen)

    def forward(self, views: Tensor) -> Tensor:
        if views.shape[2] != 1:
            raise InputError(
                f"train.encoder: wideresnet sees single pictures, and a task asks for "
                f"{views.shape[2]} frames at once; use the encoder cnn3d, or other train.tasks"
            )
        return self.layers(views[:, :, 0])
