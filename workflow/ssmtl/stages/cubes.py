"""Stage `cubes`: an object-centric cube for every detection.

A cube is the box of frame i cropped from frames i-t..i+t, without tracking, each crop resized
to a square (docs/methods.md). Training cubes hold the wide window that intermittent samples
need, t * max_gap frames on each side, and which part of it exists.
"""

import logging
import shutil
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import cv2
import h5py
import numpy as np
import torch
from torchvision.ops import roi_align

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
from ssmtl.media import polygons

log = logging.getLogger(__name__)

FLUSH = 256  # finished cubes written to HDF5 at once


def crop(picture: torch.Tensor, boxes: torch.Tensor, size: int) -> torch.Tensor:
    """Crops resized bilinearly with anti-aliasing, aspect not kept.

    picture uint8 (H, W, 3); boxes float32 (N, 4), x1 y1 x2 y2 in pixels, inside the picture.
    Returns uint8 (N, size, size, 3). Each output pixel is the mean of its bilinear samples, one
    per source pixel and at least one.
    """
    if picture.device.type == "cpu":
        return torch.from_numpy(warped(picture.numpy(), boxes.numpy(), size))
    image = picture.permute(2, 0, 1)[None].float()
    index = torch.zeros(len(boxes), 1, device=boxes.device)
    # The default sampling ratio takes ceil(box / size) samples a side: no aliasing, no waste.
    crops = roi_align(image, torch.cat((index, boxes), 1), size, sampling_ratio=-1, aligned=True)
    return crops.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)


def warped(picture: np.ndarray, boxes: np.ndarray, size: int) -> np.ndarray:
    """The same crops by OpenCV, on a CPU two or three times as fast: equal up to rounding."""
    corner = boxes - np.float32(0.5)  # the centre of the first pixel is 0
    side = corner[:, 2:] - corner[:, :2]
    samples = np.ceil(side / np.float32(size)).clip(1).astype(int)  # per output pixel, (N, 2)
    step = side.astype(float) / (samples * size)
    crops = np.empty((len(boxes), size, size, 3), np.uint8)
    flags = {
        "flags": cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        "borderMode": cv2.BORDER_REPLICATE,
        "hint": cv2.ALGO_HINT_ACCURATE,
    }
    exact = picture.astype(np.float32) if samples.max(initial=1) > 1 else None
    for target, (x, y), (dx, dy), (across, down) in zip(
        crops, corner[:, :2] + step / 2, step, samples, strict=True
    ):
        place = np.array(((dx, 0, x), (0, dy, y)))
        if across == down == 1:
            cv2.warpAffine(picture, place, (size, size), dst=target, **flags)
        else:
            fine = cv2.warpAffine(exact, place, (size * across, size * down), **flags)
            mean = cv2.resize(fine, (size, size), interpolation=cv2.INTER_AREA)
            target[:] = mean.round()
    return crops


def keep_boxes(box: np.ndarray, frame: np.ndarray, *, min_side, max_aspect, nested) -> np.ndarray:
    """Which boxes pass the filters, bool (N,); 0 switches a filter off. frame: (N,) ascending.

    min_side: shorter side in pixels at least this. max_aspect: longer over shorter side at most
    this. nested: a box is dropped if more than this share of it lies inside a larger box of the
    same frame.
    """
    sides = box[:, 2:] - box[:, :2]
    short, long = sides.min(1), sides.max(1)
    keep = short >= min_side
    if max_aspect:
        keep &= long <= max_aspect * short
    if nested:
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


def thinned(count: int, stride: int, limit: int, seed: int) -> np.ndarray:
    """Rows kept of `count`: every stride-th, then `limit` of them at random (0: all), in order."""
    rows = np.arange(0, count, stride)
    if limit and len(rows) > limit:
        rows = np.sort(np.random.default_rng([seed, count]).choice(rows, limit, replace=False))
    return rows


def expanded(box: np.ndarray, scale: float, width: int, height: int) -> np.ndarray:
    """Boxes enlarged about their centres by `scale`, cut at the picture's edges."""
    centre, half = (box[:, :2] + box[:, 2:]) / 2, (box[:, 2:] - box[:, :2]) / 2 * scale
    limit = np.array([width, height, width, height], np.float32)
    return np.clip(np.concatenate((centre - half, centre + half), 1), 0, limit).astype(np.float32)


def members(frame: np.ndarray, number, reach: int) -> tuple:
    """The rows low..high of the objects whose window holds frame `number`: they are neighbours.

    frame int (N,) ascending; number: an int, or an array of them.
    """
    low = np.searchsorted(frame, number - reach)
    return low, np.searchsorted(frame, number + reach, side="right")


def span(frame: np.ndarray, reach: int, frames: int) -> tuple[int, int]:
    """The part of a clip of `frames` frames that the windows of these objects lie in."""
    if not len(frame):
        return 0, 0
    return max(0, int(frame[0]) - reach), min(frames, int(frame[-1]) + reach + 1)


