"""Progress of long loops: a bar on a terminal, a plain line now and then elsewhere.

And how long the stages took, at the end of a run.
"""

import csv
import logging
import math
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
    if sys.stderr and sys.stderr.isatty():
        with logging_redirect_tqdm():
            yield from tqdm(items, desc=what, unit=f" {unit}", total=total, leave=False)
        return
    start = said = time.monotonic()
    for done, item in enumerate(items):
        now = time.monotonic()
        if now - said > QUIET:
            log.info("%s: %s", what, progress_text(done, total, now - start, unit))
            said = now
        yield item


def progress_text(done: int, total: int | None, seconds: float, unit: str) -> str:
    """What is done and, once something is, how fast: `3 of 9, 40 s left, 0.1 clip/s`."""
    count = f"{done} of {total}" if total else f"{done}"
    if done == 0 or seconds <= 0:
        return count
    left = f", {max(total - done, 0) * seconds / done:.0f} s left" if total else ""
    rate = f"{done / seconds:.1f} {unit}/s" if done >= seconds else f"{seconds / done:.1f} s/{unit}"
    return f"{count}{left}, {rate}"


def clock(seconds: float) -> str:
    """A time as one reads it: 12.3 s, 4:05 min, 1:02:03 h."""
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 1:
        return f"{seconds:.1f} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d} h" if hours else f"{minutes}:{rest:02d} min"


def benchmark_rows(path: Path) -> list[dict[str, float | None]]:
    """Seconds and peak MiB of each job in one of Snakemake's benchmarks; None where unmeasured.

    A file that cannot be read has no rows: what is only reported may never end work.
    """
    try:
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t"))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        log.debug("%s: not read as a benchmark: %s", path, error)
        return []
    found = [{key: number(row.get(key)) for key in ("s", "max_rss")} for row in rows]
    return [row for row in found if row["s"] is not None]


def number(text: str | None) -> float | None:
    """A finite number, or None for `-`, `NA` and anything else."""
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def stage_times(results: Path, since: float) -> str:
    """A table of the seconds that each stage took in the jobs that ended after `since`.

    It reads Snakemake's benchmarks, `*/benchmarks/{stage}_*.tsv`; "" where there are none.
    """
    seconds = defaultdict(list)
    for path in sorted(results.glob("*/benchmarks/*.tsv")):
        if modified(path) >= since and (rows := benchmark_rows(path)):
            seconds[path.stem.partition("_")[0]].append(sum(row["s"] or 0 for row in rows))
    if not seconds:
        return ""
    lines = [f"{'stage':<14}{'jobs':>5}{'time':>14}"]
    for stage, times in sorted(seconds.items(), key=lambda item: -sum(item[1])):
        lines.append(f"{stage:<14}{len(times):>5}{clock(sum(times)):>14}")
    return "\n".join(lines)


def modified(path: Path) -> float:
    """When a file was last written; never, where another run has just replaced it."""
    try:
        return path.stat().st_mtime
    except OSError:
        return -math.inf
