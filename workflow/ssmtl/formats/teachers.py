"""teachers.h5: what the teachers say of each object of a shard's `cubes.h5`, row by row."""

from contextlib import AbstractContextManager
from pathlib import Path

import h5py

from ssmtl.formats import hdf5
from ssmtl.formats.detections import CLASS_PROBS, check_classes
from ssmtl.formats.hdf5 import Attribute, Column, Layout

TEACHERS = Layout(
    "teachers",
    {
        "class_probs": CLASS_PROBS,
        # The last layer's outputs, for training only.
        "logits": Column("f4", ("objects", "outputs"), optional=True),
    },
    {"cubes": Attribute("str")},  # the digest of the clip's cubes
    about={"split": hdf5.SPLIT, "classes": hdf5.NAMES, "computed": hdf5.COMPUTED},
    relations=check_classes,
)


def read_teachers(path: Path, clips: list[str] | None = None) -> AbstractContextManager[h5py.File]:
    """A checked `teachers.h5`; see `hdf5.read`."""
    return hdf5.read(path, TEACHERS, clips)
