"""Frame labels in the forms that data sets are published with, read as intervals."""

import csv
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ssmtl.core.errors import InputError
from ssmtl.core.spreadsheet import plain_cell
from ssmtl.datasets.clips import Clip, clip_number
from ssmtl.formats.labels import Interval, from_array
from ssmtl.formats.matlab import read_mat
from ssmtl.media.codec import decode_mask
from ssmtl.media.images import image_files

# Masks must be lossless: a JPEG's artefacts would make every pixel anomalous.
MASK_SUFFIXES = (".bmp", ".png", ".tif", ".tiff")
BY_FRAME = ("clip", "frame", "anomalous")
BY_INTERVAL = ("clip", "first", "last")
AGAIN = "fetch the clip and its labels again, or exclude the clip"


def frame_labels(clip: Clip, frames: int) -> list[Interval] | None:
    """A clip's labels, read from the file or folder that `clip.labels` names.

    Knows a folder of mask images, .npy, .mat (masks or intervals), .m and .csv; docs/data.md
    describes each. Raises InputError for labels that do not fit a clip of `frames` frames.
    """
    if not clip.labels:
        return None
    path = Path(clip.labels)
    read = from_images if path.is_dir() else READERS[path.suffix.lower()]
    try:
        intervals = read(path, clip.name, frames)
    except FileNotFoundError as error:
        raise InputError(f"{path}: the labels of clip {clip.name} are not there") from error
    return None if intervals is None else checked(sorted(intervals), clip.name, frames, path)


def checked(intervals: list[Interval], clip: str, frames: int, where: Path) -> list[Interval]:
    """The intervals, if each lies within the clip and its kind can be written down."""
    for first, last, kind in intervals:
        if not 0 <= first <= last < frames:
            raise InputError(
                f"{where}: clip {clip} has 0-based frames 0 to {frames - 1}, "
                f"found labels for {first} to {last}; {AGAIN}"
            )
        if re.search(r"[:;]", kind) or not kind.isprintable():
            raise InputError(f"{where}: clip {clip}: kind {kind!r} may not hold ':' or ';'")
    return intervals


def fitting(anomalous: np.ndarray, clip: str, frames: int, where: Path) -> list[Interval]:
    """Intervals of an array with one value per frame, if it is as long as the clip."""
    if len(anomalous) != frames:
        raise InputError(
            f"{where}: clip {clip} has {frames} frames, found labels for {len(anomalous)}; {AGAIN}"
        )
    return from_array(anomalous)


def from_images(path: Path, clip: str, frames: int) -> list[Interval]:
    """A folder with one mask image per frame; any nonzero pixel makes a frame anomalous."""
    files = image_files(path, MASK_SUFFIXES)
    masks = (decode_mask(file.read_bytes(), str(file)) for file in files)
    return fitting(np.array([mask.any() for mask in masks]), clip, frames, path)


def from_npy(path: Path, clip: str, frames: int) -> list[Interval]:
    """An array (T,) with 0 or 1 per frame, or (T, H, W) with a mask per frame."""
    array = numbers(loaded(path, np.load, allow_pickle=False), path)
    if not array.ndim:
        raise InputError(f"{path}: a single value, not one per frame; {AGAIN}")
    if array.ndim == 1 and not np.isin(array, (0, 1)).all():
        raise InputError(f"{path}: clip {clip}: labels other than 0 and 1; {AGAIN}")
    return fitting(np.any(array.reshape(len(array), -1), axis=1), clip, frames, path)


def numbers(array: np.ndarray, path: Path | str) -> np.ndarray:
    """An array of labels or a mask; InputError where it holds anything but finite numbers."""
    if array.dtype.kind not in "biuf":
        raise InputError(f"{path}: values of type {array.dtype}, not numbers; {AGAIN}")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise InputError(f"{path}: a label is no finite number; {AGAIN}")
    return array


def loaded(path: Path, load: Callable, **options):
    """`load(path, **options)`, with an InputError for a file that cannot be read."""
    try:
        return load(path, **options)
    except FileNotFoundError:
        raise
    except Exception as error:  # a damaged file raises nearly anything in the parsers
        reason = str(error).split("\n")[0] or type(error).__name__
        raise InputError(f"{path}: unreadable labels ({reason}); fetch the file again") from error


def from_mat(path: Path, clip: str, frames: int) -> list[Interval]:
    """A Matlab file: `volLabel`, a cell with a mask per frame, or `gt`, a cell per clip."""
    variables = read_mat(path, ["volLabel", "gt"])
    if "volLabel" in variables:
        masks = (numbers(np.asarray(mask), path) for mask in variables["volLabel"].ravel())
        return fitting(np.array([mask.any() for mask in masks]), clip, frames, path)
    if "gt" not in variables:
        raise InputError(f"{path}: neither 'volLabel' nor 'gt' in this file; {AGAIN}")
    cells = variables["gt"]
    cell = cell_of(list(cells.ravel() if cells.dtype == object else cells), clip, path)
    # One interval may be a row or a column; several are the columns of a 2xK array.
    cell = numbers(np.asarray(cell), path)
    if (cell % 1 != 0).any():
        raise InputError(f"{path}: clip {clip}: a frame that is no whole number; {AGAIN}")
    columns = cell.reshape(2, 1) if cell.size == 2 else cell
    if columns.size and (columns.ndim != 2 or len(columns) != 2):
        raise InputError(f"{path}: clip {clip}: expected 2xK intervals, found {cell.shape}")
    return [(int(first) - 1, int(last) - 1, "") for first, last in columns.T] if cell.size else []


