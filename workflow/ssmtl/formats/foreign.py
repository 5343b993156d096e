"""Scores of any method, as its files have them: frame scores, boxes, lengths of clips.

Frame scores: a folder with a .npy per clip; one .npy, .npz or .mat with all clips end to end, and
their lengths beside; an .npz with an array per clip; a CSV with clip, frame and score. Boxes: a CSV
with clip, frame, x1, y1, x2, y2 and score. Nothing is ever unpickled.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from ssmtl.core.errors import InputError
from ssmtl.core.spreadsheet import plain_cell
from ssmtl.formats.matlab import read_mat

SCORES = ("clip", "frame", "score")
BOXES = ("clip", "frame", "x1", "y1", "x2", "y2", "score")
LENGTHS = ("clip", "frames")

# Values per clip: by the clip's name, or in order where the clips have no names.
PerClip = dict[str, np.ndarray] | list[np.ndarray]


def read_scores(path: Path, lengths: Mapping[str, int] | list[int] | None = None) -> PerClip:
    """Frame scores, float64 (T,) per clip, from a file or folder of any of the layouts.

    lengths: frames per clip, where all clips lie end to end in one array. Raises InputError for
    anything that is not numbers of that shape.
    """
    if path.is_dir():
        return {file.stem: vector(array_in(file), file) for file in files_in(path)}
    if path.suffix.lower() == ".csv":
        return by_clip(read_table(path, SCORES), path)
    return split_arrays(read_arrays(path), "scores", lengths, path)


def read_boxes(path: Path) -> pd.DataFrame:
    """Boxes with scores: clip str, frame int64, x1, y1, x2, y2 (pixels) and score float64."""
    table = read_table(path, BOXES)
    bad = (table["x2"] < table["x1"]) | (table["y2"] < table["y1"])
    if bad.any():
        raise InputError(f"{path}, line {bad.idxmax() + 2}: a box with its end before its start")
    return table


def read_lengths(path: Path) -> dict[str, int] | list[int]:
    """Frames per clip: from a CSV with clip and frames, such as a manifest, whose test clips
    count; or in order from a .npy or a text file."""
    if path.suffix.lower() == ".csv":
        table = read_text(path, LENGTHS)
        if "split" in table:
            table = table[table["split"] == "test"]
        frames = numbers(table["frames"], path, integer=True)
        return unique(dict(zip(table["clip"], frames.tolist(), strict=True)), table, path)
    if path.suffix.lower() == ".npy":
        return checked_lengths(vector(array_in(path), path), path)
    words = read_or_refuse(path, lambda: path.read_text()).replace(",", " ").split()
    return checked_lengths(numbers(pd.Series(words, dtype=str), path).to_numpy(), path)


def unique(found: dict, table: pd.DataFrame, path: Path) -> dict:
    if len(found) != len(table):
        twice = table["clip"][table["clip"].duplicated()].iloc[0]
        raise InputError(f"{path}: clip {twice} is in it twice")
    return found


def checked_lengths(values: np.ndarray, where: object) -> list[int]:
    if not (len(values) and (values == values.astype(int)).all() and (values > 0).all()):
        raise InputError(f"{where}: lengths must be whole numbers of frames above 0, one per clip")
    return values.astype(int).tolist()


# ---------------------------------------------------------------- arrays


def files_in(folder: Path) -> list[Path]:
    """The .npy files of a folder, in the order of the numbers in their names."""
    files = {file.stem: file for file in folder.glob("*.npy") if file.name[0] != "."}
    if not files:
        raise InputError(f"{folder}: no .npy file here; expected one array of scores per clip")
    return [files[name] for name in ordered(files)]


def array_in(path: Path) -> np.ndarray:
    """The array of a .npy file; InputError where it is damaged or pickled."""
    return read_or_refuse(path, lambda: np.load(path, allow_pickle=False))


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a .npy (under ""), .npz or .mat file by their names."""
    suffix = path.suffix.lower()
    if suffix == ".npy":
        return {"": array_in(path)}
    if suffix == ".npz":

        def unpacked() -> dict[str, np.ndarray]:
            with np.load(path, allow_pickle=False) as file:
                return {name: file[name] for name in file.files}

        return read_or_refuse(path, unpacked)
    if suffix == ".mat":
        return read_or_refuse(path, lambda: read_mat(path))
    raise InputError(f"{path}: not a .npy, .npz, .mat or .csv file, nor a folder of .npy files")


def read_or_refuse(path: Path, load: Callable):
    """What `load` returns; InputError with one line for a file that it cannot read."""
    try:
        return load()
    except InputError:
        raise
    except Exception as error:  # a damaged file raises nearly anything in the parsers
        reason = str(error).split("\n")[0] or type(error).__name__
        if "allow_pickle" in reason or "Object arrays" in reason:
            raise InputError(
                f"{path}: holds pickled objects, which are not read; save numbers instead, an .npz "
                "with one array per clip: numpy.savez(path, **{clip: scores})"
            ) from error
        if isinstance(error, FileNotFoundError):
            raise InputError(f"{path}: no such file") from error
        raise InputError(f"{path}: unreadable ({reason}); save it again") from error


