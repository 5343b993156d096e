"""Stage `features`: what is measured of each object for the tasks that need no training.

`flow`: how the object's pixels move from its frame to the next, by dense optical flow within its
box. `step`: the seconds between the two. `height`: of the box, in widths of the picture.
`embedding`: what a frozen network makes of its crop. `altered`, of the training split: what it
makes of that crop turned by a quarter, an anomaly made of a normal object, by which calibration
weighs the task. Rows are those of `cubes.h5`.

Stage `image_features`: the embedding of pictures, and in training `altered`, of the mean of a
picture and another one of its class. The network sees pictures at a size of its own, larger than
what is learnt from.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import h5py
import numpy as np
import torch

from ssmtl import networks
from ssmtl.core import store
from ssmtl.core.device import chosen_device, memory_errors
from ssmtl.core.errors import InputError
from ssmtl.core.progress import progress
from ssmtl.core.threads import ahead
from ssmtl.formats import hdf5
from ssmtl.formats.cubes import open_cubes, read_cubes
from ssmtl.formats.features import DIRECTIONS, FEATURES, MOTION
from ssmtl.formats.frames import Frames, read_frames
from ssmtl.formats.images import read_images
from ssmtl.media import blocks, motion
from ssmtl.media.blocks import Window, mixed
from ssmtl.stages.settings import Features

BLOCK = 1024  # objects that are measured together
NAMES = {"train": (*MOTION, "embedding", "altered"), "test": (*MOTION, "embedding")}


def seen_features(
    names: Sequence[str],
    network: networks.Network | None,
    window: Window,
    frame: np.ndarray,
    box: np.ndarray,
    step: np.ndarray,
    settings: Features,
) -> dict[str, np.ndarray]:
    """What is measured of objects, by name, float32 (N, D).

    names: the rows; network: of the embedding; window: has the pictures of the objects' frames and
    of those behind them, since motion is that from a frame to the next; frame int (N,) ascending;
    box float32 (N, 4) in pixels; step float32 (N, 1), seconds to the frames behind.
    """
    found = {}
    if "flow" in names:
        found["flow"] = window_flow(window, frame, box, settings.flow_size)
    if "step" in names:
        found["step"] = step
    if "height" in names:
        found["height"] = heights(window, frame, box)
    if "embedding" in names:
        size, batch = settings.size, settings.batch
        crops = window.cubes(frame, box, 0, size)[:, 0]
        found["embedding"] = embedded(network, crops, size, batch)
        if "altered" in names:
            found["altered"] = embedded(network, crops.rot90(1, (1, 2)), size, batch)
    return found


def embedded(network, crops: torch.Tensor, size: int, batch: int) -> np.ndarray:
    """The network's features of crops uint8 (N, S, S, 3), float32 (N, D)."""
    parts = [network.features(part, size).cpu().numpy() for part in crops.split(batch)]
    return np.concatenate(parts) if len(crops) else np.zeros((0, 1), np.float32)


def window_flow(window: Window, frame: np.ndarray, box: np.ndarray, size: int) -> np.ndarray:
    """`flow` of objects whose frames, and those behind them, are in the window: (N, 8)."""
    numbers, first = np.unique(frame, return_index=True)
    bounds = [*first, len(frame)]

    def rows(place: int) -> np.ndarray:
        pair = window.pictures(numbers[place] + np.arange(2)).cpu().numpy()
        own = slice(bounds[place], bounds[place + 1])
        here, behind = (reduced(picture, size) for picture in pair)
        return flow_rows(here, behind, box[own], pair.shape[2])

    parts = list(ahead(rows, range(len(numbers))))
    return np.concatenate(parts) if parts else np.zeros((0, DIRECTIONS), np.float32)


def heights(window: Window, frame: np.ndarray, box: np.ndarray) -> np.ndarray:
    """`height` of objects whose frames are in the window: (N, 1)."""
    width = window.pictures(frame[:1]).shape[2] if len(frame) else 1
    return (box[:, 3:] - box[:, 1:2]).astype(np.float32) / width


def load_network(names: Sequence[str], settings: Features, device) -> networks.Network | None:
    """The network that embeds crops, where an embedding is asked for."""
    return embedder(settings, device) if "embedding" in names else None


def embedder(settings: Features, device) -> networks.Network:
    network = networks.load(settings.network, settings.seed, "features.network")
    network.how = {"precision": settings.precision, "engine": settings.engine}
    return network.to(device)


