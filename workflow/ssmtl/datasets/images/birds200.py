"""Caltech-UCSD Birds-200-2011 as it is published, with its own split.

`images/<class>/*` and beside it the tables `images.txt`, of `<number> <class>/<file>`, and
`train_test_split.txt`, of `<number> <1 for training, else 0>`.
"""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from ssmtl.core.errors import InputError, environment
from ssmtl.datasets.images import Picture, check_class, listing_digest

__all__ = ["classes", "listing", "pictures"]


def classes(path: Path, split: str) -> list[str]:
    """The species in a split, such as `001.Black_footed_Albatross`."""
    return list(dict.fromkeys(name.split("/")[0] for name in split_names(path, split)))


def pictures(path: Path, split: str) -> Iterator[Picture]:
    """The files of a split, species after species."""
    for label, names in groupby(split_names(path, split), lambda name: name.split("/")[0]):
        for name in names:
            yield Picture(label, name, Path(path) / "images" / name)


def listing(path: Path, split: str) -> str:
    """A hash of the files' names, sizes and modification times."""
    return listing_digest(Path(path) / "images" / name for name in split_names(path, split))


def split_names(path: Path, split: str) -> list[str]:
    """The files of a split within `images`, sorted."""
    names, training = (table(Path(path) / f"{n}.txt") for n in ("images", "train_test_split"))
    if odd := next((n for n in names.values() if n.count("/") != 1), None):
        raise InputError(f"{path}/images.txt: '{odd}' is not <class>/<file>")
    if names.keys() != training.keys():
        lost = min(names.keys() ^ training.keys())
        raise InputError(
            f"{path}: picture {lost} stands in only one of images.txt and train_test_split.txt; "
            "fetch both again"
        )
    wanted = "1" if split == "train" else "0"
    found = sorted(name for number, name in names.items() if training[number] == wanted)
    for label in {name.split("/")[0] for name in found}:
        check_class(label, Path(path) / "images.txt")
    return found


def table(file: Path) -> dict[str, str]:
    """The second column of a table by its first; InputError where a line has not two."""
    try:
        rows = [line.split() for line in file.read_text("utf-8").splitlines() if line.strip()]
    except PermissionError as error:
        raise environment(error, file) or error from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{file}: cannot be read ({error}); unpack CUB_200_2011.tgz and give its folder"
        ) from error
    if odd := next((number for number, row in enumerate(rows, 1) if len(row) != 2), None):
        raise InputError(f"{file}, line {odd}: not two columns; fetch it again")
    return dict(rows)
