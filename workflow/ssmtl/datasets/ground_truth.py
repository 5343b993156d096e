"""Where in the picture the anomalies are: tracks of boxes, and masks of pixels.

docs/data.md describes the formats and where their files lie.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ssmtl.core.errors import InputError, environment
from ssmtl.core.store import digest
from ssmtl.datasets.clips import Clip, files_of
from ssmtl.datasets.labels import AGAIN, MASK_SUFFIXES, loaded, numbers
from ssmtl.formats.matlab import read_mat
from ssmtl.media.codec import decode_mask
from ssmtl.media.images import frame_number, image_files

LARGEST = 1 << 53  # of a track's number


@dataclass(frozen=True)
class Tracks:
    """The anomalous regions of a clip, each of one track in one frame."""

    track: np.ndarray  # int64 (R,), numbers as in the file
    frame: np.ndarray  # int64 (R,), 0-based
    box: np.ndarray  # float64 (R, 4), x1 y1 x2 y2 in pixels

    @classmethod
    def of(cls, regions: Iterable[tuple[float, ...]] = ()) -> "Tracks":
        """From rows of track, frame, x1, y1, x2, y2."""
        table = np.array(list(regions), np.float64).reshape(-1, 6)
        return cls(table[:, 0].astype(np.int64), table[:, 1].astype(np.int64), table[:, 2:])


def truth_digest(clips: Iterable[Clip]) -> str:
    """A hash that changes with the clips' tracks and masks.

    Masks count by name, size and modification time: they are too large to be read on every start.
    """
    clips = list(clips)
    tracks = {Path(clip.tracks) for clip in clips if clip.tracks}
    drawn = {path for path in tracks if are_masks(path)}
    masks = sorted(drawn | {Path(clip.masks) for clip in clips if clip.masks})
    files = sorted(tracks - drawn)
    stats = [(file, file.stat()) for path in masks for file in files_of(path)]
    return digest(
        [[str(path), digest(path.read_bytes())] for path in files],
        [[str(file), stat.st_size, stat.st_mtime_ns] for file, stat in stats],
    )


def are_masks(path: Path) -> bool:
    """Whether a clip's tracks are those of its masks: a folder or an array, no table."""
    return path.is_dir() or path.suffix in (".npy", ".mat")


def tracks_of(masks: Iterable[np.ndarray]) -> Tracks:
    """The tracks in masks of consecutive frames, each bool (H, W), a frame at a time.

    A region is an 8-connected component of a mask, and its box ends behind its last pixel. A track
    is a component in space and time: regions of neighbouring frames that overlap, or touch by a
    corner, are of one track, so that those that merge are one from their start on. Tracks are
    numbered by their first region.
    """
    regions: list[tuple[int, ...]] = []  # frame and box
    parent: list[int] = []
    before, first = None, 0
    for frame, mask in enumerate(masks):
        count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
        start = len(regions)
        for x, y, width, height, _ in stats[1:].tolist():
            parent.append(len(parent))
            regions.append((frame, x, y, x + width, y + height))
        if before is not None and count > 1:
            join(parent, before, first, labels, start)
        before, first = labels, start
    numbers = {root: i for i, root in enumerate(dict.fromkeys(root_of(parent, r) for r in parent))}
    return Tracks.of((numbers[root_of(parent, r)], *regions[r]) for r in range(len(regions)))


def join(parent: list[int], before: np.ndarray, first: int, labels: np.ndarray, start: int) -> None:
    """Joins the regions of two neighbouring frames that overlap or touch, 26-connected.

    before, labels: int (H, W), 0 for none; first, start: the regions that their label 1 means.
    """
    wide = np.pad(before, 1)
    y, x = np.nonzero(labels)
    own = labels[y, x]
    for dy, dx in np.ndindex(3, 3):
        pairs = np.stack((wide[y + dy, x + dx], own), 1)
        for old, new in set(map(tuple, pairs[pairs[:, 0] > 0].tolist())):
            roots = root_of(parent, first + old - 1), root_of(parent, start + new - 1)
            parent[max(roots)] = min(roots)


def root_of(parent: list[int], region: int) -> int:
    while parent[region] != region:
        region = parent[region]
    return region