def reduced(picture: np.ndarray, size: int) -> np.ndarray:
    """A picture uint8 (H, W, 3) in grey, its longer side at most `size`: uint8 (h, w)."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    factor = size / max(grey.shape)
    if factor >= 1:
        return grey
    return cv2.resize(grey, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)


def flow_rows(first: np.ndarray, second: np.ndarray, box: np.ndarray, width: int) -> np.ndarray:
    """How the boxes (N, 4) of the first of two reduced pictures move to the second, (N, 8).

    width: of the picture that the boxes are of. Per direction, of eight from right over down, left
    and up, the mean over the box of the lengths of the flow's vectors that point there, in heights
    of the box a frame; float32. The flow is dense inverse search (Kroeger et al., ECCV 2016), in
    OpenCV's medium preset.
    """
    if not len(box):
        return np.zeros((0, DIRECTIONS), np.float32)
    # A searcher of its own for every pair: it is not safe to share, and cheap to make.
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    # The stubs do not know that no flow need be given to begin with.
    flow = search.calc(first, second, None)  # type: ignore[call-overload]
    across, down = cv2.split(flow)
    length, angle = cv2.cartToPolar(across, down)
    direction = np.rint(angle * (DIRECTIONS / (2 * np.pi))).astype(int) % DIRECTIONS
    place = box * (length.shape[1] / width)
    limit = np.array(length.shape[::-1])
    low = np.rint(place[:, :2]).astype(int).clip(0, limit - 1)
    high = np.maximum(np.rint(place[:, 2:]).astype(int).clip(0, limit), low + 1)
    rows = np.empty((len(box), DIRECTIONS), np.float32)
    for row, (x1, y1), (x2, y2) in zip(rows, low, high, strict=True):
        inside, ways = length[y1:y2, x1:x2], direction[y1:y2, x1:x2]
        row[:] = np.bincount(ways.ravel(), inside.ravel(), DIRECTIONS) / inside.size
    return rows / np.maximum(place[:, 3] - place[:, 1], 1)[:, None].astype(np.float32)


def write_features(
    output: Path, *, frames: Path, cubes: Path, split: str, settings: Features, code: str
) -> None:
    """Writes `features.h5` of one shard, its rows those of `cubes.h5`."""
    device = chosen_device()
    names = NAMES[split]
    network = embedder(settings, device)
    with (
        read_frames(frames) as source,
        read_cubes(cubes) as crops,
        store.Parts(output, "features", settings) as parts,
    ):

        def rows_of(clip: str) -> dict[str, np.ndarray]:
            group = crops[clip]
            objects = names, network, group["frame"][:], group["box"][:]
            return clip_features(Frames(source[clip]), *objects, settings, device)

        known = settings, code, split, store.file_digest(settings.network)
        write_all(parts, crops, known, rows_of, network)
        parts.merge(split=split)


def write_all(
    parts: store.Parts,
    source: h5py.File,
    known: tuple,
    rows_of: Callable[[str], dict[str, np.ndarray]],
    network: networks.Network,
) -> None:
    """Writes the rows of every clip, or class of pictures, in the file `source`.

    known: what they are made from beside its contents; rows_of: takes a name, gives rows by name,
    by the network.
    """
    for name in progress(list(source), "features", "clip"):
        contents = store.attribute(source[name], "digest")
        mark = store.digest(*known, contents)
        if parts.has(name, mark):
            continue
        with (
            parts.write(name, mark) as out,
            memory_errors("features", "lower features.batch, or free the GPU"),
        ):
            found = rows_of(name)
            for key, values in found.items():
                out[key] = values
            store.set_attributes(out, cubes=contents)
            if len(found["embedding"]):
                store.set_attributes(out, computed=network.computed)
            hdf5.complete(out, FEATURES)


def write_image_features(
    output: Path, *, images: Path, seen: Path, split: str, settings: Features, code: str
) -> None:
    """Writes `features.h5` of a split's pictures.

    images: `images.h5`, whose rows these are; seen: the same pictures at the size that the network
    sees them in. InputError where the two hold other pictures.
    """
    device = chosen_device()
    network = embedder(settings, device)
    with (
        read_images(images) as rows,
        read_images(seen) as wide,
        store.Parts(output, "features", settings) as parts,
    ):

        def rows_of(label: str) -> dict[str, np.ndarray]:
            check_same_pictures(rows[label], wide, label)
            return picture_features(network, open_cubes(wide[label]), split, settings)

        known = settings, code, split, store.file_digest(settings.network)
        write_all(parts, rows, known, rows_of, network)
        parts.merge(split=split)


def check_same_pictures(group: h5py.Group, wide: h5py.File, label: str) -> None:
    """InputError unless the file has the class's pictures in the same order."""
    if label not in wide or not np.array_equal(group["name"][:], wide[label]["name"][:]):
        raise InputError(
            f"{wide.filename}: other pictures of {label} than {group.file.filename} has; delete "
            "both and make them again"
        )


def picture_features(network, pictures, split: str, settings: Features) -> dict[str, np.ndarray]:
    """The rows of a class's pictures, uint8 (N, 1, S, S, 3), by name, float32 (N, D)."""
    size, batch = settings.size, settings.batch
    names = ("embedding", "altered") if split == "train" else ("embedding",)
    found: dict[str, list[np.ndarray]] = {name: [] for name in names}
    for start in range(0, len(pictures), BLOCK):
        block = torch.from_numpy(pictures[start : start + BLOCK][:, 0]).to(network.mean.device)
        found["embedding"].append(embedded(network, block, size, batch))
        if "altered" in names:
            found["altered"].append(embedded(network, mixed(block), size, batch))
    empty = [np.zeros((0, 1), np.float32)]
    return {name: np.concatenate(parts or empty) for name, parts in found.items()}


def clip_features(frames: Frames, names, network, frame, box, settings: Features, device) -> dict:
    """All rows of a clip's objects by name, float32 (N, D), in one pass over its frames."""
    place = blocks.span(frame, 1, len(frames))
    parts = blocks.ready(frames.decoded(*place), frame, 1, place, device, BLOCK)
    step = motion.steps(frames.time, frame)

    def seen(rows: slice, window: Window) -> dict[str, np.ndarray]:
        return seen_features(names, network, window, frame[rows], box[rows], step[rows], settings)

    found = [seen(part.rows, part.window) for part in parts] or [seen(slice(0), Window(device))]
    return {name: np.concatenate([part[name] for part in found]) for name in names}
