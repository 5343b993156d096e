"""Readers of video data sets: one module each, found by name; `videos` reads any footage.

A reader module has `ABOUT`, `list_clips(root, **options)` and `frame_labels(clip, frames)`.
What they share is in `datasets/clips.py`; docs/data.md says how to add one.
"""

import importlib
import pkgutil
from types import ModuleType

from ssmtl.core.errors import InputError


def known_readers() -> list[str]:
    """The names of all readers."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def reader(name: str) -> ModuleType:
    """The reader module of this name; InputError for an unknown one."""
    readers = known_readers()
    if name not in readers:
        raise InputError(f"no data set reader '{name}'; the readers are {', '.join(readers)}")
    return importlib.import_module(f"{__name__}.{name}")
