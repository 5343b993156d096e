"""Readers of image data sets: one module each, found by name.

A reader module has three functions, whose further parameters are the reader's options:

- `classes(path, split, **options) -> list[str]`: the classes of a split, sorted. The workflow
  calls it on every start, so it may list folders, but decode nothing and fetch nothing.
- `pictures(path, split, **options) -> Iterator[Picture]`: class after class, in sorted order.
- `listing(path, split, **options) -> str`: changes when the files of a split change.

This module holds what they share.
"""

import importlib
import inspect
import os
import pkgutil
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np

from ssmtl.core.errors import InputError, environment
from ssmtl.core.store import digest

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")


@dataclass(frozen=True)
class Picture:
    """One picture of a data set, not decoded yet where it is a file."""

    label: str  # its class
    name: str  # unique within its class and split
    pixels: np.ndarray | Path  # uint8 (H, W, 3) RGB, or an encoded file
    subject: str = ""  # the person, for presentation attacks


def known_readers() -> list[str]:
    """The names of all readers."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def reader(name: str, options: dict) -> ModuleType:
    """The reader module of this name; InputError for an unknown one, or options it lacks."""
    if name not in known_readers():
        raise InputError(f"no image reader '{name}'; the readers are {', '.join(known_readers())}")
    module = importlib.import_module(f"{__name__}.{name}")
    known = list(inspect.signature(module.classes).parameters)[2:]
    if wrong := sorted(set(options) ^ set(known)):
        what = "is missing" if wrong[0] in known else "is not known"
        raise InputError(
            f"image reader '{name}': option '{wrong[0]}' {what}; its options are "
            f"{', '.join(known) or 'none'}"
        )
    return module


def class_folders(folder: Path) -> list[Path]:
    """The folders in a split's folder, one per class, sorted; hidden ones are left out.

    Raises InputError for a split that is missing or has no folders, and for a name that cannot
    be part of the results' paths.
    """
    if not folder.is_dir():
        raise InputError(
            f"{folder}: no such folder; put the pictures into {folder}/<class>/, see docs/data.md"
        )
    found = sorted(f for f in folder.iterdir() if f.is_dir() and f.name[0] != ".")
    if not found:
        raise InputError(f"{folder}: no class folders here; put the pictures into <class>/ folders")
    for child in found:
        check_class(child.name, child)
    return found


def check_class(name: str, place: Path) -> None:
    """InputError for a class whose name cannot be part of the results' paths; place: of what."""
    if name == "all" or not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", name):
        raise InputError(
            f"{str(place)!a}: a class may not be called {name!a}; rename it with letters, digits, "
            "'_', '-' and '.' (and not 'all', which means all classes)"
        )


def image_files(folder: Path) -> list[Path]:
    """The images in a class's folder and in folders below it, sorted.

    Hidden files and files of other kinds are left out. Raises InputError where none is left,
    where a folder cannot be read, and for a name that cannot be stored.
    """
    try:
        files = sorted(
            os.path.join(parent, name)
            for parent, _, names in os.walk(folder, onerror=refuse, followlinks=True)
            for name in names
            if name[0] != "." and name.lower().endswith(SUFFIXES)
        )
    except OSError as error:
        raise environment(error) or error from error
    if not files:
        raise InputError(
            f"{folder}: no images ({' '.join(SUFFIXES)}) in this folder; add some, or remove it"
        )
    if odd := next((file for file in files if not file.isprintable()), None):
        raise InputError(f"{odd!a}: unprintable characters in the file's name; rename it")
    return [Path(file) for file in files]


def refuse(error: OSError) -> None:
    """`os.walk` would pass over a folder that it cannot read."""
    raise error


def listing_digest(files: Iterable[Path]) -> str:
    """A hash that changes when a file is added, removed, renamed or written anew."""
    try:
        facts = [(str(file), file.stat()) for file in files]
    except FileNotFoundError as error:  # a link that leads nowhere
        raise InputError(
            f"{error.filename}: this file cannot be read ({error.strerror}); fetch it again, or "
            "remove it"
        ) from error
    except OSError as error:
        raise environment(error) or error from error
    return digest([[name, stat.st_size, stat.st_mtime_ns] for name, stat in facts])
