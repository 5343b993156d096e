"""What a watcher was told to be normal, and what becomes of the scores of its like.

A watcher's folder has a file for each event accepted, so that undoing is deleting it; weights and
calibration stay as they are. An object that is like an accepted one counts as an ordinary normal
one: its combined score falls to the median of normal objects'. What is only somewhat alike keeps a
part of its score [D].
"""

import json
import logging
import threading
import time
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from ssmtl.core import store
from ssmtl.core.errors import InputError
from ssmtl.formats.calibration import read_calibration
from ssmtl.learning.model import Model
from ssmtl.watching.likeness import Described, Likeness, Objects, described, read_likeness

log = logging.getLogger(__name__)

FOLDER = "accepted"  # in a watcher's
# So many times further apart than normal objects may be is as good as alike, and no longer like at
# all: an event shows few of the ways in which its objects look and move.
ALIKE, UNLIKE = 1.5, 3.0
CHECKED = 2.0  # seconds after which it is checked again whether something was accepted
ABOUT, LOOK = "about", "look-"  # of the arrays in a file; a description's name follows the second
UNREADABLE = (OSError, ValueError, KeyError, EOFError, BadZipFile)


class Memory:
    """What was accepted as normal, read anew as it changes.

    Several cameras may share it: one of their threads reads, and `known` changes at once, so that
    the others have what was or what is.
    """

    def __init__(self, folder: Path, model: Model):
        """folder: of the watcher; model: its network, which describes objects."""
        self.folder, self.model, self.usual = folder / FOLDER, model, ordinary(folder)
        self.known: Described = {}
        self.likeness: Likeness | None = None
        self.seen: list[tuple[str, int]] | None = None  # files and when they were written
        self.checked, self.reading = 0.0, threading.Lock()
        self.refresh()

    def refresh(self) -> None:
        """Takes what was accepted or undone meanwhile, at most every other second."""
        if time.monotonic() - self.checked < CHECKED and self.seen is not None:
            return
        if not self.reading.acquire(blocking=False):
            return
        try:
            self.checked = time.monotonic()
            self.read()
        finally:
            self.reading.release()

    def read(self) -> None:
        files = sorted(self.folder.glob("*.npz"))
        seen = [(path.name, path.stat().st_mtime_ns) for path in files]
        if seen == self.seen:
            return
        if self.seen is not None:
            log.info("%d accepted events hold from now on", len(files))
        self.seen, parts = seen, [read_accepted(path)[0] for path in files]
        if parts:
            self.likeness = self.likeness or read_likeness(self.folder.parent)
        names = parts[0] if parts else ()
        self.known = {n: np.concatenate([part[n] for part in parts]) for n in names}

    def __bool__(self) -> bool:
        """Whether anything was accepted."""
        self.refresh()
        return bool(self.known)

    def relieved(self, combined: np.ndarray, objects: Objects) -> np.ndarray:
        """The combined scores (N,) of objects, lower where they are like what was accepted."""
        rows, known = np.flatnonzero(combined > self.usual), self.known
        if not len(rows) or self.likeness is None or not known:
            return combined
        apart = self.likeness.between(described(self.model, objects[rows]), known).min(1)
        alike = np.clip((UNLIKE - apart) / (UNLIKE - ALIKE), 0, 1)
        found = combined.copy()
        found[rows] -= alike * (combined[rows] - self.usual)
        return found


def ordinary(folder: Path) -> float:
    """The median of normal objects' combined scores; 0 where a watcher does not tell it."""
    with read_calibration(folder / "calibration.h5") as file:
        return float(np.median(store.attribute(file, "combined", 0.0)))


def read_accepted(path: Path) -> tuple[Described, dict]:
    """The descriptions of an accepted event's objects, and what is known of it."""
    try:
        with np.load(path, allow_pickle=False) as file:
            found = {n.removeprefix(LOOK): file[n] for n in file.files if n.startswith(LOOK)}
            return found, json.loads(str(file[ABOUT]))
    except UNREADABLE as error:
        raise InputError(f"{path}: damaged ({error}); delete it, and accept it again") from error
