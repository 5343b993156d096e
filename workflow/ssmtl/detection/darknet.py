"""The original YOLOv3 and YOLOv3-tiny, from Darknet's `.cfg` and `.weights` files.

A plain PyTorch module with batch normalisation folded into the convolutions. Its confidence is
objectness times class probability, which the published thresholds of SSMTL refer to
(docs/methods.md). Format and arithmetic follow the Darknet framework of J. Redmon and are
checked against OpenCV's independent reader by benchmarks/darknet_vs_opencv.py.
"""

from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from pydantic import Field
from torch import nn
from torch.nn import functional

from ssmtl.core.errors import InputError
from ssmtl.core.settings import Settings
from ssmtl.detection.base import Detector, read_names

Section = tuple[str, dict[str, str]]

# Added to the variance, as OpenCV does. Darknet itself adds 1e-6 to the root on a CPU and 1e-5 to
# the variance on a GPU; with the published YOLOv3-tiny, outputs change by about 1e-4.
BATCH_NORM_EPSILON = 1e-6
LEAKY_SLOPE = 0.1
# Far above what YOLOv3 has, and far below what memory could not hold.
LARGEST, WIDEST, LARGEST_LAYER = 1e6, 1 << 15, 10**8


class Options(Settings):
    """Options of the detector `darknet`."""

    cfg: str = Field(
        "workflow/models/yolov3.cfg",
        description="Network description, the .cfg that belongs to the weights.",
    )


def parse_cfg(text: str, where: str) -> list[Section]:
    """Sections of a Darknet configuration, `[net]` first: (name, {key: value})."""
    sections: list[Section] = []
    for number, line in enumerate(text.splitlines(), 1):
        line = line.split("#")[0].split(";")[0].strip()
        if line.startswith("[") and line.endswith("]"):
            sections.append((line[1:-1].strip(), {}))
        elif line:
            key, equals, value = line.partition("=")
            if not equals or not sections:
                raise InputError(f"{where}: line {number} is no `key=value` of a section: {line}")
            sections[-1][1][key.strip()] = value.strip()
    if not sections or sections[0][0] not in ("net", "network"):
        raise InputError(f"{where}: does not start with [net]; give a Darknet .cfg file")
    return sections


class LayerOptions:
    """Typed access to one section of a .cfg, with errors that name file, layer and key."""

    def __init__(self, values: dict[str, str], where: str):
        self.values, self.where = values, where

    def error(self, problem: str) -> InputError:
        return InputError(f"{self.where}: {problem}; only YOLOv3 and YOLOv3-tiny are supported")

    def numbers(self, key: str, default: float | None = None) -> list[float]:
        if key not in self.values and default is not None:
            return [default]
        try:
            found = [float(each) for each in self.values[key].split(",")]
            if not all(abs(each) <= LARGEST for each in found):  # nor NaN
                raise ValueError
            return found
        except (KeyError, ValueError) as error:
            problem = f"`{key}` is {self.values.get(key, 'missing')!r} where numbers are needed"
            raise self.error(problem) from error

    def integers(self, key: str, default: int | None = None) -> list[int]:
        found = self.numbers(key, default)
        if any(each % 1 for each in found):
            raise self.error(f"`{key}={self.values[key]}` where whole numbers are needed")
        return [int(each) for each in found]

    def integer(self, key: str, default: int | None = None, least: int = 0, most: int = 64) -> int:
        value = self.integers(key, default)[0]
        if not least <= value <= most:
            raise self.error(f"`{key}={value}` where {least} to {most} is possible")
        return value

    def choice(self, key: str, default: str, allowed: tuple[str, ...]) -> str:
        value = self.values.get(key, default)
        if value not in allowed:
            raise self.error(f"`{key}={value}` where one of {', '.join(allowed)} is needed")
        return value

    def require(self, **expected: float) -> None:
        """Refuse keys of later Darknet networks that would change the result."""
        for key, value in expected.items():
            if self.numbers(key, value) != [value]:
                raise self.error(f"`{key}={self.values[key]}` is not supported")

    def source(self, layer: int, here: int) -> int:
        """The absolute index of a layer given from the start or, negative, from here."""
        index = layer if layer >= 0 else here + layer
        if not 0 <= index < here:
            raise self.error(f"refers to layer {layer}, which is not before it")
        return index


