"""explained.h5: what a model makes of the strongest objects of a run's events.

A group per clip that has such objects, and a row per object, ascending by `row`.
"""

from contextlib import AbstractContextManager
from pathlib import Path

import h5py

from ssmtl.formats import hdf5
from ssmtl.formats.detections import CLASS_PROBS, check_classes
from ssmtl.formats.hdf5 import Column, Layout

EXPLAINED = Layout(
    "explained",
    {
        "row": Column("i", ("objects",), low=0, ascending=True),  # in the clip's scores
        "cube": Column("u1", ("objects", "length", "side", "side", 3), pictures=True),
        "valid": Column("i", ("objects", 2), low=0),
        "class_probs": CLASS_PROBS,  # the teacher's
        "student": CLASS_PROBS.maybe(),
        # The middle crop that the model predicts.
        "middle_box": Column("u1", ("objects", "side", "side", 3), optional=True, pictures=True),
    },
    about={"classes": hdf5.NAMES},
    relations=check_classes,
)


def read_explained(path: Path, clips: list[str] | None = None) -> AbstractContextManager[h5py.File]:
    """A checked `explained.h5`; see `hdf5.read`."""
    return hdf5.read(path, EXPLAINED, clips)