def cube_blocks(
    crops: Iterable[torch.Tensor], first: int, frame: np.ndarray, reach: int, block: int
) -> Iterator[torch.Tensor]:
    """All cubes of a clip in one pass over its frames, `block` at a time, in the order of rows.

    crops: of the frames `first` and on, uint8 (n, S, S, 3), for the n objects whose window holds
    that frame; frame int (N,) ascending. Yields uint8 (block, 2 * reach + 1, S, S, 3), the last
    with what is left, in memory that is used again once the next is asked for. Frames outside the
    clip stay black. Only the cubes whose window holds the current frame, and those of an unfinished
    block, are in memory.
    """
    if not len(frame):
        return
    numbers = np.arange(first, frame[-1] + reach + 1)
    lows, highs = members(frame, numbers, reach)
    # Cube i lies in row i % room, and a block never passes the end.
    room = block * (2 + int((highs - lows).max() - 1) // block)
    ring, done = None, 0

    def finished(count: int) -> Iterator[torch.Tensor]:
        nonlocal done
        cubes = ring[done % room :][:count]
        yield cubes
        cubes.zero_()
        done += count

    for found, number, low, high in zip(crops, numbers, lows, highs, strict=False):
        if ring is None:
            ring = found.new_zeros(room, 2 * reach + 1, *found.shape[1:])
        while low - done >= block:
            yield from finished(block)
        rows = np.arange(low, high)
        put(ring, rows % room, number - frame[rows] + reach, found)
    while done < len(frame):
        yield from finished(min(block, len(frame) - done))


def put(ring: torch.Tensor, rows: np.ndarray, slots: np.ndarray, values: torch.Tensor) -> None:
    """ring[rows, slots] = values."""
    if ring.device.type == "cpu":
        ring.numpy()[rows, slots] = values.numpy()  # ten times as fast as torch
        return
    rows, slots = torch.from_numpy(np.stack((rows, slots)).astype(np.int64)).to(ring.device)
    ring[rows, slots] = values


def write_cubes(
    group: h5py.Group,
    frames: Frames,
    frame: np.ndarray,
    box: np.ndarray,
    reach: int,
    size: int,
    storage: str = "raw",
) -> str:
    """Crops all cubes of a clip in one pass over its frames; returns a digest of the pixels.

    frame int (N,) ascending; box float32 (N, 4); storage: see `cube_storage`. Frames outside the
    clip stay black and are excluded by `valid`. Frames are decoded and cropped by threads.
    """
    device = chosen_device()
    boxes = torch.from_numpy(box).to(device)

    def crops_of(number: int, picture: np.ndarray) -> torch.Tensor:
        low, high = members(frame, number, reach)
        return crop(torch.from_numpy(picture).to(device), boxes[low:high], size)

    start, stop = span(frame, reach, len(frames))
    crops = frames.decoded(start, stop, crops_of)
    blocks = (block.cpu().numpy() for block in cube_blocks(crops, start, frame, reach, FLUSH))
    none = np.zeros((0, 2 * reach + 1, size, size, 3), np.uint8)  # a clip may have no objects
    marks = []
    for pixels in chain([none], blocks):
        cube_storage.append(group, pixels, storage)
        marks.append(store.digest(pixels))
    return store.digest(marks, storage)


def kept(box: np.ndarray, frame: np.ndarray, settings: dict) -> np.ndarray:
    """Which boxes pass the filters of the settings and lie outside the ignored polygons, bool."""
    keep = keep_boxes(
        box,
        frame,
        min_side=settings["min_side"],
        max_aspect=settings["max_aspect"],
        nested=settings["nested"],
    )
    return keep & ~polygons.inside(box, polygons.parse(settings["ignore"]))


def select(group: h5py.Group, split: str, settings: dict, seed: int) -> np.ndarray:
    """Rows of a clip's detections that get a cube: filtered, with a full -t..+t window, thinned."""
    frame, box, frames = group["frame"][:], group["box"][:], int(group.attrs["frames"])
    radius = settings["radius"]
    keep = kept(box, frame, settings)
    keep &= (frame >= radius) & (frame < frames - radius)
    rows = np.flatnonzero(keep)
    if split == "train":
        rows = rows[thinned(len(rows), settings["train_stride"], settings["train_max"], seed)]
    return rows


def make_cubes(
    output: Path, *, frames: Path, detections: Path, split: str, settings: dict, code: str
) -> None:
    """Writes `cubes.h5` of one shard from its `frames.h5` and `detections.h5`."""
    radius, size = settings["radius"], settings["size"]
    reach = radius * settings["max_gap"] if split == "train" else radius
    with (
        read_frames(frames) as source,
        read_detections(detections) as found,
        store.Parts(output, "cubes", settings) as parts,
    ):
        check_clips(source, found)
        chosen = {
            clip: select(found[clip], split, settings, store.seed_of(clip)) for clip in source
        }
        cube = (2 * reach + 1) * size * size * 3 // cube_storage.LEAST.get(settings["storage"], 1)
        refuse_if_full(output, sum(map(len, chosen.values())) * cube)
        for clip in progress(list(source), "cubes", "clip"):
            boxes, rows, pictures = found[clip], chosen[clip], Frames(source[clip])
            if len(pictures) < 2 * radius + 1:
                raise InputError(
                    f"{pictures.name}: {len(pictures)} frames are fewer than the {2 * radius + 1}"
                    " of one cube; list it under the data set's `exclude`"
                )
            mark = store.digest(
                settings, code, split, source[clip].attrs["digest"], boxes.attrs["digest"]
            )
            if parts.has(clip, mark):
                continue
            with parts.write(clip, mark) as group:
                frame, box = boxes["frame"][:][rows], boxes["box"][:][rows]
                area = expanded(box, settings["scale"], pictures.width, pictures.height)
                pixels = write_cubes(group, pictures, frame, area, reach, size, settings["storage"])
                group["frame"], group["box"], group["detection"] = frame, box, rows
                group["valid"] = windows(frame, reach, len(pictures))
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
