"""Arrays in a file of NumPy, such as Keras' `mnist.npz`: pictures and labels of both splits.

Pictures are called x_train or train_images and the like, labels y_train or train_labels; those of
the test split likewise. Pictures are (N, H, W), (N, H, W, 1 or 3), (N, 1 or 3, H, W), or (N, D)
for grey squares in one line, of whole numbers in 0..255 or of fractions in 0..1.
"""

import math
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ssmtl.core.errors import InputError
from ssmtl.datasets.images import Picture, check_class, listing_digest

__all__ = ["classes", "listing", "pictures"]

PICTURES = ("x_{}", "{}_x", "{}_images", "images_{}", "{}_data", "data_{}")
LABELS = ("y_{}", "{}_y", "{}_labels", "labels_{}", "{}_targets", "targets_{}")
UNREADABLE = (OSError, ValueError, EOFError, zipfile.BadZipFile, KeyError)


def classes(path: Path, split: str) -> list[str]:
    """The labels of a split as text, sorted."""
    return sorted(set(labels(path, split)))


def pictures(path: Path, split: str) -> Iterator[Picture]:
    """The pictures of a split, uint8 (H, W, 3), in the file's order within a class."""
    given = array(path, split, PICTURES)
    found = np.array(labels(path, split))
    if len(given) != len(found):
        raise InputError(f"{path}: {len(given)} pictures and {len(found)} labels of {split}")
    shaped = in_rgb_order(path, given)
    for label in np.unique(found):
        for row in np.flatnonzero(found == label):
            yield Picture(str(label), f"{split} {row}", levels(path, shaped[row]))


def listing(path: Path, split: str) -> str:
    """A hash of the file's name, size and modification time."""
    return listing_digest([Path(path)])


def labels(path: Path, split: str) -> list[str]:
    """The label of every picture; InputError for one that cannot name a class."""
    values = array(path, split, LABELS)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1 or values.dtype.kind not in "uibU":
        raise InputError(
            f"{path}: labels of {split} of the shape {values.shape} and type {values.dtype}; one "
            "whole number or name for each picture is expected"
        )
    found = [str(value) for value in values.tolist()]
    for name in set(found):
        check_class(name, path)
    return found


def array(path: Path, split: str, patterns: tuple[str, ...]) -> np.ndarray:
    """The array of a split under one of these names; InputError where there is none."""
    wanted = [pattern.format(split) for pattern in patterns]
    try:
        with np.load(path, allow_pickle=False) as file:
            there = {name.lower(): name for name in file.files}
            if name := next((there[name] for name in wanted if name in there), None):
                return file[name]
    except UNREADABLE as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{path}: no readable .npz file ({reason}); fetch it again") from error
    raise InputError(
        f"{path}: has none of {', '.join(wanted)}; there are {', '.join(there.values()) or 'none'}"
    )


def in_rgb_order(path: Path, given: np.ndarray) -> np.ndarray:
    """Pictures with their channels last, (N, H, W, 1 or 3)."""
    shape = given.shape
    side = math.isqrt(shape[1]) if len(shape) == 2 else 0
    if side and side * side == shape[1]:
        return given.reshape(-1, side, side, 1)
    if len(shape) == 3:
        return given[..., None]
    if len(shape) == 4 and shape[3] in (1, 3):
        return given
    if len(shape) == 4 and shape[1] in (1, 3):
        return given.transpose(0, 2, 3, 1)
    raise InputError(
        f"{path}: pictures of the shape {shape}; expected is (N, H, W) or (N, H, W, 3)"
    )


def levels(path: Path, picture: np.ndarray) -> np.ndarray:
    """A picture (H, W, 1 or 3) as uint8 (H, W, 3); InputError for values beyond their range."""
    fractions = picture.dtype.kind == "f"
    if (
        picture.dtype.kind not in "uif"
        or not ((picture >= 0) & (picture <= (1 if fractions else 255))).all()
    ):
        raise InputError(
            f"{path}: pictures of {picture.dtype} with values from {picture.min()} to "
            f"{picture.max()}; whole numbers in 0..255 or fractions in 0..1 are expected"
        )
    levels = np.rint(picture * 255) if fractions else picture
    return np.broadcast_to(levels.astype(np.uint8), (*picture.shape[:2], 3))
