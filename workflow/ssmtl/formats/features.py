"""features.h5: what is measured of each object of a shard's `cubes.h5`, row by row.

Or of each picture of an `images.h5`: then without the flow.
"""

from contextlib import AbstractContextManager
from pathlib import Path

import h5py

from ssmtl.formats import hdf5
from ssmtl.formats.hdf5 import Attribute, Column, Layout

DIRECTIONS = 8
MOTION = "flow", "step", "height"  # what is known of an object's motion
EMBEDDING = Column("f4", ("objects", "features"))

FEATURES = Layout(
    "features",
    {
        # Optical flow within the box by direction, from right over down, left and up.
        # Of video only.
        "flow": Column("f4", ("objects", DIRECTIONS), low=0, optional=True),
        # Seconds within which it moved so.
        "step": Column("f4", ("objects", 1), low=0, optional=True),
        # The box's height over the picture's width.
        "height": Column("f4", ("objects", 1), low=0, optional=True),
        "embedding": EMBEDDING,
        # Of an anomaly made of it, for calibration only: the crop turned by a quarter, or the
        # picture mixed with another.
        "altered": EMBEDDING.maybe(),
    },
    {"cubes": Attribute("str")},  # the digest of the clip's cubes
    about={"split": hdf5.SPLIT, "computed": hdf5.COMPUTED},
)


def read_features(path: Path, clips: list[str] | None = None) -> AbstractContextManager[h5py.File]:
    """A checked `features.h5`; see `hdf5.read`."""
    return hdf5.read(path, FEATURES, clips)
