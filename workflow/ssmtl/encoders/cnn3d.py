"""The shared 3D CNN: shallow or deep, narrow or wide [P]; filter numbers and pooling [M].

All convolutions are 3x3x3, stride 1, same padding, with batch norm and ReLU; pooling is 1x2x2,
and the maximum over all time follows the last pool. That lets one encoder take 7, 6 or 1 frames.
"""

import torch
from torch import Tensor, nn

# Convolutions before each pool, and their filters.
FILTERS = {
    ("shallow", "narrow"): ((16,), (32,), (32,)),
    ("shallow", "wide"): ((32,), (64,), (64,)),
    ("deep", "narrow"): ((16, 16), (32, 32), (32,), (32,)),
    ("deep", "wide"): ((32, 32), (64, 64), (64,), (64,)),
}


class CNN3D(nn.Module):
    """Encoder of cubes: float (B, 3, T, S, S) -> (B, channels, S / 2**pools, S / 2**pools)."""

    def __init__(self, depth: str = "shallow", width: str = "narrow"):
        super().__init__()
        stages = FILTERS[depth, width]
        layers, channels = [], 3
        for filters in stages:
            for count in filters:
                layers += [
                    nn.Conv3d(channels, count, 3, padding=1, bias=False),
                    nn.BatchNorm3d(count),
                    nn.ReLU(inplace=True),
                ]
                channels = count
            layers.append(nn.MaxPool3d((1, 2, 2)))
        self.layers = nn.Sequential(*layers).to(memory_format=torch.channels_last_3d)
        self.channels = channels
        self.pools = len(stages)

    def forward(self, cubes: Tensor) -> Tensor:
        return self.layers(cubes).amax(2)  # (B, C, T, s, s) -> (B, C, s, s)
