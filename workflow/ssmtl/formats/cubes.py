"""cubes.h5: a cube for every detection of a shard; a group per clip, a row per object.

Cubes lie there as they are, compressed without loss, or each as one JPEG image. The image has the
crops of a cube below one another. A JPEG's blocks are 8 x 8, so that no crop touches the next where
their size is a multiple of 8. docs/methods.md has what it costs and saves.
"""

from contextlib import AbstractContextManager
from pathlib import Path

import h5py
import numpy as np

from ssmtl.core import store
from ssmtl.core.threads import ahead
from ssmtl.formats import hdf5
from ssmtl.formats.detections import BOX, FRAME, check_boxes
from ssmtl.formats.encoded import PICTURES, append_bytes, check_offsets
from ssmtl.formats.hdf5 import Attribute, Column, Layout
from ssmtl.media import codec

QUALITY = 95  # of JPEG, of 100; chroma is not subsampled
COMPRESSION = {"raw": None, "lzf": "lzf", "gzip": "gzip"}  # h5py's names
LEAST = {"jpeg": 4}  # how many times smaller than raw a file is at least, where more than 1


def relations(group: h5py.Group) -> None:
    """ValueError unless there is one cube for every object, and what is valid lies within it."""
    check_boxes(group)
    if ("cubes" in group) == ("bytes" in group) or ("bytes" in group) != ("offsets" in group):
        raise ValueError("either 'cubes' or 'bytes' and 'offsets' are expected")
    if "bytes" in group:
        check_offsets(group, len(group["frame"]))
    valid, detection = group["valid"][:], group["detection"]
    if not (valid[:, 0] < valid[:, 1]).all() or (valid[:, 1] > shape_of(group)[0]).any():
        raise ValueError("'valid' is no part of a cube")
    if len(detection) and detection[-1] >= group.attrs["detections"]:
        raise ValueError(f"'detection' has row {detection[-1]} of {group.attrs['detections']}")


def shape_of(group: h5py.Group) -> tuple[int, ...]:
    """The shape (L, S, S, 3) of the cubes of a clip."""
    if "cubes" in group:
        return group["cubes"].shape[1:]
    shape = tuple(int(side) for side in np.ravel(store.attribute(group["bytes"], "shape")))
    if len(shape) != 4 or min(shape) < 1 or shape[1] != shape[2] or shape[3] != 3:
        raise ValueError(f"cubes of the shape {shape}")
    return shape


CUBES = Layout(
    "cubes",
    {
        "cubes": Column(
            "u1", ("objects", "length", "side", "side", 3), optional=True, pictures=True
        ),
        **{name: column.maybe() for name, column in PICTURES.items()},
        "frame": FRAME,
        "box": BOX,
        "valid": Column("i", ("objects", 2), low=0),
        "detection": Column("i", ("objects",), low=0, ascending=True),
        # Of every frame of the clip, in seconds from the first one.
        "time": Column("f8", ("frames",), ascending=True),
    },
    hdf5.SIZE | {"detections": Attribute("int", 0)},
    about={"split": hdf5.SPLIT, "radius": Attribute("int", 0, 1 << 15)},
    relations=relations,
)


def read_cubes(path: Path, clips: list[str] | None = None) -> AbstractContextManager[h5py.File]:
    """A checked `cubes.h5`; see `hdf5.read`."""
    return hdf5.read(path, CUBES, clips)


def append(group: h5py.Group, cubes: np.ndarray, storage: str) -> None:
    """Appends cubes uint8 (N, L, S, S, 3) to those of a clip."""
    if storage in COMPRESSION:
        compression = COMPRESSION[storage]
        store.write_rows(group, "cubes", cubes, compression=compression, fletcher32=True)
        return
    images = list(ahead(encoded, cubes))
    append_bytes(group, images)
    group["bytes"].attrs["shape"] = cubes.shape[1:]
    ends = np.cumsum([0, *map(len, images)], dtype=np.int64)
    if "offsets" not in group:
        store.write_rows(group, "offsets", ends[:1])
    store.write_rows(group, "offsets", group["offsets"][-1] + ends[1:])


def encoded(cube: np.ndarray) -> bytes:
    """The JPEG image of a cube."""
    return codec.encode_jpeg(cube.reshape(-1, *cube.shape[2:]), QUALITY)


def open_cubes(group: h5py.Group) -> "RawCubes | JpegCubes":
    """A clip's cubes, or a class's pictures, to be read by slices: uint8 (N, L, S, S, 3)."""
    return JpegCubes(group) if "bytes" in group else RawCubes(group["cubes"])


class RawCubes:
    """A dataset of cubes whose checksums are verified."""

    def __init__(self, dataset: h5py.Dataset):
        self.dataset, self.shape = dataset, dataset.shape

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, key: int | slice | tuple) -> np.ndarray:
        """As of an array (N, L, S, S, 3); InputError for damaged rows."""
        return hdf5.rows(self.dataset, key)


class JpegCubes:
    """Reads JPEG images by threads as if they were a dataset of cubes."""

    def __init__(self, group: h5py.Group):
        self.bytes, self.offsets = group["bytes"], group["offsets"][:]
        self.shape = (len(self.offsets) - 1, *shape_of(group))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: int | slice | tuple) -> np.ndarray:
        """As of an array (N, L, S, S, 3); InputError for an image that cannot be read."""
        if isinstance(key, tuple):
            return self[key[0]][:, *key[1:]]
        if not isinstance(key, slice):
            return self[key : key + 1][0]
        rows = range(*key.indices(len(self)))
        out = np.empty((len(rows), *self.shape[1:]), np.uint8)
        if not rows:
            return out
        first, ends = self.offsets[min(rows)], self.offsets[max(rows) + 1]
        data = hdf5.rows(self.bytes, slice(first, ends))
        images = (data[self.offsets[r] - first : self.offsets[r + 1] - first] for r in rows)
        for cube, picture in zip(out, ahead(self.decoded, images), strict=True):
            cube.reshape(-1, *cube.shape[2:])[:] = picture
        return out

    def decoded(self, image: np.ndarray) -> np.ndarray:
        where = f"{self.bytes.file.filename}: a cube of {self.bytes.parent.name.strip('/')}"
        return codec.decode_image(image, where)
