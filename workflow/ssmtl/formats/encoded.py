"""Encoded pictures end to end, `bytes` uint8 (B,), and where they begin, `offsets` (n + 1,)."""

import h5py
import numpy as np

from ssmtl.core import store
from ssmtl.formats.hdf5 import Column

CHUNK = 1 << 18  # bytes that lie together in the file, and have one checksum
PICTURES = {
    "bytes": Column("u1", ("bytes",), pictures=True),
    "offsets": Column("i8", ("pictures + 1",), low=0, ascending=True),
}


def check_offsets(group: h5py.Group, count: int) -> None:
    """ValueError unless `offsets` cut `bytes` into `count` pictures."""
    offsets, size = group["offsets"], len(group["bytes"])
    if len(offsets) != count + 1:
        raise ValueError(f"{len(offsets) - 1} pictures, where {count} are expected")
    if offsets[0] != 0 or offsets[-1] != size:
        raise ValueError(f"the pictures take the bytes {offsets[0]} to {offsets[-1]} of {size}")


def append_bytes(group: h5py.Group, pictures: list[bytes]) -> str:
    """Appends encoded pictures to `bytes`; returns their digest."""
    joined = np.frombuffer(b"".join(pictures), np.uint8)
    store.write_rows(group, "bytes", joined, chunk=CHUNK, fletcher32=True)
    return store.digest(joined.tobytes())
