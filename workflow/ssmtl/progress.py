"""Progress of long loops: a bar on a terminal, a plain line now and then elsewhere."""

import logging
import sys
import time
from collections.abc import Iterable, Iterator, Sized

from tqdm import tqdm

log = logging.getLogger(__name__)

QUIET = 15  # seconds between plain lines


def progress(items: Iterable, what: str, unit: str, total: int | None = None) -> Iterator:
    """The items, while their rate and the time left are shown."""
    if total is None and isinstance(items, Sized):
        total = len(items)
    if sys.stderr.isatty():
        yield from tqdm(items, desc=what, unit=f" {unit}", total=total, leave=False)
        return
    start = said = time.monotonic()
    for done, item in enumerate(items):
        now = time.monotonic()
        if now - said > QUIET:
            left = (
                f" of {total}, {(total - done) * (now - start) / done:.0f} s left" if total else ""
            )
            log.info("%s: %d%s, %.1f %s/s", what, done, left, done / (now - start), unit)
            said = now
        yield item
