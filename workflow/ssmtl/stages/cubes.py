"""Stage `cubes`: an object-centric cube for every detection.

A cube is the box of frame i cropped from frames i-t..i+t, without tracking, each crop resized
to a square (docs/methods.md). Training cubes hold the wide window that intermittent samples
need, t * max_gap frames on each side, and which part of it exists.
"""

import logging
import shutil
from itertools import chain
from pathlib import Path

import h5py
import numpy as np

from ssmtl.core import store
from ssmtl.core.boxes import area, intersection
from ssmtl.core.device import chosen_device
from ssmtl.core.errors import InputError
from ssmtl.core.progress import progress
from ssmtl.formats import cubes as cube_storage
from ssmtl.formats import hdf5
from ssmtl.formats.cubes import CUBES
from ssmtl.formats.detections import read_detections
from ssmtl.formats.frames import Frames, read_frames
from ssmtl.media import blocks, polygons
from ssmtl.stages.settings import Cubes

log = logging.getLogger(__name__)

FLUSH = 256  # cubes written to HDF5 at once


def keep_boxes(box: np.ndarray, frame: np.ndarray, *, min_side, max_aspect, nested) -> np.ndarray:
    """Which boxes pass the filters, bool (N,); None switches a filter off. frame: (N,) ascending.

    min_side: shorter side in pixels at least this. max_aspect: longer over shorter side at most
    this. nested: a box is dropped if more than this share of it lies inside a larger box of the
    same frame.
    """
    sides = box[:, 2:] - box[:, :2]
    short, long = sides.min(1), sides.max(1)
    keep = short >= (min_side or 0)
    if max_aspect:
        keep &= long <= max_aspect * short
    if nested is not None:
        for rows in np.split(np.arange(len(frame)), np.flatnonzero(np.diff(frame)) + 1):
            keep[rows] &= ~inside_larger(box[rows], nested)
    return keep


def inside_larger(box: np.ndarray, share: float) -> np.ndarray:
    """Which boxes of one frame have more than `share` of their area inside a larger one."""
    overlap, areas = intersection(box[:, None], box[None]), area(box)
    return ((overlap > share * areas[:, None]) & (areas[None] > areas[:, None])).any(1)


def windows(frame: np.ndarray, reach: int, frames: int) -> np.ndarray:
    """The part of each object's window that lies in the clip.

    frame int (N,). Returns int16 (N, 2): first and one past the last index into the window of
    2 * reach + 1 frames.
    """
    start = np.maximum(reach - frame, 0)
    stop = np.minimum(2 * reach + 1, reach + frames - frame)
    return np.stack((start, stop), 1).astype(np.int16)


def thinned(count: int, stride: int, limit: int | None, seed: int) -> np.ndarray:
    """Rows kept of `count`: every stride-th, `limit` of them at random (None: all), in order."""
    rows = np.arange(0, count, stride)
    if limit is not None and len(rows) > limit:
        rows = np.sort(np.random.default_rng([seed, count]).choice(rows, limit, replace=False))
    return rows


def expanded(box: np.ndarray, scale: float, width: int, height: int) -> np.ndarray:
    """Boxes enlarged about their centres by `scale`, cut at the picture's edges."""
    centre, half = (box[:, :2] + box[:, 2:]) / 2, (box[:, 2:] - box[:, :2]) / 2 * scale
    limit = np.array([width, height, width, height], np.float32)
    return np.clip(np.concatenate((centre - half, centre + half), 1), 0, limit).astype(np.float32)


def write_cubes(
    group: h5py.Group,
    frames: Frames,
    frame: np.ndarray,
    area: np.ndarray,
    reach: int,
    size: int,
    storage: str = "raw",
) -> str:
    """Crops all cubes of a clip in one pass over its frames; returns a digest of the pixels.

    frame int (N,) ascending; area float32 (N, 4), the boxes to crop; storage: see `cube_storage`.
    Frames outside the clip stay black and are excluded by `valid`.
    """
    device, place = chosen_device(), blocks.span(frame, reach, len(frames))
    most = blocks.at_once(reach, size, device)
    pictures = frames.decoded(*place)
    none = np.zeros((0, 2 * reach + 1, size, size, 3), np.uint8)  # a clip may have no objects
    made = (
        part.window.cubes(frame[part.rows], area[part.rows], reach, size).cpu().numpy()
        for part in blocks.ready(pictures, frame, reach, place, device, most)
    )
    marks = []
    for pixels in chain([none], made):
        for start in range(0, len(pixels) or 1, FLUSH):
            some = pixels[start : start + FLUSH]
            cube_storage.append(group, some, storage)
            marks.append(store.digest(some))
    return store.digest(marks, storage)


