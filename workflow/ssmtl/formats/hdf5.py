"""What an HDF5 file between the stages holds: described once, and checked when it is opened.

A `Layout` names the data sets of every group of a kind of file, with dtype, shape and range, and
its attributes. Opening checks all of it, and the digest of every column but the pictures, in one
pass; pictures carry HDF5's own checksums, which are verified whenever they are read.
"""

import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import h5py
import numpy as np

from ssmtl.core import store
from ssmtl.core.errors import InputError, environment

BLOCK = 1 << 14  # rows that are looked at together
AGAIN = "delete it and run the stage that makes it again"
# The most that a filter of ours can save: a data set that claims more was never written.
DENSEST = 1100


@dataclass(frozen=True)
class Column:
    """A data set with a row per object, frame or picture.

    dtype: NumPy's name of kind and bytes (`f4`), or the kind alone (`i`: any integer, `s`: text).
    shape: a name stands for a length that the columns of a group share; the name of an attribute
    for that attribute. low, high: the range of its values, both included.
    below: the attribute that they do not reach. ascending: no value is less than the one before it.
    pictures: too much to be read at opening, so it has checksums instead of a digest.
    """

    dtype: str
    shape: tuple[str | int, ...]
    low: float = -math.inf
    high: float = math.inf
    below: str = ""
    ascending: bool = False
    optional: bool = False
    pictures: bool = False

    def maybe(self) -> "Column":
        """The same column where a group may lack it."""
        return replace(self, optional=True)


@dataclass(frozen=True)
class Attribute:
    """A value of a group or file: `int`, `float`, `str`, or `json`, text that holds `form`."""

    kind: str
    low: float = -math.inf
    high: float = math.inf
    choices: tuple[str, ...] = ()
    form: type = list
    optional: bool = False


NAMES = Attribute("json")  # a list of names
COMPUTED = Attribute("str", optional=True)  # precision and engine of the network
SPLIT = Attribute("str", choices=("train", "test"))
SIZE = {  # of the clip that a group is about
    "frames": Attribute("int", 1),
    "width": Attribute("int", 1, 1 << 16),
    "height": Attribute("int", 1, 1 << 16),
}


@dataclass(frozen=True)
class Layout:
    """A kind of file. columns, attributes: of every group; about: attributes of the file.

    named: the further columns that the file itself names. relations: what the columns of a group
    have to do with one another; raises ValueError. groups: whether there is a group per clip or
    class, or only one for the whole file.
    """

    kind: str
    columns: dict[str, Column]
    attributes: dict[str, Attribute] = field(default_factory=dict)
    about: dict[str, Attribute] = field(default_factory=dict)
    named: Callable[[h5py.File], dict[str, Column]] = lambda file: {}
    relations: Callable[[h5py.Group], None] = lambda group: None
    groups: bool = True


@contextmanager
def read(path: Path, layout: Layout, clips: list[str] | None = None) -> Iterator[h5py.File]:
    """The file at `path`, checked and open for reading; clips: those to check, all by default.

    Raises InputError for a file that cannot be read, is of another kind or version, or does not
    hold what its layout says.
    """
    with store.read(path, layout.kind) as file:
        wanted = None if clips is None else set(clips)
        try:
            check(file, layout, wanted)
        except MemoryError:
            raise
        except ValueError as error:
            raise InputError(f"{path}: {error}; {AGAIN}") from error
        except Exception as error:  # damaged structure raises nearly anything in the library
            raise InputError(f"{path}: damaged ({reason(error)}); {AGAIN}") from error
        yield file


def reason(error: Exception) -> str:
    """What an error of the HDF5 library says, in one short line."""
    text = str(error).strip("\"'").split("\n")[0]
    return text[:160] or type(error).__name__


