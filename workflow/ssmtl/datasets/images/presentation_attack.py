"""Face presentation attacks: `train/bona_fide/<subject>/*`, `test/bona_fide/<subject>/*` and
`test/<attack type>/<subject>/*`, with any folders below a subject.

Training takes bona fide pictures alone; other folders in `train` are not looked at.
"""

import logging
from collections.abc import Iterator
from pathlib import Path

from ssmtl.core.errors import InputError
from ssmtl.datasets.images import Picture, class_folders, image_files, listing_digest

__all__ = ["BONA_FIDE", "classes", "listing", "pictures"]

log = logging.getLogger(__name__)

BONA_FIDE = "bona_fide"


def classes(path: Path, split: str) -> list[str]:
    """Bona fide, the only class that is trained on, and for the test the attack types too."""
    return [folder.name for folder in split_folders(path, split)]


def pictures(path: Path, split: str) -> Iterator[Picture]:
    """The files of a split, with their subjects.

    Raises InputError for a file outside of a subject's folder.
    """
    found = [
        Picture(folder.name, file.relative_to(path).as_posix(), file, subject_of(file, folder))
        for folder in split_folders(path, split)
        for file in image_files(folder)
    ]
    if split == "test":
        warn_of_shared_subjects(path, {p.subject for p in found if p.label == BONA_FIDE})
    yield from found


def listing(path: Path, split: str) -> str:
    """A hash of the files' names, sizes and modification times."""
    return listing_digest(f for folder in split_folders(path, split) for f in image_files(folder))


def split_folders(path: Path, split: str) -> list[Path]:
    """The classes' folders in a split; InputError where bona fide or attacks are missing."""
    folder = Path(path) / split
    real = folder / BONA_FIDE
    if not real.is_dir():
        raise InputError(f"{real}: no such folder; put real faces into {real}/<subject>/")
    if split == "train":
        return [real]
    found = class_folders(folder)
    if len(found) == 1:
        raise InputError(
            f"{folder}: no attacks here; put them into <attack type>/<subject>/ beside {BONA_FIDE}"
        )
    return found


def subject_of(file: Path, folder: Path) -> str:
    """The name of the folder below the class in which a file lies."""
    inner = file.relative_to(folder).parts
    if len(inner) < 2:
        raise InputError(f"{file}: in no subject's folder; move it to {folder}/<subject>/")
    return inner[0]


def warn_of_shared_subjects(path: Path, tested: set[str]) -> None:
    """Says so where a tested subject was trained on, which makes the figures too good."""
    shared = tested & {folder.name for folder in (Path(path) / "train" / BONA_FIDE).glob("*/")}
    if shared:
        log.warning(
            "%s: %d bona fide subjects are in both train and test, such as %s; people of the test "
            "should be unknown to the training",
            path,
            len(shared),
            min(shared),
        )