def cell_of(cells: list, clip: str, where: Path):
    """The cell of a clip, by the number in the clip's name: the first one is clip 1's."""
    number = clip_number(clip)
    if not 1 <= number <= len(cells):
        raise InputError(f"{where}: no labels for clip {clip}, it has {len(cells)} clips; {AGAIN}")
    return cells[number - 1]


def from_m(path: Path, clip: str, frames: int) -> list[Interval]:
    """Matlab text with one `TestVideoFile{end+1}.gt_frame = [5:90, 140:200];` per clip."""
    text = re.sub(r"%.*", "", path.read_text(errors="replace"))
    cells = re.findall(r"\{\s*end\s*\+\s*1\s*\}\s*\.gt_frame\s*=\s*\[([^]]*)\]", text)
    cell = re.sub(r"\s*:\s*", ":", cell_of(cells, clip, path)).replace(",", " ")
    parts = cell.split()
    found = (re.fullmatch(r"([0-9]{1,9})(?::([0-9]{1,9}))?", part) for part in parts)
    ranges = [match for match in found if match]
    if len(ranges) < len(parts):
        raise InputError(f"{path}: clip {clip}: [{cell}] is no list of ranges such as 5:90")
    return [(int(match[1]) - 1, int(match[2] or match[1]) - 1, "") for match in ranges]


def from_csv(path: Path, clip: str, frames: int) -> list[Interval] | None:
    """A table by frame or by interval; None for a clip that it does not name."""
    rows = [row for row in csv_rows(path) if row["clip"] == clip]
    if not rows:
        return None
    return by_frame(rows, clip, frames, path) if "frame" in rows[0] else by_interval(rows, path)


def csv_clips(path: Path) -> set[str]:
    """The names of the clips that a table of labels names."""
    return {row["clip"] for row in csv_rows(path)}


def csv_rows(path: Path) -> list[dict]:
    """The rows of a table of labels, as text, each with its `line` in the file."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            table = csv.DictReader(file)
            columns = table.fieldnames or []
            rows = [read_row(row) | {"line": str(table.line_num)} for row in table]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: not a CSV file in UTF-8 ({error}); save it as one") from error
    if not columns:
        raise InputError(
            f"{path}: an empty file; its first line must be {','.join(BY_INTERVAL)}[,kind] or "
            f"{','.join(BY_FRAME)}, or remove it where nothing is labelled"
        )
    if not (set(BY_FRAME) <= set(columns) or set(BY_INTERVAL) <= set(columns)):
        raise InputError(
            f"{path}: found the columns {','.join(columns)}; expected {','.join(BY_FRAME)} "
            f"or {','.join(BY_INTERVAL)}[,kind]"
        )
    return rows


def read_row(row: dict) -> dict:
    """A row's texts, also where a table of ours keeps them from being run as formulas."""
    return {name: plain_cell(cell) if isinstance(cell, str) else cell for name, cell in row.items()}


def by_frame(rows: list[dict], clip: str, frames: int, path: Path) -> list[Interval]:
    labels = {integer(row, "frame", path): integer(row, "anomalous", path) for row in rows}
    if len(rows) != frames or sorted(labels) != list(range(frames)):
        raise InputError(
            f"{path}: clip {clip}: expected each of the frames 0 to {frames - 1} once, found "
            f"{len(rows)} rows for the frames {min(labels)} to {max(labels)}; {AGAIN}"
        )
    if not set(labels.values()) <= {0, 1}:
        raise InputError(f"{path}: clip {clip}: 'anomalous' is neither 0 nor 1 everywhere")
    return from_array(np.array([labels[frame] for frame in range(frames)]))


def by_interval(rows: list[dict], path: Path) -> list[Interval]:
    """A clip's intervals; one row without first and last says that the clip is normal."""
    if len(rows) == 1 and not rows[0]["first"] and not rows[0]["last"]:
        return []
    return [
        (
            integer(row, "first", path),
            integer(row, "last", path),
            (row.get("kind") or "").strip(),
        )
        for row in rows
    ]


def integer(row: dict, column: str, path: Path) -> int:
    value = row[column]
    if value is None or not re.fullmatch(r"[0-9]{1,9}", value.strip()):
        raise InputError(
            f"{path}, line {row['line']}: '{column}' must be a whole number, found {value!r}"
        )
    return int(value)


READERS = {".npy": from_npy, ".mat": from_mat, ".m": from_m, ".csv": from_csv}