def check(file: h5py.File, layout: Layout, clips: set[str] | None = None) -> None:
    """ValueError for the first thing in an open file that is not as its layout says."""
    check_attributes(file, layout.about, "the file")
    columns = layout.columns | layout.named(file)
    if not layout.groups:
        check_group(file, layout, columns, "")
        return
    for name in file:
        group = member(file, name, "clip")
        if not isinstance(group, h5py.Group):
            raise ValueError(f"'{name}' is no group of a clip or class")
        if clips is None or name in clips:
            check_group(group, layout, columns, f"clip {name}: ")


def member(group: h5py.Group, name: str, where: str) -> h5py.Group | h5py.Dataset:
    """What lies under a name, if it lies in this very file.

    A link to elsewhere could lead to any file, or to a pipe that never answers.
    """
    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        raise ValueError(f"{where} '{name}' is a link to elsewhere, which is not followed")
    found = group[name]
    if isinstance(found, h5py.Dataset) and (found.is_virtual or found.external):
        raise ValueError(f"{where} '{name}' has its values in another file, which is not read")
    return found


def check_group(group: h5py.Group, layout: Layout, columns: dict, where: str) -> None:
    """ValueError, with `where`, for a group that is not as its layout says."""
    attributes = layout.attributes | {"digest": Attribute("str")}
    check_attributes(group, attributes, where.rstrip(": ") or "the file")
    if unknown := sorted(set(group) - set(columns)):
        raise ValueError(f"{where}'{unknown[0]}' is none of its data sets")
    lengths: dict[str, int] = {}
    for name, column in columns.items():
        if name not in group:
            if column.optional:
                continue
            raise ValueError(f"{where}the data set '{name}' is missing")
        dataset = member(group, name, f"{where}the data set")
        check_shape(group, dataset, column, f"{where}'{name}'", lengths)
    try:
        layout.relations(group)
    except ValueError as error:
        raise ValueError(f"{where}{error}") from error
    found = contents(group, layout, columns, where)
    if store.attribute(group, "digest") != found:
        raise ValueError(f"{where}its contents do not have their digest, so something changed them")


def check_attributes(place: h5py.Group, attributes: dict[str, Attribute], where: str) -> None:
    for name, attribute in attributes.items():
        if name not in place.attrs:
            if attribute.optional:
                continue
            raise ValueError(f"{where}: the attribute '{name}' is missing")
        value = store.attribute(place, name)
        if not fits(value, attribute):
            shown = repr(value.item() if isinstance(value, np.generic) else value)[:60]
            raise ValueError(f"{where}: the attribute '{name}' is {shown}")


def fits(value, attribute: Attribute) -> bool:
    """Whether an attribute's value is of its kind and within its range."""
    if attribute.kind in ("str", "json"):
        if not isinstance(value, str) or (attribute.choices and value not in attribute.choices):
            return False
        return attribute.kind == "str" or isinstance(json.loads(value), attribute.form)
    integer = attribute.kind == "int"
    kinds = (int, np.integer) if integer else (int, float, np.integer, np.floating)
    if not isinstance(value, kinds) or isinstance(value, bool):
        return False
    return bool(attribute.low <= value <= attribute.high) and math.isfinite(value)


def check_shape(
    group: h5py.Group, dataset, column: Column, where: str, lengths: dict[str, int]
) -> None:
    """ValueError unless a data set has the dtype and the shape of its column, and is all there."""
    if not isinstance(dataset, h5py.Dataset):
        raise ValueError(f"{where} is no data set")
    kind, size = column.dtype[0], column.dtype[1:]
    stated = h5py.check_string_dtype(dataset.dtype)
    text = stated is not None and stated.length is not None  # in a heap without checksums otherwise
    same = dataset.dtype.kind == kind and (not size or dataset.dtype.itemsize == int(size))
    if text != (kind == "s") or not (text or same):
        raise ValueError(f"{where} is of type {dataset.dtype}, not {column.dtype}")
    expected = [length_of(group, side, lengths) for side in column.shape]
    wrong = dataset.shape is None or len(dataset.shape) != len(expected)
    if wrong or any(e not in (None, n) for e, n in zip(expected, dataset.shape, strict=True)):
        sides = zip(column.shape, expected, strict=True)
        shown = ", ".join(str(side if length is None else length) for side, length in sides)
        raise ValueError(f"{where} has the shape {dataset.shape}, not ({shown})")
    for side, length in zip(column.shape, dataset.shape, strict=True):
        if isinstance(side, str):
            lengths[side] = length
    if dataset.nbytes > DENSEST * dataset.id.get_storage_size():
        raise ValueError(f"{where} was never written in full")


