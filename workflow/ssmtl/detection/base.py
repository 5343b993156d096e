"""What every detector shares: pictures in, boxes with their full class vectors out.

A back end is a module of this package with a function
`load(weights, *, names, image_size, device, precision, engine, **options) -> Detector`, which gives
its network to a `Detector`; everything before and after the network is here. Its own options are
the keys of its class `Options`, if it has one; see `core.options`.
"""

import importlib
import logging
import math
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock, Semaphore
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from torch import nn
from torch.nn import functional

from ssmtl.core.boxes import iou as box_iou
from ssmtl.core.errors import InputError
from ssmtl.core.machine import cores
from ssmtl.core.settings import Settings
from ssmtl.engines import Network

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Boxes:
    """Objects of one picture; `detect` gives the most confident first.

    box: float32 (N, 4), x1 y1 x2 y2 in pixels of the picture, inside it, never empty.
    confidence: float32 (N,), objectness times the best class probability.
    class_id: int32 (N,), the best class; -1 where the class is not known.
    class_probs: float32 (N, C), one sigmoid per class, without the objectness; C may be 0.
    """

    box: np.ndarray
    confidence: np.ndarray
    class_id: np.ndarray
    class_probs: np.ndarray

    def __len__(self) -> int:
        return len(self.box)