def split_arrays(
    arrays: dict[str, np.ndarray],
    name: str,
    lengths: Mapping[str, int] | list[int] | None,
    path: Path,
) -> PerClip:
    """Values per clip from a file's arrays.

    With lengths, given or in the file as `lengths` (and names as `clips`), the array `name`, or
    the only one, holds all clips end to end; without, there is an array per clip.
    """
    arrays = dict(arrays)
    own, clips = arrays.pop("lengths", None), arrays.pop("clips", None)
    if own is None and lengths is None:
        if {"", name} & set(arrays):
            raise InputError(
                f"{path}: all clips in one array; give the frames of every clip, --lengths "
                "180,200 or a file"
            )
        return {clip: vector(arrays[clip], f"{path}, {clip}") for clip in ordered(arrays)}
    joined = arrays.get(name, next(iter(arrays.values())) if len(arrays) == 1 else None)
    if joined is None:
        raise InputError(f"{path}: no array '{name}'; found {', '.join(arrays) or 'none'}")
    if lengths is None and own is not None:
        lengths = checked_lengths(vector(own, path), f"{path}, lengths")
        if clips is not None:
            lengths = dict(zip(clip_names(clips, len(lengths), path), lengths, strict=True))
    return end_to_end(vector(joined, path), lengths or [], path)


def ordered(names: Iterable[str]) -> list[str]:
    """Names in the order of the numbers in them: 2 before 10."""
    parts = {name: re.split(r"(\d+)", name) for name in names}
    return sorted(parts, key=lambda name: [int(p) if p.isdigit() else p for p in parts[name]])


def clip_names(clips: np.ndarray, count: int, path: Path) -> list[str]:
    names = [str(name).strip() for name in np.ravel(clips)]
    if len(names) != count or len(set(names)) != count:
        raise InputError(f"{path}: 'clips' must hold {count} different names, one per length")
    return names


def end_to_end(
    values: np.ndarray, lengths: Mapping[str, int] | list[int], where: object
) -> PerClip:
    """Cuts an array (all frames,) into clips."""
    counts = list(lengths.values() if isinstance(lengths, Mapping) else lengths)
    if sum(counts) != len(values):
        raise InputError(
            f"{where}: {len(values)} values for {len(counts)} clips of {sum(counts)} frames in all"
        )
    parts = np.split(values, np.cumsum(counts)[:-1])
    return dict(zip(lengths, parts, strict=True)) if isinstance(lengths, Mapping) else parts


def vector(values: np.ndarray, where: object) -> np.ndarray:
    """An array of one axis longer than 1 as finite float64 (T,)."""
    values = np.asarray(values)
    if (
        values.dtype.kind not in "biuf"
        or values.size == 0
        or max(values.shape, default=1) != values.size
    ):
        raise InputError(
            f"{where}: expected one number per frame, found {values.dtype} of shape {values.shape}"
        )
    values = values.ravel().astype(np.float64)
    if not np.isfinite(values).all():
        first = int(np.flatnonzero(~np.isfinite(values))[0])
        raise InputError(f"{where}: frame {first} is {values[first]}; every frame needs a number")
    return values


# ---------------------------------------------------------------- tables


def read_text(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    """A CSV as text, with all of the columns at least."""
    table = read_or_refuse(
        path, lambda: pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    )
    table = table.map(plain_cell)  # it may be a table of ours
    if missing := [name for name in columns if name not in table]:
        raise InputError(
            f"{path}: no column '{missing[0]}'; found {','.join(table.columns)}, expected "
            f"{','.join(columns)}"[:300]
        )
    return table


def read_table(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    """The columns of a CSV: clip str, frame int64, all others float64."""
    table = read_text(path, columns)
    return pd.DataFrame(
        {
            name: table[name]
            if name == "clip"
            else numbers(table[name], path, integer=name == "frame")
            for name in columns
        }
    )


def numbers(column: pd.Series, path: Path, integer: bool = False) -> pd.Series:
    """A text column as finite float64, or int64 of 0 and more; InputError names the line."""
    found = pd.to_numeric(column, errors="coerce")
    good = np.isfinite(found) & (
        (found % 1 == 0) & (found >= 0) & (found < 2**53) if integer else True
    )
    if not good.all():
        row = int(np.flatnonzero(~good)[0])
        kind = "a whole number of 0 or more" if integer else "a number"
        name = f"'{column.name}'" if column.name else "a length"
        raise InputError(
            f"{path}, line {row + 2}: {name} must be {kind}, found {column.iloc[row]!r}"
        )
    return found.astype(np.int64 if integer else np.float64)


def by_clip(table: pd.DataFrame, path: object) -> dict[str, np.ndarray]:
    """Scores per clip of a table with every frame of every clip once."""
    found = {}
    for clip, rows in table.groupby("clip", sort=False):
        rows = rows.sort_values("frame")
        if (rows["frame"].to_numpy() != np.arange(len(rows))).any():
            raise InputError(
                f"{path}: clip {clip}: expected each of the frames 0 to {len(rows) - 1} once, "
                f"found {rows['frame'].min()} to {rows['frame'].max()}"
            )
        found[clip] = rows["score"].to_numpy()
    if not found:
        raise InputError(f"{path}: no scores in this file")
    return {clip: found[clip] for clip in ordered(found)}
