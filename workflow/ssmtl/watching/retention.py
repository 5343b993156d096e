"""Which clips, pictures and objects of events are kept: by age and size, the oldest go first.

Lines always stay.
"""

import logging
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from ssmtl.watching.accepted import OBJECTS
from ssmtl.watching.journal import CLIPS, SNAPSHOTS

log = logging.getLogger(__name__)

THINNED = (CLIPS, SNAPSHOTS, OBJECTS)  # what `ssmtl normal` accepts an event by is the last
DAY, GIGABYTE = 86_400, 1e9


class Kept(NamedTuple):
    modified: float
    size: int
    path: Path


def thin(folders: Iterable[Path], days: float | None, gigabytes: float | None) -> int:
    """Deletes what is older than so many days, then the oldest until the rest is small enough.

    folders: those of cameras, which count together. Returns how many files went.
    """
    files = sorted(kept(folders))
    total, gone = sum(file.size for file in files), 0
    oldest = -float("inf") if days is None else time.time() - days * DAY
    for file in files:
        if file.modified >= oldest and (gigabytes is None or total <= gigabytes * GIGABYTE):
            break
        try:
            file.path.unlink(missing_ok=True)
        except OSError as error:
            log.warning("%s: cannot be deleted (%s)", file.path, error.strerror)
            continue
        total -= file.size
        gone += 1
    return gone


def kept(folders: Iterable[Path]) -> list[Kept]:
    """What was written beside the lines in some folders; not what is in the making."""
    found = []
    for folder in folders:
        for path in (path for name in THINNED for path in (folder / name).glob("event_*")):
            try:
                about = path.stat()
            except OSError:  # gone meanwhile
                continue
            found.append(Kept(about.st_mtime, about.st_size, path))
    return found
