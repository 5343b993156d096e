"""Events of a watched stream: runs of frames above the threshold, as lines, rows and clips.

What an event says comes first: a full disk or an encoder that fails costs clips, never lines.
"""

import csv
import io
import json
import logging
import os
import re
import time as clocks
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ssmtl.core.spreadsheet import safe_cell
from ssmtl.media import codec
from ssmtl.media.drawing import draw_boxes
from ssmtl.media.writer import VideoWriter
from ssmtl.watching.accepted import Strange
from ssmtl.watching.stream import ScoredFrame
from ssmtl.watching.threshold import Promise

log = logging.getLogger(__name__)

LINES, TABLE, CLIPS = "events.jsonl", "events.csv", "clips"
QUALITY = 90  # of the JPEG pictures that wait for an event
KEPT = 128 << 20  # bytes of them at most, whatever the rate
AGAIN = 10.0  # seconds after which lines that could not be written are tried again
ROUNDING = 1e-4  # seconds, of time stamps
TEXTS = ("source", "task", "clip")


class Peak(NamedTuple):
    """The highest-scoring object of a frame, or of several."""

    score: float
    frame: int
    task: str
    tasks: dict[str, float]
    box: list[float]  # x1 y1 x2 y2 in pixels


class Seen(NamedTuple):
    """A frame as it is kept for a while: drawn and encoded."""

    jpeg: bytes
    time: float


@dataclass
class Event:
    """A run of frames above the threshold, while it goes on."""

    number: int
    source: str
    start: int  # frames
    end: int
    times: list[float]  # seconds, of the first and of the last frame
    clocks: list[float | None]  # seconds since the epoch, of the same
    score: float
    peak: Peak | None
    later: Peak | None = None  # of the frames below the threshold that may still end it


class Clip:
    """The video of an event in the making; where it cannot be made it is given up, and said."""

    def __init__(self, path: Path, fps: float, limit: float):
        """limit: seconds that it has at most."""
        self.path, self.limit, self.start = path, limit, None
        self.writer: VideoWriter | None = VideoWriter(path, fps)
        self.attempt(self.writer.__enter__)

    def write(self, picture: np.ndarray, time: float) -> None:
        """Adds a frame, uint8 (H, W, 3) RGB, and its seconds, unless the clip is long enough."""
        self.start = time if self.start is None else self.start
        if self.writer and time - self.start < self.limit - ROUNDING:
            self.attempt(self.writer.write, picture, time - self.start)

    def close(self) -> bool:
        """Whether there is a clip."""
        if self.writer:
            self.attempt(self.writer.__exit__, None, None, None)
        return self.writer is not None

    def attempt(self, action, *arguments) -> None:
        try:
            action(*arguments)
        except Exception as error:  # encoders fail in many ways, and none may end watching
            writer, self.writer = self.writer, None
            log.warning("%s: no clip of this event: %s", self.path, error)
            with suppress(Exception):  # what it had begun is taken away
                writer.__exit__(type(error), error, None)


class Journal:
    """events.jsonl and events.csv, a line and a row for each event as it ends.

    What cannot be written, on a full disk for instance, waits and is tried again.
    """

    def __init__(self, folder: Path):
        """Continues the files that a folder has."""
        self.folder, self.waiting, self.tried = folder, [], 0.0
        self.last = last_number(folder)
        append(folder / LINES, "")

    def add(self, row: dict) -> None:
        self.waiting.append(row)
        self.flush()

    def flush(self, patient: bool = False) -> None:
        """Writes what waits; patient: not again and again where it failed just now."""
        if not self.waiting or (patient and clocks.monotonic() - self.tried < AGAIN):
            return
        self.tried = clocks.monotonic()
        try:
            while self.waiting:
                row = self.waiting[0]
                append(self.folder / LINES, json.dumps(row) + "\n")
                self.waiting.pop(0)
                append(self.folder / TABLE, table_row(row), header=table_header(row))
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


