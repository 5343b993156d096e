"""Folders of images without a split: `<class>/*`, with any folders below a class.

A fixed random share of every class is for training, the same in every run. So flowers, fonts
(FounderType-200: a folder for each font) or faces (a folder for each person) can be taken as they
are published.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ssmtl.core.errors import InputError
from ssmtl.core.store import seed_of
from ssmtl.datasets.images import Picture, class_folders, image_files, listing_digest

__all__ = ["classes", "listing", "pictures"]


def classes(path: Path, split: str, train_share: float) -> list[str]:
    """The names of the folders; every class is in both splits."""
    return [folder.name for folder in class_folders(Path(path))]


def pictures(path: Path, split: str, train_share: float) -> Iterator[Picture]:
    """The files of a split; a class that is too small is noticed before the first one."""
    for label, files in split_files(path, split, train_share).items():
        for file in files:
            yield Picture(label, file.relative_to(path).as_posix(), file)


def listing(path: Path, split: str, train_share: float) -> str:
    """A hash of the files' names, sizes and modification times."""
    files = split_files(path, split, train_share).values()
    return listing_digest(file for part in files for file in part)


def split_files(path: Path, split: str, train_share: float) -> dict[str, list[Path]]:
    """A split's files by class, sorted.

    Which they are depends on the names in a class alone. InputError for a share that is none, and
    where a class has not one file for each split.
    """
    if not isinstance(train_share, float) or not 0 < train_share < 1:
        raise InputError(
            f"image reader 'unsplit_folder': train_share is {train_share!r}; give the share of a "
            "class that is for training, such as 0.7"
        )
    found = {}
    for folder in class_folders(Path(path)):
        files = image_files(folder)
        if len(files) < 2:
            raise InputError(f"{folder}: one image only; training and test need one each")
        count = min(len(files) - 1, max(1, round(train_share * len(files))))
        order = np.random.default_rng([0, seed_of(folder.name)]).permutation(len(files))
        rows = order[:count] if split == "train" else order[count:]
        found[folder.name] = [files[row] for row in sorted(rows)]
    return found
