"""images.h5: the pictures of a split, of one size, as cubes of one frame; a group per class."""

from contextlib import AbstractContextManager
from pathlib import Path

import h5py

from ssmtl.formats import hdf5
from ssmtl.formats.hdf5 import Attribute, Column, Layout


def relations(group: h5py.Group) -> None:
    """ValueError unless the pictures are as large as the group says."""
    found = group["cubes"].shape[2:4]
    if found != (group.attrs["height"], group.attrs["width"]):
        raise ValueError(f"pictures of {found[1]}x{found[0]}, not of the size that it states")


IMAGES = Layout(
    "images",
    {
        "cubes": Column("u1", ("frames", 1, "height", "width", 3), pictures=True),
        "frame": Column("i", ("frames",), low=0, below="frames", ascending=True),
        "valid": Column("i", ("frames", 2), low=0, high=1),
        "name": Column("s", ("frames",)),
        "subject": Column("s", ("frames",), optional=True),  # the person, where that is known
    },
    hdf5.SIZE | {"frames": Attribute("int", 0)},  # `frames` is the number of pictures
    about={"dataset": Attribute("str")},
)


def read_images(path: Path, classes: list[str] | None = None) -> AbstractContextManager[h5py.File]:
    """A checked `images.h5`; see `hdf5.read`."""
    return hdf5.read(path, IMAGES, classes)
