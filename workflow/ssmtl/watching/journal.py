"""What is written of events, whatever fails: lines, rows, and the event that goes on.

What an event says comes first: a full disk costs pictures and clips, never lines.
"""

import json
import logging
import os
import re
import time as clocks
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from ssmtl.core import store
from ssmtl.core.errors import InputError
from ssmtl.core.spreadsheet import csv_line

log = logging.getLogger(__name__)

LINES, TABLE, CLIPS, SNAPSHOTS = "events.jsonl", "events.csv", "clips", "snapshots"
GOING_ON = ".event.json"  # the event in progress, so that a kill loses nothing but its end
INTERRUPTED = "interrupted"  # what ended such an event
KEPT = 200  # rows that are held for whoever shows the newest
AGAIN = 10.0  # seconds after which lines that could not be written are tried again
# A row's columns; behind them comes each task's share.
COLUMNS = [
    *("event", "source", "start_frame", "end_frame", "start", "end", "start_clock", "end_clock"),
    *("score", "object_score", "object_frame", "class", "task", "words", "ended_by"),
    *("clip", "snapshot", "x1", "y1", "x2", "y2"),
]


def columns_of(tasks: Sequence[str]) -> list[str]:
    """The columns of the table of events."""
    return [*COLUMNS, *(f"{task}_share" for task in tasks)]


def cells_of(event: dict) -> dict:
    """An event by these columns."""
    shares = {f"{task}_share": share for task, share in (event.get("shares") or {}).items()}
    box = dict(zip(("x1", "y1", "x2", "y2"), event["box"] or [None] * 4, strict=True))
    return event | box | shares


class Journal:
    """events.jsonl and events.csv, a line and a row for each event as it ends.

    What cannot be written, on a full disk for instance, waits and is tried again.
    """

    def __init__(self, folder: Path, tasks: Sequence[str]):
        """Continues the files that a folder has; tasks: those that have a column."""
        self.folder, self.tried = folder, 0.0
        self.waiting: list[dict] = []
        self.told: dict | None = None  # one that waits for the table only
        self.header = columns_of(tasks)
        for left in (folder / CLIPS).glob(".event_*.tmp"):  # of a killed watcher
            left.unlink(missing_ok=True)
        append(folder / LINES, "")
        if (folder / TABLE).exists() and first_line(folder / TABLE) != csv_line(self.header):
            self.rewrite_table()
        known = lines_of(folder)
        self.recent, self.total = deque(known, KEPT), len(known)
        self.interrupted = self.left_behind({line["event"] for line in known})
        last = self.interrupted["event"] if self.interrupted else 0
        self.last = max(last_number(folder, known), last)

    def left_behind(self, known: set[int]) -> dict | None:
        """The event that a killed watcher had begun and not written, as far as it got."""
        try:
            row = json.loads((self.folder / GOING_ON).read_text("utf-8"))
            return None if row["event"] in known else row | {"ended_by": INTERRUPTED}
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def going_on(self, row: dict) -> None:
        """Keeps the event in progress as it stands."""
        with suppress(OSError, InputError), store.replacing(self.folder / GOING_ON) as path:
            path.write_text(json.dumps(row))

    def add(self, row: dict) -> None:
        """Writes an event that has ended."""
        self.waiting.append(row)
        self.recent.append(row)
        self.total += 1
        self.flush()
        if not self.waiting:
            with suppress(OSError):
                (self.folder / GOING_ON).unlink(missing_ok=True)

    def flush(self, patient: bool = False) -> None:
        """Writes what waits; patient: not again and again where it failed just now."""
        if not self.waiting or (patient and clocks.monotonic() - self.tried < AGAIN):
            return
        self.tried = clocks.monotonic()
        try:
            while self.waiting:
                row = self.waiting[0]
                if row is not self.told:
                    append(self.folder / LINES, json.dumps(row) + "\n")
                    self.told = row
                line = csv_line(self.cells(row))
                append(self.folder / TABLE, line, header=csv_line(self.header))
                self.waiting.pop(0)
        except OSError as error:
            log.warning(
                "%s: cannot be written (%s); %d events wait to be written",
                *(self.folder / LINES, error.strerror or error, len(self.waiting)),
            )

    def close(self) -> None:
        """Writes what waits, or says it where that is not possible."""
        self.flush()
        for row in self.waiting:
            log.error("event %d, which could not be written: %s", row["event"], json.dumps(row))

    def cells(self, row: dict) -> list:
        """An event as a row of the table."""
        values = cells_of(row)
        return [values.get(name, "") for name in self.header]

    def rewrite_table(self) -> None:
        """Makes the table anew from the lines, where it has other columns: of another version, or
        of a model with other tasks."""
        rows = [csv_line(self.cells(row)) for row in lines_of(self.folder)]
        with store.replacing(self.folder / TABLE) as path:
            path.write_text("".join([csv_line(self.header), *rows]), encoding="utf-8", newline="")


def lines_of(folder: Path) -> list[dict]:
    """The events of a folder, oldest first; a line that a kill cut short is none."""
    rows = []
    if (folder / LINES).exists():
        for line in (folder / LINES).read_text("utf-8", errors="replace").splitlines():
            with suppress(ValueError, TypeError):
                row = json.loads(line)
                if isinstance(row, dict) and isinstance(row.get("event"), int) and "box" in row:
                    rows.append(row)
    return rows


def last_number(folder: Path, known: list[dict]) -> int:
    """The highest number of an event in a folder, by its lines, which are known, clips and
    snapshots; 0 without any."""
    numbers = [0, *(row["event"] for row in known)]
    for path in (*(folder / CLIPS).glob("event_*.mp4"), *(folder / SNAPSHOTS).glob("event_*.jpg")):
        numbers += [int(digits) for digits in re.findall(r"^event_(\d+)$", path.stem)]
    return max(numbers)


def append(path: Path, text: str, header: str = "") -> None:
    """Adds text to a file, all of it or nothing; the header where it is new."""
    with open(path, "ab", buffering=0) as file:
        size = file.tell()
        if size and not ends_line(path):  # a killed watcher's last line
            text = "\n" + text
        data = ((header if not size else "") + text).encode()
        try:
            while data:
                data = data[file.write(data) :]
        except OSError:
            os.truncate(path, size)
            raise


def ends_line(path: Path) -> bool:
    with open(path, "rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def first_line(path: Path) -> str:
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        return file.readline()
