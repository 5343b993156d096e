"""Events of a watched stream: runs of frames above the threshold, as lines, rows and clips."""

import csv
import json
import logging
from collections import deque
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ssmtl.media import codec
from ssmtl.media.drawing import draw_boxes
from ssmtl.media.writer import VideoWriter
from ssmtl.watching.stream import ScoredFrame

log = logging.getLogger(__name__)

LINES, TABLE, CLIPS = "events.jsonl", "events.csv", "clips"
QUALITY = 90  # of the JPEG pictures that wait for an event


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
    peak: Peak | None


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
    path: Path
    later: Peak | None = None  # of the frames below the threshold that may still end it
    stack: ExitStack = field(default_factory=ExitStack)
    written: int = 0  # frames of the clip


class Recorder:
    """Finds the events of a stream, and writes them into a folder as it goes on."""

    def __init__(self, folder: Path, threshold: float, settings: dict, lag: int):
        """settings: the section watch; lag: frames by which a smoothed score may follow what it
        comes from, so that an event's strongest object may be so long before it."""
        self.folder, self.threshold, self.settings, self.lag = folder, threshold, settings, lag
        self.count, self.event, self.recent = 0, None, deque()

    def begin(self, source: str, fps: float) -> None:
        """A new segment: nothing before it belongs to its events."""
        self.source, self.fps = source, fps
        self.before, self.after = (round(self.settings[k] * fps) for k in ("before", "after"))
        self.limit = round(self.settings["clip_limit"] * fps)
        self.recent = deque(maxlen=max(self.before, self.lag, 1))

    def add(
        self, frame: ScoredFrame, number: int, score: float, time: float, clock: float | None
    ) -> None:
        """The next frame, its number in the source, its smoothed score and when it was."""
        peak = peak_of(frame, number)
        picture = frame.picture.copy()
        words = peak.task.replace("_", " ") if peak else ""
        draw_boxes(picture, frame.box, frame.combined, words, min(1, 2 * self.threshold))
        if self.event is None and score > self.threshold:
            self.open(number, score, time, clock)
        if event := self.event:
            self.write(picture)
            event.later = highest(event.later, peak)
            if score > self.threshold:
                event.end, event.score = number, max(event.score, score)
                event.times[1], event.clocks[1] = time, clock
                event.peak, event.later = highest(event.peak, event.later), None
            elif number - event.end >= self.after:
                self.finish()
        self.recent.append(Seen(codec.encode_jpeg(picture, QUALITY), peak))

    def open(self, number: int, score: float, time: float, clock: float | None) -> None:
        """Begins an event and its clip with the seconds before it."""
        self.count += 1
        path = self.folder / CLIPS / f"event_{self.count:04d}.mp4"
        peak = None
        for seen in list(self.recent)[-self.lag :] if self.lag else []:
            peak = highest(peak, seen.peak)
        self.event = Event(
            self.count, self.source, number, number, [time] * 2, [clock] * 2, score, peak, path
        )
        log.info("event %d begins: %s", self.count, describe(self.source, time, clock, score, peak))
        self.clip = self.event.stack.enter_context(VideoWriter(path, self.fps))
        for seen in list(self.recent)[-self.before :] if self.before else []:
            self.write(codec.decode_image(seen.jpeg, "a kept picture"))

    def write(self, picture: np.ndarray) -> None:
        """Adds to the clip, up to its limit."""
        if self.event.written < self.limit:
            self.clip.write(picture)
            self.event.written += 1

    def finish(self) -> None:
        """Ends the event that goes on, if there is one, and writes its line and row."""
        event, self.event = self.event, None
        if event is None:
            return
        event.stack.close()
        row = record(event, self.folder)
        with open(self.folder / LINES, "a") as file:
            file.write(json.dumps(row) + "\n")
        flat = {k: v for k, v in row.items() if k not in ("box", "tasks")}
        flat |= dict(zip(("x1", "y1", "x2", "y2"), row["box"] or [""] * 4, strict=True))
        new = not (self.folder / TABLE).exists()
        with open(self.folder / TABLE, "a", newline="") as file:
            table = csv.DictWriter(file, flat)
            if new:
                table.writeheader()
            table.writerow(flat)
        log.info(
            "event %d ends after %.1f s: %s", event.number, row["end"] - row["start"], row["clip"]
        )


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


def record(event: Event, folder: Path) -> dict:
    """An event as it is written: frames and seconds in the source, times of day of live sources."""
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
        "clip": str(event.path.relative_to(folder)),
    }


def time_of_day(clock: float | None) -> str | None:
    """Seconds since the epoch as ISO 8601, UTC."""
    return clock and datetime.fromtimestamp(clock, UTC).isoformat(timespec="milliseconds")


def describe(source: str, time: float, clock: float | None, score: float, peak: Peak | None) -> str:
    """One line about where an event begins."""
    place = time_of_day(clock) or f"{int(time) // 60}:{time % 60:04.1f}"
    why = f", {peak.task.replace('_', ' ')}" if peak else ""
    return f"{source} at {place}, score {score:.2f}{why}"
