"""Arrays and cell arrays of Matlab files: of versions 5 to 7, and of 7.3, which is HDF5, by h5py.

The older form is read here: every length is checked before it is used, where SciPy's reader, in C,
crashes on damaged files. What is known of the form stands in "MAT-File Format", MathWorks.
"""

import math
import zlib
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

from ssmtl.core import store
from ssmtl.core.errors import InputError, environment
from ssmtl.formats import hdf5

HEADER = 128
ORDERS = {b"IM": "<", b"MI": ">"}
MATRIX, COMPRESSED = 14, 15
# Numbers: as they are stored, by the type of an element; as they are meant, by a matrix's class.
STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8"}
STORED |= {12: "i8", 13: "u8"}
MEANT = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4"}
MEANT |= {14: "i8", 15: "u8"}
CELL, COMPLEX = 1, 0x800
DEEPEST = 8  # cells in cells
LARGEST = 1 << 32  # bytes of a variable that was compressed


def read_mat(path: Path, names: list[str] | None = None) -> dict[str, np.ndarray]:
    """Those of some variables that a file has, or all, as Matlab shapes them.

    A cell array is of objects; variables that are neither numbers nor cells are left out, unless
    they are asked for. Raises InputError for a file that cannot be read; nothing that lies
    elsewhere is followed.
    """
    try:
        with open(path, "rb") as file:
            begun = file.read(HEADER)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise environment(error, path) or error from error
    try:
        if h5py.is_hdf5(path):
            return from_hdf5(path, names)
        order = ORDERS.get(begun[126:128])
        if order is None:
            raise ValueError("no Matlab file of version 5 or later")
        data = memoryview(Path(path).read_bytes())[HEADER:]
        return dict(variables(data, order, names))
    except MemoryError:
        raise
    except Exception as error:  # damaged structure raises nearly anything
        raise InputError(
            f"{path}: unreadable ({hdf5.reason(error)}); fetch the file again"
        ) from error


# ---------------------------------------------------------------- versions 5 to 7


def variables(
    data: memoryview, order: str, names: list[str] | None
) -> Iterator[tuple[str, np.ndarray]]:
    """The variables of a file, by name."""
    for kind, value in elements(data, order):
        if kind == COMPRESSED:
            ((kind, value),) = elements(unpacked(value), order)
        if kind != MATRIX:
            raise ValueError(f"an element of type {kind} where a variable is expected")
        name = bytes(parts_of(value, order)[2][1]).decode("latin-1")
        if names is None or name in names:
            found = matrix(value, order, strict=names is not None)
            if found is not None:
                yield name, found


def elements(data: memoryview, order: str) -> Iterator[tuple[int, memoryview]]:
    """The elements that lie one after another: their types and their bytes."""
    at = 0
    while at < len(data):
        if len(data) - at < 8:
            raise ValueError("it ends within an element")
        kind, size = (int(word) for word in np.frombuffer(data[at : at + 8], f"{order}u4"))
        if kind >> 16:  # a short one, whose bytes are within the tag
            kind, size, start, end = kind & 0xFFFF, kind >> 16, at + 4, at + 8
        else:
            start, end = at + 8, at + 8 + size
            end += 0 if kind == COMPRESSED else -size % 8
        if start + size > min(end, len(data)):
            raise ValueError("it ends within an element")
        yield kind, data[start : start + size]
        at = end


def unpacked(value: memoryview) -> memoryview:
    stream = zlib.decompressobj()
    data = stream.decompress(value, LARGEST)
    if not stream.eof:
        raise ValueError("a compressed variable is cut short, or far too large")
    return memoryview(data)


def parts_of(value: memoryview, order: str) -> list[tuple[int, memoryview]]:
    """The elements within a matrix: flags, shape, name, and what it holds."""
    parts = list(elements(value, order))
    if len(parts) < 3:
        raise ValueError("a matrix without flags, shape or name")
    return parts


def matrix(value: memoryview, order: str, strict: bool = True, depth: int = 0) -> np.ndarray | None:
    """What a matrix holds; of other than numbers and cells None, or ValueError where strict."""
    if not len(value):  # an empty cell
        return np.zeros((0, 0))
    flags, shape, _, *content = parts_of(value, order)
    flag = int(numbers(*flags, order)[0])
    sides = [int(side) for side in numbers(*shape, order)]
    if len(sides) < 2 or min(sides) < 0:
        raise ValueError(f"a matrix of the shape {sides}")
    count, kind = math.prod(sides), flag & 0xFF
    if kind == CELL:
        if len(content) != count or {k for k, _ in content} - {MATRIX} or depth == DEEPEST:
            raise ValueError(f"a cell array of {sides} with {len(content)} cells")
        cells = np.empty(count, object)
        for i, (_, inner) in enumerate(content):
            cells[i] = matrix(inner, order, strict, depth + 1)
        return cells.reshape(sides, order="F")
    if kind not in MEANT or flag & COMPLEX:
        if strict:
            raise ValueError("a structure, text or complex numbers where numbers are expected")
        return None
    values = numbers(*content[0], order) if content else np.zeros(0)
    if len(content) > 1 or len(values) != count:
        raise ValueError(f"a matrix of {sides} with {len(values)} numbers")
    return values.astype(MEANT[kind]).reshape(sides, order="F")


def numbers(kind: int, value: memoryview, order: str) -> np.ndarray:
    if kind not in STORED:
        raise ValueError(f"an element of type {kind} where numbers are expected")
    return np.frombuffer(value, order + STORED[kind])


# ---------------------------------------------------------------- version 7.3


def from_hdf5(path: Path, names: list[str] | None) -> dict[str, np.ndarray]:
    """The variables in a file of version 7.3."""
    with h5py.File(path, "r") as file:
        wanted = [n for n in file if not n.startswith("#")] if names is None else names
        return {
            n: value_of(file, hdf5.member(file, n, "the variable")) for n in wanted if n in file
        }


def value_of(file: h5py.File, dataset: h5py.Dataset, depth: int = 0) -> np.ndarray:
    """A variable, whose axes HDF5 has in the other order, or the content of a cell array."""
    if not isinstance(dataset, h5py.Dataset) or depth > DEEPEST:
        raise ValueError("a structure or sparse matrix where an array is expected")
    if dataset.is_virtual or dataset.external:
        raise ValueError("values in another file, which is not read")
    if dataset.nbytes > hdf5.DENSEST * dataset.id.get_storage_size():
        raise ValueError("an array that was never written in full")
    if store.attribute(dataset, "MATLAB_empty", 0):
        return np.zeros(tuple(int(side) for side in np.ravel(dataset[()])))
    are_cells = h5py.check_ref_dtype(dataset.dtype) is not None
    if not are_cells and dataset.dtype.kind not in "biuf":
        raise ValueError("neither numbers nor cells")
    values = dataset[()].T
    if not are_cells:
        return values
    cells = np.empty(values.shape, object)
    for place, reference in np.ndenumerate(values):
        cells[place] = value_of(file, file[reference], depth + 1)
    return cells
