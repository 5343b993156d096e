"""Boxes that another program found, from one CSV file for all clips of a split.

Columns: clip, frame (0-based), x1, y1, x2, y2 in pixels, confidence; optionally class (a number)
and one probability column per class, `p0`, `p1`, ... or `p_<name>`, in the order of the classes.
"""

import re
from pathlib import Path

import numpy as np
import pandas as pd

from ssmtl.core.errors import InputError, environment
from ssmtl.core.spreadsheet import plain_cell
from ssmtl.detection.base import Boxes

CORNERS = ["x1", "y1", "x2", "y2"]
REQUIRED = ["clip", "frame", *CORNERS, "confidence"]
NUMBER = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?"
LARGEST = 2**31 - 1


def read_boxes(path: str | Path) -> pd.DataFrame:
    """A checked table of boxes.

    Returns the file's columns: clip str, frame and class int64, the rest float64.
    Raises InputError that names the file and, where one is to blame, the first bad line.
    """
    try:
        table = pd.read_csv(
            path, dtype=str, skipinitialspace=True, keep_default_na=False, encoding="utf-8-sig"
        )
    except OSError as error:
        raise environment(error, path) or error from error
    except (ValueError, IndexError) as error:  # pandas' parser errors are ValueErrors
        reason = str(error).split("\n")[0]
        raise InputError(f"{path}: not readable as a CSV of boxes ({reason})") from error
    if not isinstance(table.index, pd.RangeIndex) or table.isna().any(axis=None):
        raise InputError(f"{path}: a row is longer or shorter than the first one; mend the CSV")
    probabilities = probability_columns(table)
    extra = [name for name in table if name not in [*REQUIRED, "class", *probabilities]]
    missing = [name for name in REQUIRED if name not in table]
    if missing or extra:
        raise InputError(
            f"{path}: missing columns {missing}, unknown columns {extra}; "
            f"needed are {','.join(REQUIRED)}, possible also class and p0,p1,... or p_<name>"
        )
    table["clip"] = table["clip"].map(plain_cell)
    numeric = [name for name in table if name != "clip"]
    for name in numeric:
        good = table[name].str.strip().str.fullmatch(NUMBER)
        table[name] = table[name].where(good).astype(float)
    _check(table, probabilities, path)
    integers = [name for name in ("frame", "class") if name in table]
    return table.astype(dict.fromkeys(integers, "int64"))


def probability_columns(table: pd.DataFrame) -> list[str]:
    """The columns that hold class probabilities, in the order of the classes."""
    numbered = [name for name in table if re.fullmatch(r"p\d+", name)]
    return sorted(numbered, key=lambda name: int(name[1:])) or [
        name for name in table if name.startswith("p_")
    ]


def class_names(table: pd.DataFrame) -> tuple[str, ...]:
    """Names of the probability columns' classes: `p_person` -> person, `p0` -> 0."""
    return tuple(name[1:].removeprefix("_") for name in probability_columns(table))


def boxes_of_clip(
    table: pd.DataFrame, clip: str, n_frames: int, width: int, height: int, confidence: float
) -> tuple[np.ndarray, Boxes]:
    """The boxes of one clip with at least this confidence, clipped to the picture.

    Returns frame int32 (N,), ascending, and the Boxes, in the file's order within a frame; a clip
    that the table does not hold has none. Without probability columns class_probs is (N, 0);
    without a class column class_id is the most probable class, or -1.
    Raises InputError for a frame beyond the clip.
    """
    rows = table[table["clip"] == clip].sort_values("frame", kind="stable")
    if len(rows) and (last := rows["frame"].iloc[-1]) >= n_frames:
        raise InputError(
            f"imported boxes: clip {clip} has a box in frame {last}, but only {n_frames} frames "
            f"(0 to {n_frames - 1}); number frames from 0 and check the clip"
        )
    rows = rows[rows["confidence"] >= confidence]
    box = np.clip(rows[CORNERS].to_numpy(), 0, [width, height] * 2).astype(np.float32)
    inside = (box[:, 2:] > box[:, :2]).all(axis=1)
    rows = rows[inside]
    probs = rows[probability_columns(table)].to_numpy(np.float32)
    boxes = Boxes(
        box=box[inside],
        confidence=rows["confidence"].to_numpy(np.float32),
        class_id=_class_id(rows, probs),
        class_probs=probs,
    )
    return rows["frame"].to_numpy(np.int32), boxes


def _class_id(rows: pd.DataFrame, probs: np.ndarray) -> np.ndarray:
    if "class" in rows:
        return rows["class"].to_numpy(np.int32)
    if probs.shape[1]:
        return probs.argmax(axis=1).astype(np.int32)
    return np.full(len(rows), -1, np.int32)


def _check(table: pd.DataFrame, probabilities: list[str], path: str | Path) -> None:
    def refuse(bad: pd.Series, problem: str) -> None:
        if bad.any():
            line = int(np.flatnonzero(bad)[0]) + 2  # the header is line 1
            raise InputError(f"{path}: line {line}: {problem}")

    refuse(table["clip"] == "", "clip is empty")
    for name in table.columns.drop("clip"):
        refuse(~np.isfinite(table[name]), f"{name} is not a number")
    for name, least in (("frame", 0), ("class", -1)):
        if name in table:
            outside = ~table[name].between(least, LARGEST)
            words = f"{name} is no whole number from {least} to {LARGEST}"
            refuse((table[name] % 1 != 0) | outside, words)
    for name in CORNERS:
        refuse(~table[name].between(-LARGEST, LARGEST), f"{name} is no place in a picture")
    for low, high in (("x1", "x2"), ("y1", "y2")):
        refuse(table[high] <= table[low], f"{high} is not greater than {low}")
    for name in ("confidence", *probabilities):
        refuse(~table[name].between(0, 1), f"{name} is not between 0 and 1")
    if len(table) and (table[CORNERS].abs() <= 1).all(axis=None):
        raise InputError(
            f"{path}: all boxes lie within one pixel, so they seem to be shares of the picture; "
            "multiply x by its width and y by its height"
        )
