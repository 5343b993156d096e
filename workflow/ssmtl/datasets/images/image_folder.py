"""Folders of images: `train/<class>/*` and `test/<class>/*`, with any folders below a class.

A class without training pictures is one that can only be an anomaly.
"""

from collections.abc import Iterator
from pathlib import Path

from ssmtl.datasets.images import Picture, class_folders, image_files, listing_digest

__all__ = ["classes", "listing", "pictures"]


def classes(path: Path, split: str) -> list[str]:
    """The names of a split's folders."""
    return [folder.name for folder in class_folders(Path(path) / split)]


def pictures(path: Path, split: str) -> Iterator[Picture]:
    """The files of a split; an empty class is noticed before the first one."""
    for label, files in split_files(path, split).items():
        for file in files:
            yield Picture(label, file.relative_to(path).as_posix(), file)


def listing(path: Path, split: str) -> str:
    """A hash of the files' names, sizes and modification times."""
    return listing_digest(file for files in split_files(path, split).values() for file in files)


def split_files(path: Path, split: str) -> dict[str, list[Path]]:
    return {folder.name: image_files(folder) for folder in class_folders(Path(path) / split)}
