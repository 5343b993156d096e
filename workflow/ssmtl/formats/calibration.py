"""calibration.h5: ascending quantiles of each task's score on normal objects, a data set per task.

A task's attribute `weight` is what it counts in fusion `evidence`, its attribute `count` how many
views its score is a mean over; the attribute `combined` has the
quantiles of the combined score.
"""

from contextlib import AbstractContextManager
from pathlib import Path

import h5py
import numpy as np

from ssmtl.core import store
from ssmtl.formats import hdf5
from ssmtl.formats.hdf5 import Attribute, Column, Layout


def named(file: h5py.File) -> dict[str, Column]:
    return {name: Column("f8", ("quantiles",), low=0, high=1, ascending=True) for name in file}


def relations(file: h5py.File) -> None:
    if not len(file) or not all(len(values) > 1 for values in file.values()):
        raise ValueError("no quantiles of any task")
    if (values := store.attribute(file, "combined")) is not None:
        if not (isinstance(values, np.ndarray) and values.dtype.kind == "f" and values.ndim == 1):
            raise ValueError("the quantiles of the combined score are no numbers")
        if len(values) < 2 or not ((values >= 0) & (values <= 1)).all():
            raise ValueError("the quantiles of the combined score are not in [0, 1]")
        if (np.diff(values) < 0).any():
            raise ValueError("the quantiles of the combined score do not ascend")


CALIBRATION = Layout(
    "calibration",
    {},
    about={
        "objects": Attribute("json", form=dict, optional=True),
        "computed": hdf5.COMPUTED,
    },
    named=named,
    relations=relations,
    groups=False,
)


def read_calibration(path: Path) -> AbstractContextManager[h5py.File]:
    """A checked `calibration.h5`; see `hdf5.read`."""
    return hdf5.read(path, CALIBRATION)
