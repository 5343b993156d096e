"""Stage `pixel_baseline`: how far a picture's pixels are from the normal training pictures.

Two baselines of scikit-learn that know nothing but pixels, fitted on training pictures alone:
`pca`, the distance to the subspace that holds VARIANCE of the training pictures' variance, and
`nearest`, the distance to the nearest training picture. Pixels are in [0, 1] and not standardised
further, and a distance is the root mean square over the values of a picture: it is in [0, 1] as it
is, since no two pictures differ by more than 1 anywhere, and a projection shortens.
"""

import json
import logging
from pathlib import Path

import cv2
import h5py
import numpy as np
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors

from ssmtl.core import store
from ssmtl.core.errors import InputError
from ssmtl.formats import hdf5
from ssmtl.formats.cubes import open_cubes
from ssmtl.formats.images import read_images
from ssmtl.formats.scores import SCORES

log = logging.getLogger(__name__)

MODEL = "pixel"  # what its scores are said to be of, without a seed
COLUMNS = ("pca", "nearest")
VARIANCE = 0.95
SIDE = 32  # pixels; larger pictures are averaged down, so that memory and time are bounded
LARGEST = 20_000  # training pictures; of more, every k-th is taken
BLOCK = 1000  # test pictures at a time


def vectors(cubes: np.ndarray) -> np.ndarray:
    """Pictures uint8 (N, 1, S, S, 3) as vectors in [0, 1], float32 (N, D), D at most 3 * SIDE²."""
    pictures = cubes[:, 0]
    if pictures.shape[1] > SIDE:
        small = [cv2.resize(p, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for p in pictures]
        pictures = np.stack(small)
    return pictures.reshape(len(pictures), -1).astype(np.float32) / 255


def read_training(path: Path, groups: list[str] | None) -> np.ndarray:
    """The vectors of the training pictures of some classes, of all where `groups` is None."""
    with read_images(path, groups) as file:
        names = list(file) if groups is None else groups
        if missing := [name for name in names if name not in file]:
            raise InputError(
                f"{path}: no class {', '.join(missing)}; there are {', '.join(file) or 'none'}"
            )
        count = sum(len(file[name]["cubes"]) for name in names)
        step = -(-count // LARGEST) or 1
        parts = [vectors(rows) for name in names for rows in thinned(file[name], step)]
    if count < 2:
        raise InputError(
            f"{path}: {count} training pictures of {', '.join(names) or 'no class'}; "
            "the pixel baselines need two"
        )
    return np.concatenate(parts)


def thinned(group: h5py.Group, step: int):
    """Every `step`-th picture of a class, uint8 (n, 1, S, S, 3), a block at a time."""
    cubes = open_cubes(group)
    for start in range(0, len(cubes), BLOCK * step):
        yield cubes[start : start + BLOCK * step : step]


class PixelBaselines:
    """Both baselines, fitted on training pictures, float32 (N, D)."""

    def __init__(self, training: np.ndarray):
        # The covariance is the smaller matrix where there are more pictures than values.
        solver = "covariance_eigh" if len(training) > training.shape[1] else "full"
        self.pca = PCA(VARIANCE, svd_solver=solver).fit(training)
        self.neighbours = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(training)

    def scores(self, pictures: np.ndarray) -> dict[str, np.ndarray]:
        """Both distances of pictures float32 (N, D): per column float32 (N,) in [0, 1]."""
        back = self.pca.inverse_transform(self.pca.transform(pictures))
        distances = {
            "pca": np.linalg.norm(pictures - back, axis=1),
            "nearest": self.neighbours.kneighbors(pictures)[0][:, 0],
        }
        root = np.sqrt(pictures.shape[1])
        return {n: (d / root).clip(0, 1).astype(np.float32) for n, d in distances.items()}


def write_pixel_baselines(
    output: Path, *, train: Path, groups: list[str] | None, test: Path
) -> None:
    """Writes the scores of every picture of `test`, rows as there, from the pictures of `train`.

    train, test: images.h5; groups: classes of `train` that count, None for all. Raises InputError
    for a class that `train` has not, fewer than two pictures, or pictures of different sizes.
    """
    training = read_training(train, groups)
    with read_images(train, []) as file:
        size = store.settings_of(file)["size"]
    with read_images(test) as file:
        if (found := store.settings_of(file)["size"]) != size:
            raise InputError(
                f"{test}: pictures of {found} pixels, those of {train} have {size}; make both with "
                "the same images.size"
            )
        baselines = PixelBaselines(training)
        about = {
            "columns": json.dumps(COLUMNS),
            "radius": 0,
            "model": MODEL,
            "dataset": store.attribute(file, "dataset"),
            "normal": json.dumps(groups or []),
        }
        with store.create(output, "scores", **about) as out:
            for name, pictures in file.items():
                parts = [baselines.scores(vectors(rows)) for rows in thinned(pictures, 1)]
                group = out.create_group(name)
                group["frame"] = pictures["frame"][:]
                for column in COLUMNS:
                    empty = [np.zeros(0, np.float32)]
                    group[column] = np.concatenate([part[column] for part in parts] or empty)
                for attribute in ("frames", "width", "height"):
                    group.attrs[attribute] = pictures.attrs[attribute]
                hdf5.complete(group, SCORES)
    log.info(
        "%s: %d training pictures, %d components",
        output,
        len(training),
        baselines.pca.n_components_,
    )