def read_tracks(path: Path, frames: int, shape: tuple[int, int] | None = None) -> Tracks:
    """The tracks of a clip of `frames` frames; an empty file says that there are none.

    Of masks, which have the shape (height, width), they are the components. Else a line is
    `track,frame,x_min,y_min,x_max,y_max` with 0-based frames, or, in MERL's form,
    `image track x_centre y_centre width height` with images numbered from 1.
    Raises InputError, with the line, for anything else and for frames that the clip lacks.
    """
    path = Path(path)
    if are_masks(path):
        return tracks_of(read_masks(path, frames, shape))
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise environment(error, path) or error from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: these tracks are no text; fetch the file again") from error
    return Tracks.of(
        region(line, frames, f"{path}, line {number}")
        for number, line in enumerate(lines, 1)
        if line.strip()
    )


def region(line: str, frames: int, where: str) -> tuple[float, ...]:
    """Track, frame and box (x1 y1 x2 y2) of one line in either form."""
    separated = "," in line
    fields = line.split(",") if separated else line.split()
    form = "track,frame,x_min,y_min,x_max,y_max" if separated else "image track x y width height"
    try:
        if len(fields) != 6:
            raise ValueError
        values = tuple(map(float, fields)) if separated else from_centre(fields)
        track, frame, x1, y1, x2, y2 = values
        if not (np.isfinite(values).all() and track == int(track) and frame == int(frame)):
            raise ValueError
        if abs(track) > LARGEST:  # others would become one another
            raise ValueError
    except (ValueError, InputError):
        raise InputError(f"{where}: expected {form}, found {line.strip()[:80]!r}") from None
    if not 0 <= frame < frames:
        raise InputError(
            f"{where}: frame {int(frame)} in a clip of {frames} frames (the first is 0); {AGAIN}"
        )
    if x2 < x1 or y2 < y1:
        raise InputError(
            f"{where}: a box with its end before its start, {x1:g} {y1:g} {x2:g} {y2:g}"
        )
    return values


def from_centre(fields: list[str]) -> tuple[float, ...]:
    """Track, frame and box of MERL's form."""
    track, x, y, width, height = map(float, fields[1:])
    frame = frame_number(Path(fields[0])) - 1
    return track, frame, x - width / 2, y - height / 2, x + width / 2, y + height / 2


def read_masks(path: Path, frames: int, shape: tuple[int, int] | None) -> Iterator[np.ndarray]:
    """The masks of a clip in order, one bool (H, W) per frame, True where a pixel is anomalous.

    Knows a folder of lossless images, .npy (T, H, W) and .mat with `volLabel`. Only a .mat file
    is held in memory. Raises InputError unless there are `frames` masks of `shape` (None: any).
    """
    path = Path(path)
    masks: Iterable[np.ndarray]
    if path.is_dir():
        files = image_files(path, MASK_SUFFIXES)
        count, masks = len(files), (decode_mask(f.read_bytes(), str(f)) for f in files)
    elif path.suffix == ".npy":
        stack = loaded(path, np.load, mmap_mode="r", allow_pickle=False)
        if stack.ndim != 3:
            raise InputError(f"{path}: an array of shape {stack.shape}, not (T, H, W); {AGAIN}")
        count, masks = len(stack), stack
    else:
        stack = cells(path)
        count, masks = len(stack), stack
    if count != frames:
        raise InputError(f"{path}: {count} masks for a clip of {frames} frames; {AGAIN}")
    return (checked(mask, shape, f"{path}, mask {i}") for i, mask in enumerate(masks))


def cells(path: Path) -> np.ndarray:
    """The masks of `volLabel` in a Matlab file, a cell per frame."""
    variables = read_mat(path, ["volLabel"])
    if "volLabel" not in variables:
        raise InputError(f"{path}: no 'volLabel' in this file; {AGAIN}")
    return variables["volLabel"].ravel()


def checked(mask: np.ndarray, shape: tuple[int, int] | None, where: str) -> np.ndarray:
    if shape and mask.shape != shape:
        raise InputError(
            f"{where}: expected the shape {shape} of the frames, found {mask.shape}; {AGAIN}"
        )
    return numbers(np.asarray(mask), where) != 0