class Recorder:
    """Finds the events of a stream, and writes them into a folder, where it has one."""

    def __init__(
        self,
        folder: Path | None,
        threshold: float,
        settings: dict,
        lag: int,
        origin: dict | None = None,
    ):
        """folder: one that has events already is continued. settings: the section watch; lag:
        frames by which a smoothed score may follow what it comes from, so that an event's strongest
        object may be so long before it; origin: the watcher's folder and digest, for `ssmtl
        normal`."""
        self.strange = Strange(folder, origin or {}, lag)
        self.folder, self.threshold, self.settings, self.lag = folder, threshold, settings, lag
        self.journal = Journal(folder) if folder else None
        self.count, self.found, self.event = self.journal.last if self.journal else 0, 0, None
        self.clip: Clip | None = None
        self.recent: deque[Seen] = deque()
        self.peaks: deque[Peak | None] = deque(maxlen=max(lag, 1))

    def hold(self, promise: Promise | None) -> None:
        """Takes the threshold of a promise from now on, if there is one."""
        if promise:
            self.threshold = promise.threshold

    def begin(self, source: str, fps: float) -> None:
        """A new segment: nothing before it belongs to its events."""
        self.source, self.fps = source, fps
        self.recent.clear()
        self.peaks.clear()
        self.strange.begin()
        self.kept = 0  # bytes

    def add(
        self, frame: ScoredFrame, number: int, score: float, time: float, clock: float | None
    ) -> dict | None:
        """The next frame, its number in the source, its smoothed score and when it was.

        Returns the event that it ends, as `record` has it, if it ends one.
        """
        ended = None
        peak = peak_of(frame, number)
        self.strange.add(frame.objects)
        picture = frame.picture.copy()
        words = peak.task.replace("_", " ") if peak else ""
        draw_boxes(picture, frame.box, frame.combined, words, min(1, 2 * self.threshold))
        if self.event is None and score > self.threshold:
            self.open(number, score, time, clock)
        if event := self.event:
            if self.clip:
                self.clip.write(picture, time)
            event.later = highest(event.later, peak)
            if score > self.threshold:
                event.end, event.score = number, max(event.score, score)
                event.times[1], event.clocks[1] = time, clock
                event.peak, event.later = highest(event.peak, event.later), None
            elif time - event.times[1] >= self.settings["after"] - ROUNDING:
                ended = self.finish()
        self.keep(picture, time)
        self.peaks.append(peak)
        if self.journal:
            self.journal.flush(patient=True)
        return ended

    def keep(self, picture: np.ndarray, time: float) -> None:
        """Keeps a picture for the clip of an event that may begin within `before` seconds."""
        before = self.settings["before"] if self.folder else 0
        if before > 0:
            self.recent.append(Seen(codec.encode_jpeg(picture, QUALITY), time))
            self.kept += len(self.recent[-1].jpeg)
        while self.recent and (time - self.recent[0].time >= before or self.kept > KEPT):
            self.kept -= len(self.recent.popleft().jpeg)

    def open(self, number: int, score: float, time: float, clock: float | None) -> None:
        """Begins an event and its clip with the seconds before it."""
        self.count, self.found = self.count + 1, self.found + 1
        peak = None
        for seen in self.peaks if self.lag else ():
            peak = highest(peak, seen)
        self.event = Event(
            self.count, self.source, number, number, [time] * 2, [clock] * 2, score, peak
        )
        log.info("event %d begins: %s", self.count, describe(self.source, time, clock, score, peak))
        self.strange.open()
        if self.folder is None:
            return
        path = self.folder / CLIPS / f"event_{self.count:04d}.mp4"
        self.clip = Clip(path, self.fps, self.settings["clip_limit"])
        for seen in self.recent:
            if time - seen.time <= self.settings["before"] + ROUNDING:
                self.clip.write(codec.decode_image(seen.jpeg, "a kept picture"), seen.time)

    def finish(self) -> dict | None:
        """Ends the event that goes on, and writes its line and row; returns it, None for none."""
        event, self.event = self.event, None
        if event is None:
            return None
        clip, self.clip = self.clip, None
        name = str(clip.path.relative_to(self.folder)) if clip and clip.close() else None
        row = record(event, name)
        self.strange.close(row)
        if self.journal:
            self.journal.add(row)
        log.info(
            "event %d ends after %.1f s: %s",
            *(event.number, row["end"] - row["start"], name or "no clip"),
        )
        return row

    def close(self) -> None:
        """Ends the event that goes on, and what waits to be written."""
        self.finish()
        if self.journal:
            self.journal.close()


