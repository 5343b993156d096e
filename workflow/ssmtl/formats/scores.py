"""scores/{shard}.h5: the anomaly scores of every object of a shard, or of every picture.

A group per clip or class, rows as in the file of cubes or pictures. The file says by what model it
was scored, so that nothing that reads it has to be told.
"""

from contextlib import AbstractContextManager
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from ssmtl.core import store
from ssmtl.core.errors import InputError
from ssmtl.formats import hdf5
from ssmtl.formats.detections import BOX, FRAME, check_boxes
from ssmtl.formats.hdf5 import Attribute, Column, Layout

OTHERS = ("combined", "mean", "summed", "speed")  # columns that are no task's


def columns_of(file: h5py.File) -> list[str]:
    """The columns of scores, in the order in which they are shown."""
    return hdf5.names(file, "columns")


def tasks_of(file: h5py.File) -> list[str]:
    """The columns that are a task's score."""
    return [name for name in columns_of(file) if name not in OTHERS]


def named(file: h5py.File) -> dict[str, Column]:
    return {name: Column("f4", ("objects",), low=0, high=1) for name in columns_of(file)}


def relations(group: h5py.Group) -> None:
    if "box" in group:
        check_boxes(group)


SCORES = Layout(
    "scores",
    {"frame": FRAME, "box": Column(BOX.dtype, BOX.shape, optional=True)},
    hdf5.SIZE | {"frames": Attribute("int", 0)},
    about={
        "columns": hdf5.NAMES,
        # Frames on each side of an object's own that its cube has; 0 for pictures.
        "radius": Attribute("int", 0, 1 << 15),
        "model": Attribute("str"),
        "computed": hdf5.COMPUTED,
        "seed": Attribute("int", 0, optional=True),  # of a model that has one
        "dataset": Attribute("str", optional=True),  # of pictures
        "normal": hdf5.NAMES,  # the classes of pictures that were learnt; none for video
    },
    named=named,
    relations=relations,
)


def about(file: h5py.File) -> dict:
    """What a file of scores says of them all: radius, model, seed, columns, settings."""
    return {
        "radius": int(file.attrs["radius"]),
        "model": store.attribute(file, "model"),
        "seed": int(file.attrs["seed"]) if "seed" in file.attrs else None,
        "columns": columns_of(file),
        # But for how many were scored at once, which changes nothing.
        "settings": {k: v for k, v in store.settings_of(file).items() if k != "batch"},
    }


def scored_alike(paths: list[Path]) -> dict:
    """What several files say of their scores; InputError unless they all say the same."""
    found = []
    for path in paths:
        with read_scores(path, []) as file:
            found.append(about(file))
    if not found:
        raise InputError("no files of scores; give those of every test shard")
    for path, other in zip(paths, found, strict=True):
        for key, value in found[0].items():
            if other[key] != value:
                raise InputError(
                    f"{path}: scores with {key} {other[key]}, those of {paths[0]} have {value}; "
                    "score all shards with one model and the same settings"
                )
    return found[0]


def read_scores(path: Path, clips: list[str] | None = None) -> AbstractContextManager[h5py.File]:
    """A checked file of scores; see `hdf5.read`."""
    return hdf5.read(path, SCORES, clips)


def object_table(paths: list[Path], columns: list[str]) -> pd.DataFrame:
    """The objects of all clips, by clip and frame: clip, row (in cubes.h5), frame, box as x1 to y2,
    and the columns of scores that are asked for."""
    box = ["x1", "y1", "x2", "y2"]
    tables = [pd.DataFrame(columns=["clip", "row", "frame", *box, *columns])]
    for path in paths:
        with read_scores(path) as file:
            for clip, group in file.items():
                if not len(group["frame"]):
                    continue
                table = pd.DataFrame(group["box"][:], columns=box)
                table["clip"], table["row"] = clip, np.arange(len(table))
                for column in ("frame", *columns):
                    table[column] = group[column][:]
                tables.append(table)
    return pd.concat(tables[1:] or tables, ignore_index=True)
