"""Stage `detect`: the objects of every frame, with their full class-probability vectors."""

import json
import logging
from itertools import islice
from pathlib import Path

import h5py
import numpy as np

from ssmtl import detection, store
from ssmtl.detection import imported
from ssmtl.detection.base import Boxes
from ssmtl.device import device
from ssmtl.errors import InputError
from ssmtl.frames import Frames
from ssmtl.progress import progress

log = logging.getLogger(__name__)


def detected(detector, frames: Frames, settings: dict) -> tuple[np.ndarray, Boxes]:
    """Frame numbers int32 (N,) and boxes of one clip; decoding runs ahead of the detector."""
    limits = {key: settings[key] for key in ("confidence", "iou", "max_boxes")}
    pictures, per_frame = frames.decoded(), []
    while batch := list(islice(pictures, settings["batch"])):
        per_frame += detection.detect(detector, batch, **limits)
    counts = [len(boxes.box) for boxes in per_frame]
    return np.repeat(np.arange(len(frames), dtype=np.int32), counts), joined(per_frame)


def joined(boxes: list[Boxes]) -> Boxes:
    """The boxes of several frames as one."""
    names = ("box", "confidence", "class_id", "class_probs")
    return Boxes(*(np.concatenate([getattr(b, name) for b in boxes]) for name in names))


def write_boxes(group: h5py.Group, frames: Frames, frame: np.ndarray, boxes: Boxes) -> None:
    """Stores one clip's boxes: frame (N,), box (N, 4), confidence, class_id, class_probs (N, C)."""
    arrays = {"frame": frame, **vars(boxes)}
    for name, values in arrays.items():
        group[name] = values
    group.attrs.update(
        frames=len(frames),
        width=frames.width,
        height=frames.height,
        digest=store.digest(*arrays.values()),
    )
    if not len(frame):
        log.warning("%s: no objects found; its frames will score 0", frames.name)


def detect_objects(
    output: Path, *, frames: Path, boxes: Path | None, settings: dict, code: str
) -> None:
    """Writes `detections.h5` of one shard, from `frames.h5` and, where imported, a CSV of boxes."""
    if settings["backend"] == "imported":
        if boxes is None:
            raise InputError("detect: --backend imported needs --boxes, a CSV of boxes")
        table, detector = imported.read_boxes(boxes), None
        classes = list(imported.class_names(table))
    else:
        detector = detection.load(
            settings["backend"],
            settings["weights"],
            cfg=settings["cfg"],
            names=settings["names"],
            image_size=settings["image_size"],
            device=device(),
        )
        classes = list(detector.classes)
    given = [store.file_digest(path) for path in (boxes, settings["weights"], settings["cfg"])]
    with (
        store.read(frames, "frames") as source,
        store.Parts(output, "detections", settings) as parts,
    ):
        total = sum(int(group.attrs["frames"]) for group in source.values())
        for clip in progress(list(source), f"detect ({total} frames)", "clip"):
            group = source[clip]
            mark = store.digest(settings, code, group.attrs["digest"], given)
            if parts.has(clip, mark):
                continue
            pictures = Frames(group)
            if detector is None:
                found = imported.boxes_of_clip(
                    table,
                    clip,
                    len(pictures),
                    pictures.width,
                    pictures.height,
                    settings["confidence"],
                )
            else:
                found = detected(detector, pictures, settings)
            with parts.write(clip, mark) as out:
                write_boxes(out, pictures, *found)
        parts.merge(classes=json.dumps(classes), detector=settings["backend"])
    with store.read(output, "detections") as file:
        count = sum(len(group["frame"]) for group in file.values())
        if len(file) and not count:
            log.warning(
                "%s: no object in any clip; check detect.confidence (%s) and the weights",
                output,
                settings["confidence"],
            )
    log.info("detect: %d frames, %d objects", total, count)
