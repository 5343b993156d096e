"""detections.h5: the objects of every frame of a shard; a group per clip, a row per object."""

from contextlib import AbstractContextManager
from pathlib import Path

import h5py
import numpy as np

from ssmtl.formats import hdf5
from ssmtl.formats.hdf5 import Attribute, Column, Layout

# Of the classes of a group, which are none where boxes were imported without them.
FRAME = Column("i", ("objects",), low=0, below="frames", ascending=True)
BOX = Column("f4", ("objects", 4))  # x1 y1 x2 y2 in pixels of the frame
CLASS_PROBS = Column("f4", ("objects", "classes"), low=0, high=1)


def check_boxes(group: h5py.Group) -> None:
    """ValueError unless every box is within the frame, and holds some of it."""
    box = group["box"][:]
    low, high = box[:, :2], box[:, 2:]
    size = np.array([group.attrs["width"], group.attrs["height"]])
    if not (low < high).all():
        raise ValueError("a box is empty")
    if (box < 0).any() or (high > size).any():
        raise ValueError(f"a box leaves the frame of {size[0]}x{size[1]}")


def relations(group: h5py.Group) -> None:
    check_boxes(group)
    check_classes(group)


def check_classes(group: h5py.Group) -> None:
    """ValueError unless there is a probability for each of the file's classes."""
    found, expected = group["class_probs"].shape[1], len(hdf5.names(group.file, "classes"))
    if found != expected:
        raise ValueError(f"probabilities of {found} classes, where the file names {expected}")


DETECTIONS = Layout(
    "detections",
    {
        "frame": FRAME,
        "box": BOX,
        "confidence": Column("f4", ("objects",), low=0, high=1),
        "class_id": Column("i", ("objects",), low=-1),
        "class_probs": CLASS_PROBS,
    },
    hdf5.SIZE,
    about={
        "split": hdf5.SPLIT,
        "classes": hdf5.NAMES,
        "detector": Attribute("str"),
        "computed": hdf5.COMPUTED,
    },
    relations=relations,
)


def read_detections(
    path: Path, clips: list[str] | None = None
) -> AbstractContextManager[h5py.File]:
    """A checked `detections.h5`; see `hdf5.read`."""
    return hdf5.read(path, DETECTIONS, clips)
