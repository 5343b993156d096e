"""WideResNet for single pictures, 16-4 by default [P].

Zagoruyko and Komodakis, *Wide Residual Networks*: a convolution with 16 filters, three groups of
(depth - 4) / 6 blocks with 16, 32 and 64 times `width` filters, the picture halved before the
second and third, batch norm and ReLU before each convolution, and the mean over the picture.
"""

import re

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ssmtl.core.errors import InputError
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


class WideResNet(nn.Module):
    """Encoder of pictures: float (B, 3, 1, S, S) -> (B, 64 * width, 1, 1)."""

    name = "wideresnet"
    settings = ("wideresnet",)
    side, pools = 1, 0

    def __init__(self, depth: int = 16, width: int = 4):
        super().__init__()
        blocks, left = divmod(depth - 4, 6)
        if blocks < 1 or left:
            raise InputError(
                f"train.wideresnet: a depth of {depth} is not 6 n + 4; use 10, 16, 22, 28 or 40"
            )
        layers, channels = [nn.Conv2d(3, 16, 3, padding=1, bias=False)], 16
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
        found = re.fullmatch(r"(\d+)-(\d+)", spec["wideresnet"])
        if not found or int(found[2]) < 1:
            raise InputError(
                f"train.wideresnet: '{spec['wideresnet']}' is not depth-width, such as 16-4"
            )
        return cls(int(found[1]), int(found[2]))

    def forward(self, views: Tensor) -> Tensor:
        if views.shape[2] != 1:
            raise InputError(
                f"train.encoder: wideresnet sees single pictures, and a task asks for "
                f"{views.shape[2]} frames at once; use the encoder cnn3d, or other train.tasks"
            )
        return self.layers(views[:, :, 0])
