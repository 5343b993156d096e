"""WideResNet: sizes of the published network, shapes, and sizes that cannot be."""

import pytest
import torch

from ssmtl.core.errors import InputError
from ssmtl.learning import encoders
from ssmtl.learning.encoders.wideresnet import WideResNet


def parameters(depth, width):
    return sum(p.numel() for p in WideResNet(depth, width).parameters())


@pytest.mark.parametrize(
    ("depth", "width", "millions"), [(16, 4, 2.7), (28, 10, 36.5), (16, 8, 11.0), (40, 1, 0.6)]
)
def test_as_many_parameters_as_published(depth, width, millions):
    # The paper's Tables 3 and 4 count a linear layer for ten classes.
    linear = 64 * width * 10 + 10
    assert round((parameters(depth, width) + linear) / 1e6, 1) == millions


def test_shapes_and_statistics():
    encoder = WideResNet(10, 2)
    found = encoder(torch.rand(8, 3, 1, 24, 24))
    assert found.shape == (8, encoder.channels, 1, 1) == (8, 128, 1, 1)
    encoder.eval()
    one, both = encoder(torch.ones(1, 3, 1, 24, 24)), encoder(torch.ones(2, 3, 1, 24, 24))
    assert torch.allclose(one[0], both[1], atol=1e-5)


def test_refuses_several_frames():
    with pytest.raises(InputError, match="7 frames at once; use the encoder cnn3d"):
        WideResNet(10, 1)(torch.rand(2, 3, 7, 24, 24))


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"depth": "16x4"}, "depth: '16x4' is none of 10, 16, 22"),
        ({"depth": 17, "widen": 4}, "depth: 17 is none of 10, 16, 22"),
        ({"depth": 16, "widen": 0}, "widen: 0 is less than the minimum of 1"),
    ],
)
def test_sizes_that_cannot_be(options, reason):
    with pytest.raises(InputError, match=rf"train\.encoder_options\.{reason}"):
        encoders.build({"encoder": "wideresnet", "encoder_options": options})


def test_unknown_encoder():
    with pytest.raises(InputError, match="no encoder 'vit'; there are cnn3d, wideresnet"):
        encoders.build({"encoder": "vit"})