def length_of(group: h5py.Group, side: str | int, lengths: dict[str, int]) -> int | None:
    """A length that a column must have; None where it is the first to say so."""
    if isinstance(side, int):
        return side
    return int(group.attrs[side]) if side in group.attrs else lengths.get(side)


def contents(group: h5py.Group, layout: Layout, columns: dict[str, Column], where: str = "") -> str:
    """The digest of a group's columns and attributes; ValueError for a value out of its range.

    Pictures enter by the digest that was made of them while they were written.
    """
    marks: list = [store.attribute(group, "pictures", "")]
    for name in sorted(layout.attributes):
        value = store.attribute(group, name)
        marks.append([name, value.item() if isinstance(value, np.generic) else value])
    for name in sorted(columns):
        if name in group and not columns[name].pictures:
            marks.append([name, column_digest(group, name, columns[name], where)])
    return store.digest(marks)


def column_digest(group: h5py.Group, name: str, column: Column, where: str) -> str:
    """The digest of a column, whose values are checked on the way."""
    dataset, marks, last = group[name], [], -math.inf
    below = group.attrs[column.below] if column.below else math.inf
    for start in range(0, len(dataset), BLOCK):
        if column.dtype == "s":
            marks.append(dataset.asstr()[start : start + BLOCK].tolist())
            continue
        block = dataset[start : start + BLOCK]
        marks.append(store.digest(block))
        if bad := fault(block, column.low, column.high, below):
            raise ValueError(f"{where}'{name}' has {bad}")
        if column.ascending and len(block):
            if block[0] < last or (np.diff(block) < 0).any():
                raise ValueError(f"{where}'{name}' does not ascend")
            last = block[-1]
    return store.digest(marks)


def fault(block: np.ndarray, low: float, high: float, below: float) -> str:
    """What is wrong with the values of a block, "" where nothing is."""
    if not block.size:
        return ""
    least, most = block.min(), block.max()  # of a block with a NaN, both are
    if not (np.isfinite(least) and np.isfinite(most)):
        return "a value that is not finite"
    if least < low:
        return f"the value {least:g}, less than {low:g}"
    if most > high:
        return f"the value {most:g}, more than {high:g}"
    if most >= below:
        return f"the value {most:g}, where all are below {below}"
    return ""


def names(file: h5py.File, attribute: str) -> list[str]:
    """The names that an attribute of a file lists."""
    found = json.loads(store.attribute(file, attribute))
    if not all(isinstance(name, str) for name in found):
        raise ValueError(f"the attribute '{attribute}' is no list of names")
    return found


def complete(group: h5py.Group, layout: Layout, pictures: str = "") -> None:
    """Writes the digest of a group that has all its columns and attributes.

    pictures: the digest of what is too large to be read again.
    """
    if pictures:
        store.set_attributes(group, pictures=pictures)
    columns = layout.columns | layout.named(group.file)
    store.set_attributes(group, digest=contents(group, layout, columns))


def rows(dataset: h5py.Dataset, key) -> np.ndarray:
    """`dataset[key]`, with an InputError where its checksums say that it is damaged."""
    try:
        return dataset[key]
    except OSError as error:
        path = dataset.file.filename
        damage = InputError(
            f"{path}: {dataset.name.strip('/')}: damaged ({reason(error)}); {AGAIN}"
        )
        raise environment(error, path) or damage from error