def kept(box: np.ndarray, frame: np.ndarray, settings: Cubes) -> np.ndarray:
    """Which boxes pass the filters of the settings and lie outside the ignored polygons, bool."""
    keep = keep_boxes(
        box,
        frame,
        min_side=settings.min_side,
        max_aspect=settings.max_aspect,
        nested=settings.nested,
    )
    return keep & ~polygons.inside(box, polygons.parse(settings.ignore or ""))


def select(group: h5py.Group, split: str, settings: Cubes, seed: int) -> np.ndarray:
    """Rows of a clip's detections that get a cube: filtered, with a full -t..+t window, thinned."""
    frame, box, frames = group["frame"][:], group["box"][:], int(group.attrs["frames"])
    radius = settings.radius
    keep = kept(box, frame, settings)
    keep &= (frame >= radius) & (frame < frames - radius)
    rows = np.flatnonzero(keep)
    if split == "train":
        rows = rows[thinned(len(rows), settings.train_stride, settings.train_max, seed)]
    return rows


def make_cubes(
    output: Path, *, frames: Path, detections: Path, split: str, settings: Cubes, code: str
) -> None:
    """Writes `cubes.h5` of one shard from its `frames.h5` and `detections.h5`."""
    radius, size = settings.radius, settings.size
    reach = radius * settings.max_gap if split == "train" else radius
    with (
        read_frames(frames) as source,
        read_detections(detections) as found,
        store.Parts(output, "cubes", settings) as parts,
    ):
        check_clips(source, found)
        chosen = {
            clip: select(found[clip], split, settings, store.seed_of(clip)) for clip in source
        }
        cube = (2 * reach + 1) * size * size * 3 // cube_storage.LEAST.get(settings.storage, 1)
        refuse_if_full(output, sum(map(len, chosen.values())) * cube)
        for clip in progress(list(source), "cubes", "clip"):
            boxes, rows, pictures = found[clip], chosen[clip], Frames(source[clip])
            if len(pictures) < 2 * radius + 1:
                raise InputError(
                    f"{pictures.name}: {len(pictures)} frames are fewer than the {2 * radius + 1}"
                    " of one cube; list it under the data set's `exclude`"
                )
            mark = store.digest(
                settings,
                code,
                split,
                *(store.attribute(g, "digest") for g in (source[clip], boxes)),
            )
            if parts.has(clip, mark):
                continue
            with parts.write(clip, mark) as group:
                frame, box = boxes["frame"][:][rows], boxes["box"][:][rows]
                area = expanded(box, settings.scale, pictures.width, pictures.height)
                pixels = write_cubes(group, pictures, frame, area, reach, size, settings.storage)
                group["frame"], group["box"], group["detection"] = frame, box, rows
                group["valid"] = windows(frame, reach, len(pictures))
                group["time"] = pictures.time
                group.attrs.update(
                    frames=len(pictures),
                    width=pictures.width,
                    height=pictures.height,
                    detections=len(boxes["frame"]),
                )
                hdf5.complete(group, CUBES, pixels)
        parts.merge(split=split, radius=radius)
    log.info("cubes: %d cubes in %d clips", sum(map(len, chosen.values())), len(chosen))


def check_clips(source: h5py.File, found: h5py.File) -> None:
    """Both files hold the same clips with the same number of frames."""
    for clip in sorted({*source, *found}):
        counts = [int(f[clip].attrs["frames"]) if clip in f else 0 for f in (source, found)]
        if counts[0] != counts[1]:
            raise InputError(
                f"{found.filename}: clip {clip} covers {counts[1]} frames, {source.filename} has "
                f"{counts[0]}; delete the older of the two files and run again"
            )


def refuse_if_full(output: Path, expected: int) -> None:
    """Says how large the output will be; InputError where the disk cannot hold it."""
    output.parent.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(output.parent).free
    log.info("cubes: %.2f GB expected, %.1f GB free on the disk", expected / 1e9, free / 1e9)
    if 2 * expected > free:  # the clips' parts and the merged file exist side by side
        raise InputError(
            f"{output}: needs {2 * expected / 1e9:.1f} GB while it is made, {free / 1e9:.1f} GB "
            "are free; free some space, or thin the cubes by cubes.train_stride or train_max"
        )