class Convolution(nn.Module):
    """`[convolutional]`: batch normalisation, if any, is folded in by `read`."""

    def __init__(self, options: LayerOptions, channels: int):
        super().__init__()
        options.require(groups=1, dilation=1)
        size = options.integer("size", 1, 1)
        padding = size // 2 if options.integer("pad", 0) else options.integer("padding", 0)
        self.normalised = bool(options.integer("batch_normalize", 0))
        self.leaky = options.choice("activation", "logistic", ("linear", "leaky")) == "leaky"
        self.out_channels = options.integer("filters", None, 1, WIDEST)
        stride = options.integer("stride", 1, 1)
        if (numbers := channels * self.out_channels * size * size) > LARGEST_LAYER:
            raise options.error(f"a layer of {numbers} weights")
        self.conv = nn.Conv2d(channels, self.out_channels, size, stride, padding)

    @property
    def counts(self) -> list[int]:
        """Lengths of this layer's arrays in the weights file, in its order."""
        return [self.out_channels] * (4 if self.normalised else 1) + [self.conv.weight.numel()]

    def read(self, arrays: list[torch.Tensor]) -> None:
        *norm, kernel = arrays
        kernel, bias = kernel.view_as(self.conv.weight), norm[0]
        if self.normalised:
            _, scale, mean, variance = norm
            if (variance < 0).any():
                raise ValueError("a negative variance")
            factor = scale / (variance + BATCH_NORM_EPSILON).sqrt()
            kernel, bias = kernel * factor[:, None, None, None], bias - mean * factor
        if not (kernel.isfinite().all() and bias.isfinite().all()):
            raise ValueError("a weight that is not finite once it is normalised")
        self.conv.weight.copy_(kernel)
        assert self.conv.bias is not None
        self.conv.bias.copy_(bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv(x)
        return functional.leaky_relu(x, LEAKY_SLOPE) if self.leaky else x


class MaxPool(nn.Module):
    """`[maxpool]`: `size - 1` pixels of padding, the odd one at the right and the bottom."""

    def __init__(self, options: LayerOptions, channels: int):
        super().__init__()
        self.stride = options.integer("stride", 1, 1)
        self.size = options.integer("size", self.stride, 1)
        padding = options.integer("padding", self.size - 1)
        self.padding = (padding // 2, padding - padding // 2) * 2
        self.out_channels = channels

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.pad(x, self.padding, value=-torch.inf)
        return functional.max_pool2d(x, self.size, self.stride)


class Upsample(nn.Module):
    """`[upsample]`: each pixel repeated."""

    def __init__(self, options: LayerOptions, channels: int):
        super().__init__()
        self.stride = options.integer("stride", 2, 1, 8)
        self.out_channels = channels

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.interpolate(x, scale_factor=self.stride, mode="nearest")


class Route(nn.Module):
    """`[route]`: the outputs of earlier layers, one behind the other."""

    def __init__(self, options: LayerOptions, widths: list[int]):
        super().__init__()
        options.require(groups=1)
        self.sources = [options.source(each, len(widths)) for each in options.integers("layers")]
        self.out_channels = sum(widths[source] for source in self.sources)

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        return torch.cat(inputs, 1)


class Shortcut(nn.Module):
    """`[shortcut]`: the previous layer plus an earlier one."""

    def __init__(self, options: LayerOptions, widths: list[int]):
        super().__init__()
        options.choice("activation", "linear", ("linear",))
        self.sources = [len(widths) - 1, options.source(options.integers("from")[0], len(widths))]
        self.out_channels = widths[-1]
        if widths[self.sources[1]] != widths[-1]:
            raise options.error(f"adds {widths[self.sources[1]]} to {widths[-1]} channels")

    def forward(self, previous: torch.Tensor, earlier: torch.Tensor) -> torch.Tensor:
        return previous + earlier


class Yolo(nn.Module):
    """`[yolo]`: decodes boxes relative to its cells and anchors (the latter in input pixels)."""

    anchors: torch.Tensor

    def __init__(self, options: LayerOptions, channels: int):
        super().__init__()
        options.require(scale_x_y=1, new_coords=0)
        self.classes = options.integer("classes", 20, 1, WIDEST)
        self.out_channels = channels
        sides = options.numbers("anchors")
        if len(sides) % 2 or min(sides) <= 0:
            raise options.error("`anchors` are no pairs of a width and a height")
        anchors = torch.tensor(sides).view(-1, 2)
        mask = options.integers("mask")
        if not 0 <= min(mask) <= max(mask) < len(anchors):
            raise options.error(f"masks anchor {max(mask)} of {len(anchors)}")
        if channels != len(mask) * (5 + self.classes):
            raise options.error(
                f"needs {len(mask)} * (5 + {self.classes}) channels, but gets {channels}"
            )
        self.register_buffer("anchors", anchors[mask], persistent=False)

    def forward(
        self, x: torch.Tensor, height: int, width: int
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Features (B, n * (5 + C), h, w) of a height x width input -> boxes (B, h * w * n, 4) as
        x1 y1 x2 y2 in input pixels, objectness (B, h * w * n), class_probs (B, h * w * n, C)."""
        rows, columns = x.shape[2:]
        x = x.float().unflatten(1, (len(self.anchors), -1))  # (B, n, 5 + C, h, w)
        x = x.permute(0, 3, 4, 1, 2)  # (B, h, w, n, 5 + C)
        y, x_ = torch.meshgrid(
            torch.arange(rows, device=x.device),
            torch.arange(columns, device=x.device),
            indexing="ij",
        )
        cell = torch.stack([x_, y], -1)[:, :, None]  # (h, w, 1, 2)
        pixels = x.new_tensor([width / columns, height / rows])
        centre = (x[..., :2].sigmoid() + cell) * pixels
        half = x[..., 2:4].exp() * self.anchors.float() / 2
        boxes = torch.cat([centre - half, centre + half], -1)
        confidences = x[..., 4:].sigmoid()
        return (
            boxes.flatten(1, 3),
            confidences[..., 0].flatten(1),
            confidences[..., 1:].flatten(1, 3),
        )


LAYERS = {
    "convolutional": Convolution,
    "maxpool": MaxPool,
    "upsample": Upsample,
    "route": Route,
    "shortcut": Shortcut,
    "yolo": Yolo,
}


class Darknet(nn.Module):
    """A network of the sections of a .cfg; `forward` gives the candidates of all yolo layers."""

    def __init__(self, sections: list[Section], where: str):
        super().__init__()
        (_, net), *rest = sections
        channels = LayerOptions(net, f"{where}: [net]").integer("channels", 3, 3, 3)
        widths: list[int] = []
        self.layers = nn.ModuleList()
        for index, (name, values) in enumerate(rest):
            options = LayerOptions(values, f"{where}: layer {index} [{name}]")
            if name not in LAYERS:
                raise options.error(f"unknown layer; known are {', '.join(LAYERS)}")
            joins = name in ("route", "shortcut")
            layer = LAYERS[name](options, widths if joins else ([channels, *widths])[-1])
            self.layers.append(layer)
            widths.append(layer.out_channels)
        heads = [layer for layer in self.layers if isinstance(layer, Yolo)]
        if len({head.classes for head in heads}) != 1:
            raise InputError(f"{where}: needs [yolo] layers, all with the same number of classes")
        self.classes = heads[0].classes
        self.kept = {source for layer in self.layers for source in getattr(layer, "sources", ())}

    @property
    def convolutions(self) -> list[Convolution]:
        return [layer for layer in self.layers if isinstance(layer, Convolution)]

    @torch.no_grad()
    def read(self, values: np.ndarray) -> None:
        """Fill the convolutions from a weights file's float32 values, exactly as many as needed."""
        counts = [count for layer in self.convolutions for count in layer.counts]
        bounds = np.cumsum([0, *counts])
        arrays = (torch.tensor(values[start:stop]) for start, stop in pairwise(bounds))
        for layer in self.convolutions:
            layer.read([next(arrays) for _ in layer.counts])

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        height, width = x.shape[2:]
        x = x.contiguous(memory_format=torch.channels_last)
        outputs: dict[int, torch.Tensor] = {}  # only those that a later layer asks for
        found = []
        for index, layer in enumerate(self.layers):
            if isinstance(layer, Yolo):
                found.append(layer(x, height, width))
            elif isinstance(layer, Route | Shortcut):
                outputs[index - 1] = x
                x = layer(*(outputs[source] for source in layer.sources))
            else:
                x = layer(x)
            if index in self.kept:
                outputs[index] = x
        boxes, objectness, probs = (torch.cat(each, 1) for each in zip(*found, strict=True))
        return boxes, objectness, probs


def read_weights(path: str | Path, count: int) -> np.ndarray:
    """The float32 values (count,) of a Darknet weights file.

    Its header is int32 major, minor, revision and the number of pictures seen in training, 8 bytes
    from version 0.2 on and 4 before. Raises InputError where the file's length is not exact.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise InputError(
            f"{path or 'no file'}: Darknet weights cannot be read ({error.strerror}); "
            "check detect.weights"
        ) from error
    major, minor = np.frombuffer(data[:8].ljust(8, b"\0"), "<i4").tolist()
    header = 20 if major * 10 + minor >= 2 else 16
    expected = header + 4 * count
    if len(data) != expected:
        raise InputError(
            f"{path}: {len(data)} bytes where the .cfg needs {expected}; "
            "the file is damaged or belongs to another .cfg"
        )
    values = np.frombuffer(data, "<f4", offset=header)
    if not np.isfinite(values).all():
        raise InputError(f"{path}: a weight is no finite number; fetch the file again")
    return values


class DarknetDetector(Detector):
    """The original YOLOv3 family.

    The picture is resized to the multiple of the stride that is next to its own shape, without a
    border: Darknet's grey square costs a third of the work on a wide picture, and with
    YOLOv3-tiny it also costs confidence.
    """

    stretch = True
    has_objectness = True

    def __init__(
        self,
        network: Darknet,
        names: str | None,
        image_size: int,
        device: torch.device,
        **computed: str,
    ):
        # On the CPU nearly twice as fast as the default layout.
        layout = network.eval().requires_grad_(False).to(memory_format=torch.channels_last)
        classes = read_names(names, network.classes)
        super().__init__(classes, image_size, device, layout, **computed)


def load(
    weights: str,
    *,
    cfg: str,
    names: str | None = None,
    image_size: int,
    device: torch.device,
    **computed: str,
) -> DarknetDetector:
    """A detector from a Darknet `cfg` and its `weights`.

    names: file of class names, one a line; image_size: a multiple of 32 (the size in the .cfg is
    not used); computed: `precision` and `engine`. Raises InputError for unreadable files and for
    layers of other networks.
    """
    try:
        text = Path(cfg).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "no text"
        raise InputError(
            f"{cfg}: no readable Darknet .cfg ({reason}); the darknet back end needs the one "
            "that belongs to the weights"
        ) from error
    network = Darknet(parse_cfg(text, cfg), cfg)
    count = sum(sum(layer.counts) for layer in network.convolutions)
    values = read_weights(weights, count)
    try:
        network.read(values)
    except ValueError as error:
        raise InputError(f"{weights}: {error}; fetch the file again") from error
    return DarknetDetector(network, names, image_size, device, **computed)
