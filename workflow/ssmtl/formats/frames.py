"""frames.h5: every frame of the clips of a shard, encoded; a group per clip."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from itertools import chain
from pathlib import Path

import h5py
import numpy as np

from ssmtl.core import store
from ssmtl.core.threads import ahead
from ssmtl.formats import hdf5
from ssmtl.formats.encoded import PICTURES, check_offsets
from ssmtl.formats.hdf5 import Attribute, Column, Layout
from ssmtl.media import codec

READ = 32  # encoded frames read from HDF5 at once


def relations(group: h5py.Group) -> None:
    check_offsets(group, int(group.attrs["frames"]))


FRAMES = Layout(
    "frames",
    # The time of a frame is in seconds from the first one.
    {**PICTURES, "time": Column("f8", ("frames",), ascending=True)},
    {
        **hdf5.SIZE,
        "fps": Attribute("float", 1e-6, 1e6),
        "encoding": Attribute("str", choices=("jpeg", "png")),
        "source": Attribute("str"),
    },
    about={"split": hdf5.SPLIT},
    relations=relations,
)


def read_frames(path: Path, clips: list[str] | None = None) -> AbstractContextManager[h5py.File]:
    """A checked `frames.h5`; see `hdf5.read`."""
    return hdf5.read(path, FRAMES, clips)


class Frames:
    """The frames of one clip in `frames.h5`: `len(frames)`, `frames[i]` uint8 (H, W, 3) RGB."""

    def __init__(self, group: h5py.Group):
        self.group = group
        self.offsets = group["offsets"][:]
        self.name = f"{group.file.filename}: clip {group.name.strip('/')}"
        self.encoding = store.attribute(group, "encoding")
        self.height, self.width = int(group.attrs["height"]), int(group.attrs["width"])

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def time(self) -> np.ndarray:
        """Seconds of each frame since the first one, float64 (T,)."""
        return self.group["time"][:]

    def encoded(self, index: int) -> np.ndarray:
        return hdf5.rows(self.group["bytes"], slice(self.offsets[index], self.offsets[index + 1]))

    def __getitem__(self, index: int) -> np.ndarray:
        return codec.decode_image(self.encoded(index), f"{self.name}, frame {index}")

    def encoded_blocks(self, size: int = READ, start: int = 0, stop: int | None = None) -> Iterator:
        """Frames `start` to `stop`, `size` at a time: the first one's number, and their bytes."""
        stop = len(self) if stop is None else stop
        for first in range(start, stop, size):
            bounds = self.offsets[first : min(first + size, stop) + 1]
            block = hdf5.rows(self.group["bytes"], slice(bounds[0], bounds[-1]))
            yield first, np.split(block, bounds[1:-1] - bounds[0])

    def decode(self, number: int, data: np.ndarray) -> np.ndarray:
        return codec.decode_image(data, f"{self.name}, frame {number}")

    def decoded(
        self, start: int = 0, stop: int | None = None, then: Callable | None = None
    ) -> Iterator:
        """Frames `start` to `stop`, decoded by threads ahead of their use.

        then: (number, picture) -> what is given in place of the picture; the threads do that too.
        """

        def work(item):
            picture = self.decode(*item)
            return then(item[0], picture) if then else picture

        blocks = self.encoded_blocks(READ, start, stop)
        return ahead(work, chain.from_iterable(enumerate(data, n) for n, data in blocks))