class Detector:
    """A network that proposes boxes. Back ends set the constants and give the network.

    grey: the value around a letterboxed picture.
    square: pad to a full square; else only to the next multiple of `stride` on the short side.
    stretch: fill that multiple with the picture itself in place of a border.
    stride: the sides of the input are multiples of it.
    has_objectness: whether `raw` gives an objectness of its own.
    network: its `Candidates`, run by an engine.
    batch: pictures per forward pass; halved for good when the device runs out of memory, by
    whichever thread finds that, and never made larger by one that tried more at the same time.
    turns: forward passes at the same time: one per core on a CPU, two on a GPU, of which one
    computes while the other's results are fetched.
    """

    grey: float = 114 / 255
    square: bool = False
    stretch: bool = False
    stride: int = 32
    has_objectness: bool = False
    batch: int | None = 32  # pictures in a forward pass; None where that is not measured yet

    def __init__(
        self,
        classes: Sequence[str],
        image_size: int,
        device: torch.device,
        network: nn.Module | None = None,
        precision: str = "float32",
        engine: str = "torch",
    ):
        if image_size < self.stride or image_size % self.stride:
            raise InputError(
                f"detector image_size {image_size} is not a multiple of {self.stride}; "
                f"use {max(round(image_size / self.stride), 1) * self.stride}"
            )
        self.classes = tuple(classes)
        self.image_size = image_size
        self.device = device
        calls = cores() if device.type == "cpu" else 2
        self.turns, self.shrinking = Semaphore(calls), Lock()
        self.network: Network | None = None
        if network is not None:
            self.network = Network(
                network,
                device,
                precision=precision,
                engine=engine,
                calls=calls,
                uniform=True,
                bounded=True,
            )

    @property
    def computed(self) -> str:
        """Precision and engine of the network, for the files that it makes."""
        return str(self.network or "")

    def raw(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """All candidates of a batch, before any threshold or suppression.

        images: float (B, 3, H, W) in [0, 1] on `device`.
        Returns float32 boxes (B, A, 4) as x1 y1 x2 y2 in input pixels, objectness (B, A), ones for
        a head without it, and class_probs (B, A, C).
        """
        if self.network is None:
            raise NotImplementedError
        boxes, objectness, class_probs = self.network(images)
        return boxes, objectness, class_probs


def load(
    backend: str,
    weights: str,
    *,
    names: str | None = None,
    image_size: int,
    device: str | torch.device,
    precision: str = "auto",
    engine: str = "auto",
    **options: Any,
) -> Detector:
    """The detector of the back end `backend`, a module of this package.

    weights, names: files, as the back end needs them; device: "cpu", "cuda", "cuda:1", ...;
    precision, engine: what the network is computed in and by; options: the back end's own. Raises
    InputError for an unknown back end, option, device or engine and for unusable files.
    """
    module = _backend(backend)
    own = getattr(module, "Options", Settings).parse(options, f"options of {backend}")
    return module.load(
        weights,
        names=names,
        image_size=image_size,
        device=_device(device),
        precision=precision,
        engine=engine,
        **own.model_dump(),
    )


def load_configured(settings: Any, device: torch.device) -> Detector:
    """The detector that the settings of a stage describe, detect or teachers."""
    return load(
        settings.backend,
        settings.weights,
        names=settings.names,
        image_size=settings.image_size,
        device=device,
        precision=settings.precision,
        engine=settings.engine,
        **settings.backend_options,
    )


@torch.inference_mode()
def detect(
    detector: Detector,
    frames: Sequence[np.ndarray | torch.Tensor],
    *,
    confidence: float,
    iou: float,
    max_boxes: int = 300,
) -> list[Boxes]:
    """The objects of each frame, in the order of the frames. May be called by several threads.

    frames: uint8 (H, W, 3) RGB each, of any mixture of sizes, in host memory or on the device.
    confidence: least confidence of a box; iou: of two boxes of the same class that overlap by more
    than this, the less confident goes; max_boxes: most boxes per frame.
    Raises InputError where not even one frame fits into the device's memory.
    """
    found: dict[int, Boxes] = {}
    for shape in dict.fromkeys(frame.shape for frame in frames):
        members = [index for index, frame in enumerate(frames) if frame.shape == shape]
        fit = fit_of(detector, shape)

        def run(indices: Sequence[int], fit: "Letterbox" = fit) -> list[Boxes]:
            with detector.turns:
                images = place([frames[index] for index in indices], fit, detector)
                candidates = _confident(*detector.raw(images), confidence)
            return [_select(*each, fit, iou, max_boxes) for each in candidates]

        found.update(zip(members, _in_batches(detector, members, run), strict=True))
    return [found[index] for index in range(len(frames))]


def fastest_batch(detector: Detector, frames: Sequence[np.ndarray], largest: int, **limits) -> int:
    """Pictures per forward pass that take the least time each: 1, 2, 4, ... up to `largest`.

    Tried on `frames`, repeated as need be, until memory ends or twice the size saves less than a
    twentieth. limits: those of `detect`. Raises InputError where not even one picture fits.
    """
    best, least = 1, math.inf
    for size in (1 << power for power in range(largest.bit_length())):
        detector.batch = size
        some = [frames[index % len(frames)] for index in range(size)]
        detect(detector, some, **limits)  # the first pass of a size chooses its kernels
        start = time.perf_counter()
        detect(detector, some, **limits)
        each = (time.perf_counter() - start) / size
        if detector.batch < size or each > 0.95 * least:
            break
        best, least = size, each
    log.info("%s: %d pictures per forward pass, %.1f ms each", detector.device, best, 1e3 * least)
    return best


@torch.inference_mode()
def class_vectors(
    detector: Detector, crops: torch.Tensor | np.ndarray, boxes: torch.Tensor | np.ndarray
) -> np.ndarray:
    """What the detector would call each given object: one class vector per crop.

    crops: float (N, 3, S, S) in [0, 1], an enlarged cut around each object, S a multiple of the
    detector's stride; boxes: float (N, 4), the object inside its crop, x1 y1 x2 y2 in pixels.
    Of the candidates before threshold and suppression, the one with the largest product of
    objectness (without one: best class probability) and IoU with the object answers; where none
    overlaps the object, the one whose centre is nearest.

    Returns float32 (N, C).
    """
    crops, boxes = torch.as_tensor(crops), torch.as_tensor(boxes, dtype=torch.float32)
    if len(crops) != len(boxes):
        raise ValueError(f"{len(crops)} crops for {len(boxes)} boxes")

    def run(indices: Sequence[int]) -> list[np.ndarray]:
        images, targets = (
            each[list(indices)].to(detector.device, torch.float32) for each in (crops, boxes)
        )
        candidates, objectness, probs = detector.raw(images)
        strength = objectness if detector.has_objectness else probs.amax(-1)
        best = best_candidate(candidates, strength, targets)
        return list(probs[torch.arange(len(best)), best].cpu().numpy())

    vectors = _in_batches(detector, range(len(crops)), run)
    return np.array(vectors, np.float32).reshape(len(crops), len(detector.classes))


def best_candidate(
    candidates: torch.Tensor, strength: torch.Tensor, targets: torch.Tensor
) -> torch.Tensor:
    """Index of the candidate that speaks for each target.

    candidates: (N, A, 4), strength: (N, A), targets: (N, 4). Returns int64 (N,): the largest
    strength * IoU; the nearest centre where every product is 0.
    """
    targets = targets[:, None]
    weight = strength * box_iou(candidates, targets)
    offset = (candidates[..., :2] + candidates[..., 2:]) - (targets[..., :2] + targets[..., 2:])
    nearest = offset.square().sum(-1).argmin(1)
    return torch.where(weight.amax(1) > 0, weight.argmax(1), nearest)


class Letterbox(NamedTuple):
    """How a picture of `source` (height, width) lies in the network's input `canvas`."""

    source: tuple[int, int]
    resized: tuple[int, int]
    canvas: tuple[int, int]
    top: int
    left: int


def letterbox(
    height: int, width: int, size: int, stride: int, square: bool, stretch: bool = False
) -> Letterbox:
    """The largest centred placement of a picture in the detector's input that keeps its aspect.

    With `stretch` the aspect changes by less than a stride, and there is no border.
    """
    scale = size / max(height, width)
    resized = max(round(height * scale), 1), max(round(width * scale), 1)
    down, across = (math.ceil(side / stride) * stride for side in resized)
    canvas = down, across
    if square:
        canvas = (size, size)
    if stretch:
        resized = canvas
    return Letterbox(
        (height, width),
        resized,
        canvas,
        top=(canvas[0] - resized[0]) // 2,
        left=(canvas[1] - resized[1]) // 2,
    )


def fit_of(detector: Detector, shape: Sequence[int]) -> Letterbox:
    """How pictures of `shape`, (height, width) and more, lie in this detector's input."""
    size, stride = detector.image_size, detector.stride
    return letterbox(shape[0], shape[1], size, stride, detector.square, detector.stretch)


def read_names(path: str | None, count: int) -> tuple[str, ...]:
    """Class names from a file with one a line; without a file the numbers 0 to count - 1.

    Raises InputError where the file does not hold `count` names.
    """
    if not path:
        return tuple(str(index) for index in range(count))
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: class names cannot be read ({error}); check `names`") from error
    names = tuple(line.strip() for line in lines if line.strip())
    if len(names) != count:
        raise InputError(
            f"{path}: {len(names)} class names for a network of {count} classes; "
            "use the names file that belongs to the weights"
        )
    return names


def _backend(name: str):
    if re.fullmatch(r"[a-z][a-z0-9_]*", name):
        target = f"{__package__}.{name}"
        try:
            module = importlib.import_module(target)
        except ModuleNotFoundError as error:
            if error.name != target:
                raise
        else:
            if hasattr(module, "load") and name != "base":
                return module
    raise InputError(
        f"unknown detector back end {name!r}; choose ultralytics, darknet or another file of "
        "workflow/ssmtl/detection/ that has a `load`"
    )


def _device(name: str | torch.device) -> torch.device:
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise InputError(f"unknown device {name!r}; use cpu, cuda or cuda:<number>") from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise InputError(
            f"device {name} is not there ({torch.cuda.device_count()} CUDA devices); use cpu"
        )
    return device


def _in_batches(detector: Detector, items: Sequence, run: Callable[[Sequence], list]) -> list:
    """`run` over the items, `detector.batch` at a time, with smaller batches when memory ends."""
    results: list = []
    while len(results) < len(items):
        chunk = items[len(results) : len(results) + (detector.batch or 1)]
        try:
            answers = run(chunk)
        except torch.OutOfMemoryError:
            answers = None
        # Outside the handler, where the exception no longer keeps the failed batch's tensors.
        if answers is None:
            _shrink_batch(detector, len(chunk))
        else:
            results += answers
    return results


def _shrink_batch(detector: Detector, failed: int) -> None:
    if failed == 1:
        raise InputError(
            f"one picture at image_size {detector.image_size} does not fit into the memory of "
            f"{detector.device}; lower image_size or choose another device"
        )
    with detector.shrinking:
        size = detector.batch = min(detector.batch or failed, failed // 2)
    log.warning("%s is out of memory: detecting %d pictures at a time", detector.device, size)
    if detector.device.type == "cuda":
        torch.cuda.empty_cache()


def place(
    frames: list[np.ndarray | torch.Tensor], fit: Letterbox, detector: Detector
) -> torch.Tensor:
    """Frames of one size -> float32 (B, 3, *fit.canvas) in [0, 1] on the detector's device."""
    if detector.device.type == "cpu":  # OpenCV is faster there, and equal up to rounding
        canvas = np.full((len(frames), *fit.canvas, 3), detector.grey, np.float32)
        inner = canvas[:, fit.top :, fit.left :][:, : fit.resized[0], : fit.resized[1]]
        for target, frame in zip(inner, frames, strict=True):
            picture = np.multiply(np.asarray(frame), np.float32(1 / 255), dtype=np.float32)
            target[:] = cv2.resize(picture, fit.resized[::-1])
        return torch.from_numpy(canvas).permute(0, 3, 1, 2)
    images = torch.stack([torch.as_tensor(frame) for frame in frames]).to(detector.device)
    images = images.permute(0, 3, 1, 2)
    images = images.float().div_(255)
    if fit.resized != fit.source:
        images = functional.interpolate(images, fit.resized, mode="bilinear")
    bottom = fit.canvas[0] - fit.resized[0] - fit.top
    right = fit.canvas[1] - fit.resized[1] - fit.left
    return functional.pad(images, (fit.left, right, fit.top, bottom), value=detector.grey)


def _confident(
    box: torch.Tensor, objectness: torch.Tensor, probs: torch.Tensor, confidence: float
) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """Per picture the box, confidence and class vector of what is confident enough, on the CPU.

    What is left is little, so that it is fetched from the device once for the whole batch and the
    rest is faster on the CPU.
    """
    score = objectness * probs.amax(-1)
    picture, candidate = torch.nonzero(score >= confidence, as_tuple=True)
    found = [each[picture, candidate].cpu() for each in (box, score, probs)]
    counts = torch.bincount(picture, minlength=len(box)).tolist()
    return zip(*(each.split(counts) for each in found), strict=True)


def _select(
    box: torch.Tensor,
    score: torch.Tensor,
    probs: torch.Tensor,
    fit: Letterbox,
    iou: float,
    max_boxes: int,
) -> Boxes:
    """The candidates of one picture -> its objects: suppression, source pixels."""
    kept = torch.arange(len(box))
    class_id = probs.argmax(-1) if len(box) else kept
    if len(kept):
        from torchvision.ops import batched_nms  # its import takes 3 s, imported boxes need none

        # batched_nms parts the classes by shifting them, which needs coordinates of 0 and more.
        kept = batched_nms(box - box.min(), score, class_id, iou)
    box = _to_source(box[kept], fit)
    solid = (box[:, 2:] > box[:, :2]).all(1)  # a box in the grey border ends up empty
    kept = kept[solid][:max_boxes]
    return Boxes(
        box=box[solid][:max_boxes].numpy(),
        confidence=score[kept].numpy(),
        class_id=class_id[kept].numpy().astype(np.int32),
        class_probs=probs[kept].numpy(),
    )


def _to_source(box: torch.Tensor, fit: Letterbox) -> torch.Tensor:
    """Boxes (N, 4) in input pixels -> pixels of the picture, clipped to it."""
    (height, width), (high, wide) = fit.source, fit.resized
    offset = box.new_tensor([fit.left, fit.top] * 2)
    scale = box.new_tensor([width / wide, height / high] * 2)
    limit = box.new_tensor([width, height] * 2)
    return ((box - offset) * scale).clamp(min=0).minimum(limit)
