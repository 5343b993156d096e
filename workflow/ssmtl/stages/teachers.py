"""Stage `teachers`: what the two teachers of the distillation task say of each object.

A frozen network's last layer before the softmax, ResNet-50's in the paper, on the middle crop
(training only: it is not run at inference [P]), and the detector's class probabilities: those
kept with the detection, or, for imported boxes, those of a detector run on the enlarged crop.
"""

import json
import logging
from pathlib import Path

import h5py
import numpy as np
import torch
from torch.nn import functional as F

from ssmtl import detection, networks
from ssmtl.core import store
from ssmtl.core.device import chosen_device, memory_errors
from ssmtl.core.progress import progress
from ssmtl.formats import hdf5
from ssmtl.formats.cubes import open_cubes, read_cubes
from ssmtl.formats.detections import read_detections
from ssmtl.formats.frames import Frames, read_frames
from ssmtl.formats.teachers import TEACHERS
from ssmtl.media import blocks
from ssmtl.media.blocks import Window
from ssmtl.stages.settings import Teachers

log = logging.getLogger(__name__)

GREY = 0.5  # around a crop that leaves the picture


def enlarged(
    pictures: torch.Tensor, which: torch.Tensor, box: torch.Tensor, size: int, context: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Square crops about objects, aspect kept, for a detector to look at.

    pictures uint8 (F, H, W, 3); which int (N,): the picture of each object; box float32 (N, 4) in
    pixels; the crop's side is `context` times the box's longer side. Returns float
    (N, 3, size, size) in [0, 1], grey outside the picture, and where the objects lie in their
    crops, float32 (N, 4) in crop pixels.
    """
    from torchvision.ops import roi_align  # its import takes 3 s, scoring stored cubes needs none

    centre, extent = (box[:, :2] + box[:, 2:]) / 2, box[:, 2:] - box[:, :2]
    half = extent.amax(1, keepdim=True) * context / 2
    # A border as wide as the widest crop can reach, so that no sample is outside.
    border = int(half.max().ceil()) + 1
    images = F.pad(pictures.permute(0, 3, 1, 2).float() / 255, (border,) * 4, value=GREY)
    corners = torch.cat((which[:, None].float(), centre - half + border, centre + half + border), 1)
    crops = roi_align(images, corners, size, sampling_ratio=-1, aligned=True)
    inside = (box - (centre - half).repeat(1, 2)) * (size / (2 * half))
    return crops, inside


def seen_probabilities(
    detector, window: Window, frame: np.ndarray, box: np.ndarray, settings: Teachers
) -> np.ndarray:
    """Class probabilities of objects from a detector on their enlarged crops, float32 (N, C).

    window: has the pictures of their frames; frame int (N,) ascending; box float32 (N, 4).
    """
    vectors = [np.zeros((0, len(detector.classes)), np.float32)]
    for start in range(0, len(frame), settings.batch):
        rows = slice(start, start + settings.batch)
        numbers, which = np.unique(frame[rows], return_inverse=True)
        crops, inside = enlarged(
            window.pictures(numbers),
            torch.from_numpy(which).to(detector.device),
            torch.from_numpy(box[rows]).to(detector.device),
            detector.image_size,
            settings.context,
        )
        vectors.append(detection.class_vectors(detector, crops, inside))
    return np.concatenate(vectors)


def crop_probabilities(detector, frames: Frames, frame, box, settings: Teachers) -> np.ndarray:
    """The same for all objects of a clip, in one pass over its frames."""
    place = blocks.span(frame, 0, len(frames))
    parts = blocks.ready(frames.decoded(*place), frame, 0, place, detector.device, settings.batch)
    return np.concatenate(
        [np.zeros((0, len(detector.classes)), np.float32)]
        + [
            seen_probabilities(detector, part.window, frame[part.rows], box[part.rows], settings)
            for part in parts
        ]
    )


def load_teacher(found: h5py.File, settings: Teachers, device) -> tuple:
    """The detector that says what objects are, None where their detections say so, and classes."""
    if classes := json.loads(store.attribute(found, "classes")):
        return None, classes
    detector = detection.load_configured(settings, device)
    return detector, list(detector.classes)


def load_resnet(settings: Teachers, device) -> networks.Network:
    """The network whose last layer the student learns."""
    network = networks.load(settings.resnet, settings.resnet_seed, "teachers.resnet")
    network.how = {"precision": settings.precision, "engine": settings.engine}
    return network.to(device)


def write_teachers(
    output: Path,
    *,
    frames: Path,
    detections: Path,
    cubes: Path,
    split: str,
    settings: Teachers,
    code: str,
) -> None:
    """Writes `teachers.h5` of one shard, its rows those of `cubes.h5`."""
    device = chosen_device()
    with (
        read_frames(frames) as source,
        read_detections(detections) as found,
        read_cubes(cubes) as crops,
        store.Parts(output, "teachers", settings) as parts,
    ):
        detector, classes = load_teacher(found, settings, device)
        given = [store.file_digest(path) for path in (settings.resnet, *settings.files)]
        network = load_resnet(settings, device) if split == "train" else None
        for clip in progress(list(crops), "teachers", "clip"):
            group = crops[clip]
            contents = store.attribute(group, "digest")
            mark = store.digest(settings, code, split, classes, given, contents)
            if parts.has(clip, mark):
                continue
            with (
                parts.write(clip, mark) as out,
                memory_errors("teachers", "lower teachers.batch, or free the GPU"),
            ):
                if network is not None:
                    out["logits"] = logit_rows(network, group, settings, device)
                boxes, rows = found[clip], group["detection"][:]
                if detector is None:
                    out["class_probs"] = boxes["class_probs"][:][rows]
                else:
                    objects = Frames(source[clip]), group["frame"][:], boxes["box"][:][rows]
                    out["class_probs"] = crop_probabilities(detector, *objects, settings)
                store.set_attributes(out, cubes=contents)
                if len(rows):
                    by = [each.computed for each in (network, detector) if each is not None]
                    store.set_attributes(out, computed="; ".join(by))
                hdf5.complete(out, TEACHERS)
        parts.merge(split=split, classes=json.dumps(classes))


def logit_rows(network, group: h5py.Group, settings: Teachers, device) -> np.ndarray:
    """The network's last-layer outputs for the middle crops of a clip, float32 (N, C)."""
    cubes = open_cubes(group)
    middle, rows = cubes.shape[1] // 2, []
    for start in range(0, len(cubes), settings.batch):
        crops = torch.from_numpy(cubes[start : start + settings.batch, middle]).to(device)
        rows.append(network.logits(crops, settings.resnet_size).cpu().numpy())
    return np.concatenate(rows) if rows else np.zeros((0, 1000), np.float32)