def last_number(folder: Path) -> int:
    """The highest number of an event in a folder, by its lines and clips; 0 where it has none."""
    numbers = [0]
    if (folder / LINES).exists():
        for line in (folder / LINES).read_text(errors="replace").splitlines():
            with suppress(ValueError, KeyError, TypeError):  # the last one may be cut short
                numbers.append(int(json.loads(line)["event"]))
    for path in (folder / CLIPS).glob("event_*.mp4"):
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


def flat(row: dict) -> dict:
    """A record as a row of a table."""
    values = {k: v for k, v in row.items() if k not in ("box", "tasks")}
    values |= dict(zip(("x1", "y1", "x2", "y2"), row["box"] or [""] * 4, strict=True))
    return {k: safe_cell(v) if k in TEXTS and v else v for k, v in values.items()}


def table_row(row: dict) -> str:
    text = io.StringIO()
    csv.writer(text).writerow(flat(row).values())
    return text.getvalue()


def table_header(row: dict) -> str:
    text = io.StringIO()
    csv.writer(text).writerow(flat(row))
    return text.getvalue()


def peak_of(frame: ScoredFrame, number: int) -> Peak | None:
    """The highest-scoring object of a frame, None where it has none."""
    if not len(frame.combined):
        return None
    i = int(frame.combined.argmax())
    tasks = {name: round(float(values[i]), 4) for name, values in frame.tasks.items()}
    task = list(tasks)[frame.dominant_task[i]]
    box = [round(float(side), 1) for side in frame.box[i]]
    return Peak(float(frame.combined[i]), number, task, tasks, box)


def highest(one: Peak | None, other: Peak | None) -> Peak | None:
    return max((peak for peak in (one, other) if peak), key=lambda peak: peak.score, default=None)


def record(event: Event, clip: str | None) -> dict:
    """An event as it is written: frames and seconds in the source, times of day of live sources.

    clip: its path from the folder, None where it has none.
    """
    peak = event.peak
    return {
        "event": event.number,
        "source": event.source,
        "start_frame": event.start,
        "end_frame": event.end,
        "start": round(event.times[0], 3),
        "end": round(event.times[1], 3),
        "start_clock": time_of_day(event.clocks[0]),
        "end_clock": time_of_day(event.clocks[1]),
        "score": round(event.score, 4),
        "object_score": round(peak.score, 4) if peak else None,
        "object_frame": peak.frame if peak else None,
        "task": peak.task if peak else None,
        "tasks": peak.tasks if peak else None,
        "box": peak.box if peak else None,
        "clip": clip,
    }


def time_of_day(clock: float | None) -> str | None:
    """Seconds since the epoch as ISO 8601, UTC."""
    return clock and datetime.fromtimestamp(clock, UTC).isoformat(timespec="milliseconds")


def describe(source: str, time: float, clock: float | None, score: float, peak: Peak | None) -> str:
    """One line about where an event begins."""
    place = time_of_day(clock) or f"{int(time) // 60}:{time % 60:04.1f}"
    why = f", {peak.task.replace('_', ' ')}" if peak else ""
    return f"{source} at {place}, score {score:.2f}{why}"
