"""The shared 3D CNN: shallow or deep, narrow or wide [P]; filter numbers and pooling [M].

All convolutions are 3x3x3, stride 1, same padding, with batch norm and ReLU; pooling is 1x2x2,
and the maximum over all time follows the last pool. That lets one encoder take 7, 6 or 1 frames.
"""

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from ssmtl.core.errors import InputError
from ssmtl.core.settings import Settings
from ssmtl.learning.distributed import batch_norm

# Convolutions before each pool, and their filters.
FILTERS = {
    ("shallow", "narrow"): ((16,), (32,), (32,)),
    ("shallow", "wide"): ((32,), (64,), (64,)),
    ("deep", "narrow"): ((16, 16), (32, 32), (32,), (32,)),
    ("deep", "wide"): ((32, 32), (64, 64), (64,), (64,)),
}


class LengthNorm(nn.BatchNorm3d):
    """Batch norm with running statistics for each number of frames, and shared scale and shift.

    A view of one frame meets the convolutions' zero padding on both sides of time, one of seven
    frames hardly ever, so their activations differ. Each is normalised by its own batch in
    training; one common running average would fit none of them at test [D].
    """

    running_mean: Tensor
    running_var: Tensor
    momentum: float

    def __init__(self, channels: int, lengths: tuple[int, ...]):
        super().__init__(channels)
        self.lengths = lengths
        self.running_mean = self.running_mean.repeat(len(lengths), 1)
        self.running_var = self.running_var.repeat(len(lengths), 1)

    def forward(self, x: Tensor) -> Tensor:
        row = self.lengths.index(x.shape[2])
        mean, variance = self.running_mean[row], self.running_var[row]
        return batch_norm(
            x, mean, variance, self.weight, self.bias, self.training, self.momentum, self.eps
        )


class MaxPool(nn.MaxPool3d):
    """Max pooling in the precision of its input, which autocast on a CPU would widen: a maximum is
    exact in any."""

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return super().forward(x)


class Options(Settings):
    """Size of the encoder."""

    depth: Literal["shallow", "deep"] = Field(
        "shallow", description="Three or four poolings with convolutions before each [P]."
    )
    width: Literal["narrow", "wide"] = Field(
        "narrow", description="Filters of the convolutions, 16 to 32 or 32 to 64 [P]."
    )


class CNN3D(nn.Module):
    """Encoder of cubes: float (B, 3, T, S, S) -> (B, channels, S / 2**pools, S / 2**pools).

    T is one of `lengths`.
    """

    name = "cnn3d"
    Options = Options

    def __init__(
        self,
        depth: str = "shallow",
        width: str = "narrow",
        lengths: tuple[int, ...] = (7, 6, 1),
        size: int = 64,
    ):
        super().__init__()
        stages = FILTERS[depth, width]
        layers, channels = [], 3
        for filters in stages:
            for count in filters:
                layers += [
                    nn.Conv3d(channels, count, 3, padding=1, bias=False),
                    LengthNorm(count, lengths),
                    nn.ReLU(inplace=True),
                ]
                channels = count
            # The maximum of what ReLU leaves is what ReLU leaves of the maximum: a quarter to do.
            layers.insert(-1, MaxPool((1, 2, 2)))
        self.layers = nn.Sequential(*layers).to(memory_format=torch.channels_last_3d)
        self.channels = channels
        self.pools = len(stages)
        self.side = size >> self.pools

    @classmethod
    def from_spec(cls, spec: dict) -> "CNN3D":
        length = 2 * spec["radius"] + 1
        lengths = tuple(dict.fromkeys((length, max(1, length - 1), 1)))
        options = Options.parse(spec["encoder_options"], "train.encoder_options")
        encoder = cls(options.depth, options.width, lengths, spec["size"])
        if encoder.side < 2:
            raise InputError(
                f"cubes.size {spec['size']} is too small for a {options.depth} encoder with "
                f"{encoder.pools} poolings; use at least {2 << encoder.pools}"
            )
        return encoder

    def forward(self, cubes: Tensor) -> Tensor:
        return self.layers(cubes).amax(2)  # (B, C, T, s, s) -> (B, C, s, s)
