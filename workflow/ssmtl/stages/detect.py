"""Stage `detect`: the objects of every frame, with their full class-probability vectors."""

import json
import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch

from ssmtl import detection
from ssmtl.core import store
from ssmtl.core.device import chosen_device, one_torch_thread
from ssmtl.core.errors import InputError
from ssmtl.core.progress import progress
from ssmtl.core.threads import ahead
from ssmtl.detection import imported
from ssmtl.detection.base import Boxes
from ssmtl.formats import hdf5
from ssmtl.formats.detections import DETECTIONS, read_detections
from ssmtl.formats.frames import Frames, read_frames
from ssmtl.stages.settings import Detect

log = logging.getLogger(__name__)

CPU_BATCH = 4  # each core has its own; more at once is not faster there, and takes memory
GPU_BATCH = 128  # the largest that is tried
SAMPLE = 8  # frames on which the batch size is measured
WRITE = 64  # batches whose boxes are written at once
CHUNK = 512  # rows of boxes that lie together in the file


def detected(detector, frames: Frames, settings: Detect) -> Iterator[tuple[np.ndarray, Boxes]]:
    """Frame numbers int32 (n,) and boxes of a clip, a run of frames at a time.

    Each thread takes a batch from the encoded frames to the boxes, so that decoding, the network
    and the suppression of boxes overlap. On a CPU the threads share the cores, and nothing waits
    for all of them; on a GPU they take turns.
    """
    limits = limits_of(settings)
    on_cpu = detector.device.type == "cpu"
    largest = CPU_BATCH if on_cpu else GPU_BATCH
    with one_torch_thread() if on_cpu else nullcontext():
        if not detector.batch:
            _, some = next(frames.encoded_blocks(SAMPLE))
            pictures = decoded(frames, 0, some, detector.device, settings)
            detector.batch = detection.fastest_batch(detector, pictures, largest, **limits)
        if on_cpu:
            detector.batch = min(detector.batch, CPU_BATCH)

        def batch_of(item) -> tuple[np.ndarray, Boxes]:
            first, data = item
            pictures = decoded(frames, first, data, detector.device, settings)
            found = detection.detect(detector, pictures, **limits)
            numbers = np.arange(first, first + len(found), dtype=np.int32)
            return np.repeat(numbers, [len(boxes) for boxes in found]), joined(found)

        yield from ahead(batch_of, frames.encoded_blocks(detector.batch))


def limits_of(settings: Detect) -> dict[str, Any]:
    """Which of the detector's candidates are objects, as `detection.detect` takes it."""
    return {
        "confidence": settings.confidence,
        "iou": settings.iou,
        "max_boxes": settings.max_boxes,
    }


def decoded(frames: Frames, first: int, data: list, device: torch.device, settings: Detect) -> list:
    """Some frames from number `first` on, uint8 (H, W, 3) each.

    With `gpu_decode` JPEG is decoded by the GPU; what it cannot read, by the CPU.
    """
    if settings.gpu_decode and device.type == "cuda" and frames.encoding == "jpeg":
        try:
            return decoded_jpegs(data, device)
        except RuntimeError as error:
            log.debug("%s: frame %d and on: %s; decoded on the CPU", frames.name, first, error)
    return [frames.decode(number, each) for number, each in enumerate(data, first)]


def decoded_jpegs(data: list[np.ndarray], device: torch.device) -> list[torch.Tensor]:
    """JPEG images decoded by a device, uint8 (H, W, 3) RGB each."""
    from torchvision.io import ImageReadMode, decode_jpeg  # deprecated there, and needed only here

    images = [torch.from_numpy(each) for each in data]
    pictures = decode_jpeg(images, mode=ImageReadMode.RGB, device=device)
    return [picture.permute(1, 2, 0) for picture in pictures]


def joined(boxes: list[Boxes]) -> Boxes:
    """The boxes of several frames as one."""
    names = ("box", "confidence", "class_id", "class_probs")
    return Boxes(*(np.concatenate([getattr(b, name) for b in boxes]) for name in names))


def write_boxes(group: h5py.Group, frames: Frames, found: Iterable[tuple]) -> None:
    """Stores one clip's boxes as they come, (frame (n,), Boxes) at a time.

    As frame (N,), box (N, 4), confidence (N,), class_id (N,), class_probs (N, C).
    """
    found = iter(found)
    while some := list(islice(found, WRITE)):
        numbers, boxes = zip(*some, strict=True)
        arrays = {"frame": np.concatenate(numbers), **vars(joined(list(boxes)))}
        for name, values in arrays.items():
            store.write_rows(group, name, values, chunk=CHUNK)
    group.attrs.update(
        frames=len(frames),
        width=frames.width,
        height=frames.height,
    )
    if not len(group["frame"]):
        log.warning("%s: no objects found; its frames will score 0", frames.name)


@dataclass(frozen=True)
class Finder:
    """What finds the objects of a clip: a detector, or a table of imported boxes.

    find: takes the clip's name and frames; as `write_boxes` takes what it returns.
    """

    classes: list[str]
    computed: Callable[[], str]  # precision and engine, which may turn out to be another one
    find: Callable[[str, Frames], Iterable[tuple[np.ndarray, Boxes]]]


def finder_of(settings: Detect, boxes: Path | None) -> Finder:
    """What the settings name; InputError for imported boxes without a file of them."""
    if settings.backend != "imported":
        detector = detection.load_configured(settings, chosen_device())
        detector.batch = settings.batch
        return Finder(
            list(detector.classes),
            lambda: detector.computed,
            lambda _, frames: detected(detector, frames, settings),
        )
    if boxes is None:
        raise InputError("detect: --backend imported needs --boxes, a CSV of boxes")
    table = imported.read_boxes(boxes)

    def find(clip: str, frames: Frames) -> list[tuple[np.ndarray, Boxes]]:
        size = len(frames), frames.width, frames.height
        return [imported.boxes_of_clip(table, clip, *size, settings.confidence)]

    return Finder(list(imported.class_names(table)), lambda: "imported", find)


def detect_objects(
    output: Path, *, frames: Path, boxes: Path | None, settings: Detect, code: str
) -> None:
    """Writes `detections.h5` of one shard, from `frames.h5` and, where imported, a CSV of boxes."""
    finder = finder_of(settings, boxes)
    given = [store.file_digest(path) for path in (boxes, *settings.files)]
    with (
        read_frames(frames) as source,
        store.Parts(output, "detections", settings) as parts,
    ):
        about = {
            "split": store.attribute(source, "split"),
            "classes": json.dumps(finder.classes),
            "detector": settings.backend,
        }
        meant = finder.computed()  # the same whenever it runs here, whatever is found out later
        total = sum(int(group.attrs["frames"]) for group in source.values())
        for clip in progress(list(source), f"detect ({total} frames)", "clip"):
            group = source[clip]
            contents = store.attribute(group, "digest")
            mark = store.digest(settings, code, meant, contents, given)
            if parts.has(clip, mark):
                continue
            pictures = Frames(group)
            with parts.write(clip, mark) as out:
                write_boxes(out, pictures, finder.find(clip, pictures))
                store.set_attributes(out, computed=finder.computed())
                hdf5.complete(out, DETECTIONS)
        parts.merge(**about)
    with read_detections(output, []) as file:
        count = sum(len(group["frame"]) for group in file.values())
        if len(file) and not count:
            log.warning(
                "%s: no object in any clip; check detect.confidence (%s) and the weights",
                output,
                settings.confidence,
            )
    log.info("detect: %d frames, %d objects", total, count)
