"""How cubes lie in `cubes.h5`: as they are, compressed without loss, or each as one JPEG image.

The image has the crops of a cube below one another. A JPEG's blocks are 8 x 8, so that no crop
touches the next where their size is a multiple of 8. docs/methods.md has what it costs and saves.
"""

import h5py
import numpy as np

from ssmtl.core import store
from ssmtl.core.threads import ahead
from ssmtl.media import codec

QUALITY = 95  # of JPEG, of 100; chroma is not subsampled
COMPRESSION = {"raw": None, "lzf": "lzf", "gzip": "gzip"}  # h5py's names
LEAST = {"jpeg": 4}  # how many times smaller than raw a file is at least, where more than 1


def append(group: h5py.Group, cubes: np.ndarray, storage: str) -> None:
    """Appends cubes uint8 (N, L, S, S, 3) to the dataset `cubes` of a clip."""
    if storage in COMPRESSION:
        store.write_rows(group, "cubes", cubes, compression=COMPRESSION[storage])
        return
    if "cubes" not in group:
        kind = h5py.vlen_dtype(np.uint8)
        dataset = group.create_dataset("cubes", (0,), kind, maxshape=(None,), chunks=(1024,))
        dataset.attrs["shape"] = cubes.shape[1:]
    dataset = group["cubes"]
    start = len(dataset)
    dataset.resize(start + len(cubes), axis=0)
    for row, image in enumerate(ahead(encoded, cubes), start):
        dataset[row] = image


def encoded(cube: np.ndarray) -> np.ndarray:
    """The JPEG image of a cube, uint8 (bytes,)."""
    image = codec.encode_jpeg(cube.reshape(-1, *cube.shape[2:]), QUALITY)
    return np.frombuffer(image, np.uint8)


def open_cubes(group: h5py.Group) -> "h5py.Dataset | JpegCubes":
    """A clip's cubes, or a class's pictures, to be read by slices: uint8 (N, L, S, S, 3)."""
    dataset = group["cubes"]
    return JpegCubes(dataset) if "shape" in dataset.attrs else dataset


class JpegCubes:
    """Reads JPEG images by threads as if they were a dataset of cubes."""

    def __init__(self, images: h5py.Dataset):
        self.images = images
        self.shape = (len(images), *map(int, images.attrs["shape"]))

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, key: int | slice | tuple) -> np.ndarray:
        """As of an array (N, L, S, S, 3); InputError for an image that cannot be read."""
        if isinstance(key, tuple):
            return self[key[0]][:, *key[1:]]
        if not isinstance(key, slice):
            return self[key : key + 1][0]
        out = np.empty((len(range(*key.indices(len(self)))), *self.shape[1:]), np.uint8)
        for cube, picture in zip(out, ahead(self.decoded, self.images[key]), strict=True):
            cube.reshape(-1, *cube.shape[2:])[:] = picture
        return out

    def decoded(self, image: np.ndarray) -> np.ndarray:
        where = f"{self.images.file.filename}: a cube of {self.images.parent.name.strip('/')}"
        return codec.decode_image(image, where)
