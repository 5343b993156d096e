"""Progress of long loops: a bar on a terminal, a plain line now and then elsewhere.

And how long the stages took, at the end of a run.
"""

import csv
import logging
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sized
from pathlib import Path

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

log = logging.getLogger(__name__)

QUIET = 15  # seconds between plain lines


def progress(items: Iterable, what: str, unit: str, total: int | None = None) -> Iterator:
    """The items, while their rate and the time left are shown."""
    if total is None and isinstance(items, Sized):
        total = len(items)
    if sys.stderr.isatty():
        with logging_redirect_tqdm():
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


def clock(seconds: float) -> str:
    """A time as one reads it: 12.3 s, 4:05 min, 1:02:03 h."""
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 1:
        return f"{seconds:.1f} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d} h" if hours else f"{minutes}:{rest:02d} min"


def stage_times(results: Path, since: float) -> str:
    """A table of the seconds that each stage took in the jobs that ended after `since`.

    It reads Snakemake's benchmarks, `*/benchmarks/{stage}_*.tsv`; "" where there are none.
    """
    seconds = defaultdict(list)
    for path in sorted(results.glob("*/benchmarks/*.tsv")):
        if path.stat().st_mtime >= since:
            with path.open() as file:
                rows = list(csv.DictReader(file, delimiter="\t"))
            stage = path.stem.partition("_")[0]
            seconds[stage].append(sum(float(row["s"]) for row in rows))
    if not seconds:
        return ""
    lines = [f"{'stage':<14}{'jobs':>5}{'time':>14}"]
    for stage, times in sorted(seconds.items(), key=lambda item: -sum(item[1])):
        lines.append(f"{stage:<14}{len(times):>5}{clock(sum(times)):>14}")
    return "\n".join(lines)
