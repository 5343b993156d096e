"""Events of a watched stream: runs of frames above the threshold, with a clip and a snapshot.

Lines, rows and what is told of them come first: a full disk or an encoder that fails costs clips
and snapshots, never those.
"""

import logging
import time as clocks
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ssmtl.core import store
from ssmtl.core.errors import InputError
from ssmtl.media import codec
from ssmtl.media.drawing import draw_boxes, draw_clock
from ssmtl.media.writer import VideoWriter
from ssmtl.scoring.fusion import calibrated
from ssmtl.watching import words
from ssmtl.watching.accepted import Strange
from ssmtl.watching.alerts import BEGIN, END, Alert
from ssmtl.watching.journal import CLIPS, SNAPSHOTS, Journal
from ssmtl.watching.page import SHOWN, write_page
from ssmtl.watching.settings import Watch
from ssmtl.watching.stream import ScoredFrame
from ssmtl.watching.threshold import Promise

log = logging.getLogger(__name__)

QUALITY = 90  # of the JPEG pictures that wait for an event
KEPT = 128 << 20  # bytes of them at most, whatever the rate
ROUNDING = 1e-4  # seconds, of time stamps
NOTED = 1.0  # seconds between two notes of the event in progress


class Peak(NamedTuple):
    """The highest-scoring object of a frame, or of several."""

    score: float
    frame: int
    kind: int  # the number of its class
    task: str
    tasks: dict[str, float]
    box: list[float]  # x1 y1 x2 y2 in pixels
    jpeg: bytes  # of its frame, drawn
    cube: np.ndarray | None  # its crops in time, uint8 (2t+1, S, S, 3)


class Seen(NamedTuple):
    """A frame as it is kept for a while: drawn and encoded."""

    jpeg: bytes
    time: float


@dataclass(frozen=True)
class Meaning:
    """What numbers of a model mean: its detector's classes, per task the ascending quantiles (Q,)
    of normal objects' scores, and what predicts the middle crop (S, S, 3) of a cube."""

    classes: Sequence[str] = ()
    quantiles: dict[str, np.ndarray] = field(default_factory=dict)
    predict: Callable[[np.ndarray], np.ndarray | None] = lambda cube: None

    def name(self, kind: int) -> str | None:
        return self.classes[kind] if kind < len(self.classes) else None

    def shares(self, tasks: dict[str, float]) -> dict[str, float]:
        """The share of normal objects that score lower, per task."""
        return {
            task: round(float(calibrated(np.array([tasks[task]]), quantiles)[0]), 4)
            for task, quantiles in self.quantiles.items()
            if task in tasks
        }

    def normal(self) -> dict[str, list[float]]:
        """The median of normal objects' scores, and what 99 % of them stay below, per task."""
        return {
            task: [round(float(value), 4) for value in np.quantile(quantiles, (0.5, 0.99))]
            for task, quantiles in self.quantiles.items()
        }


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
    told: bool = False  # whether it was told that it begins


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


class Recorder:
    """Finds the events of a stream, writes them into a folder, where it has one, and tells of
    them."""

    def __init__(
        self,
        folder: Path | None,
        threshold: float,
        settings: Watch,
        lag: int,
        meaning: Meaning = Meaning(),
        tell: Callable[[Alert], None] | None = None,
        name: str | None = None,
        origin: dict | None = None,
    ):
        """folder: one that has events already is continued. settings: the section watch; lag:
        frames by which a smoothed score may follow what it comes from, so that an event's strongest
        object may be so long before it; tell: gets an alert when an event begins and when it ends;
        name: of the camera, in what is told; origin: the watcher's folder and digest, for `ssmtl
        normal`."""
        self.strange = Strange(folder, origin or {}, lag)
        self.folder, self.threshold, self.settings, self.lag = folder, threshold, settings, lag
        self.meaning, self.tell, self.name = meaning, tell, name
        self.journal = Journal(folder, list(meaning.quantiles)) if folder else None
        self.count, self.found, self.event = self.journal.last if self.journal else 0, 0, None
        self.clip: Clip | None = None
        self.noted = 0.0  # when the event in progress was written down
        self.recent: deque[Seen] = deque()
        self.peaks: deque[Peak | None] = deque(maxlen=max(lag, 1))
        if self.journal and (row := self.journal.interrupted):
            log.info("event %d was interrupted: watching had been killed", row["event"])
            self.journal.add(row)
            self.say(END, row, b"")
        self.show()

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
        self.strange.add(frame.objects)
        ended, picture, jpeg = None, frame.picture, b""
        if self.folder or self.tell:
            picture = self.drawn(frame, time, clock)
            jpeg = codec.encode_jpeg(picture, QUALITY)
        peak = peak_of(frame, number, jpeg)
        if self.event is None and score > self.threshold:
            self.open(number, score, time, clock, peak)
        if event := self.event:
            if self.clip:
                self.clip.write(picture, time)
            event.later = highest(event.later, peak)
            if score > self.threshold:
                event.end, event.score = number, max(event.score, score)
                event.times[1], event.clocks[1] = time, clock
                event.peak, event.later = highest(event.peak, event.later), None
                if event.peak and not event.told:
                    self.announce()
                self.note()
            elif time - event.times[1] >= self.settings.after - ROUNDING:
                ended = self.finish("calm")
        self.keep(jpeg, time)
        self.peaks.append(peak)
        if self.journal:
            self.journal.flush(patient=True)
        return ended

    def drawn(self, frame: ScoredFrame, time: float, clock: float | None) -> np.ndarray:
        """The picture with all boxes, the clock, and a label where an object is above the
        threshold: the strongest alone."""
        picture, text = frame.picture.copy(), ""
        if len(frame.combined) and frame.combined.max() > self.threshold:
            first = int(frame.combined.argmax())
            kind = self.meaning.name(int(frame.kind[first]))
            task = words.of_task(list(frame.tasks)[frame.dominant_task[first]])
            text = f"{kind}, {task}" if kind else task
        top = min(1, 2 * self.threshold)
        draw_boxes(picture, frame.box, frame.combined, text, top, numbers=False)
        draw_clock(picture, words.shown_time(time, clock))
        return picture

    def keep(self, jpeg: bytes, time: float) -> None:
        """Keeps a picture for the clip of an event that may begin within `before` seconds."""
        before = self.settings.before if self.folder else 0
        if before > 0:
            self.recent.append(Seen(jpeg, time))
            self.kept += len(jpeg)
        while self.recent and (time - self.recent[0].time >= before or self.kept > KEPT):
            self.kept -= len(self.recent.popleft().jpeg)

    def open(
        self, number: int, score: float, time: float, clock: float | None, peak: Peak | None
    ) -> None:
        """Begins an event and its clip with the seconds before it, and tells of it."""
        self.count, self.found = self.count + 1, self.found + 1
        for seen in self.peaks if self.lag else ():
            peak = highest(peak, seen)
        self.event = Event(
            self.count, self.source, number, number, [time] * 2, [clock] * 2, score, peak
        )
        if peak:
            self.announce()
        self.strange.open()
        if self.folder is None:
            return
        path = self.clip_path()
        self.clip = Clip(path, self.fps, self.settings.clip_limit)
        for seen in self.recent:
            if time - seen.time <= self.settings.before + ROUNDING:
                self.clip.write(codec.decode_image(seen.jpeg, "a kept picture"), seen.time)

    def clip_path(self) -> Path | None:
        """Where the clip of the event that goes on will be."""
        return self.folder / CLIPS / f"event_{self.event.number:04d}.mp4" if self.folder else None

    def announce(self) -> None:
        """Tells that an event begins, once its strongest object is known: the first frames of a
        stream have none."""
        self.event.told, peak = True, self.event.peak
        row = self.note(at_once=True)
        log.info("event %d begins: %s", self.event.number, describe(row))
        self.show(row)
        self.say(BEGIN, row, peak.jpeg if peak else b"", self.clip_path())

    def note(self, at_once: bool = False) -> dict:
        """Writes down the event that goes on, and its snapshot, as it stands; now and then only,
        unless `at_once`."""
        if not at_once and clocks.monotonic() - self.noted < NOTED:
            return {}
        self.noted = clocks.monotonic()
        row = record(self.event, self.meaning)
        if self.journal:
            row["snapshot"] = self.snapshot()
            self.journal.going_on(row)
        return row

    def snapshot(self) -> str | None:
        """Writes the culprit's frame; its path from the folder, None where there is none."""
        if self.event.peak is None:
            return None
        path = self.folder / SNAPSHOTS / f"event_{self.event.number:04d}.jpg"
        try:
            with store.replacing(path) as temporary:
                temporary.write_bytes(self.event.peak.jpeg)
        except (OSError, InputError) as error:
            log.warning("%s: no snapshot of this event: %s", path, error)
            return None
        return str(path.relative_to(self.folder))

    def finish(self, why: str = "source") -> dict | None:
        """Ends the event that goes on, and writes its line and row; returns it, None for none.

        why: `calm` where frames fell below the threshold, `source` where there are no more.
        """
        if self.event is None:
            return None
        if not self.event.told:
            self.announce()
        clip, self.clip = self.clip, None
        row = self.note(at_once=True) | {"ended_by": why}
        self.strange.close(row)
        row["clip"] = str(clip.path.relative_to(self.folder)) if clip and clip.close() else None
        event, self.event = self.event, None
        if self.journal:
            row |= crops_of(event, self.meaning, self.folder)
            self.journal.add(row)
            self.show()
        log.info(
            "event %d ends after %.1f s: %s",
            *(event.number, row["end"] - row["start"], row["clip"] or "no clip"),
        )
        path = self.folder / row["clip"] if self.folder and row["clip"] else None
        self.say(END, row, event.peak.jpeg if event.peak else b"", path)
        return row

    def show(self, row: dict | None = None) -> None:
        """Writes the page anew; row: the event that goes on."""
        if self.journal is None:
            return
        events = [*([row] if row else []), *reversed(self.journal.recent)]
        name = self.name or (events[0]["source"] if events else self.folder.name)
        try:
            write_page(self.folder, name, events[:SHOWN], self.journal.total + bool(row))
        except (OSError, InputError) as error:
            log.warning("%s: no page of events: %s", self.folder, error)

    def say(self, kind: str, row: dict, snapshot: bytes, clip: Path | None = None) -> None:
        """Tells of an event's begin or end."""
        if self.tell:
            text = words.sentence(row, self.name)
            if kind == END:
                text = f"over after {row['end'] - row['start']:.0f} s: {text}"
            self.tell(Alert(kind, row, text, snapshot, clip))

    def close(self) -> None:
        """Ends the event that goes on, and what waits to be written."""
        self.finish()
        if self.journal:
            self.journal.close()


def peak_of(frame: ScoredFrame, number: int, jpeg: bytes) -> Peak | None:
    """The highest-scoring object of a frame, None where it has none."""
    if not len(frame.combined):
        return None
    i = int(frame.combined.argmax())
    tasks = {name: round(float(values[i]), 4) for name, values in frame.tasks.items()}
    task = list(tasks)[frame.dominant_task[i]]
    box = [round(float(side), 1) for side in frame.box[i]]
    kind = int(frame.kind[i])
    return Peak(float(frame.combined[i]), number, kind, task, tasks, box, jpeg, cube_of(frame, i))


def cube_of(frame: ScoredFrame, row: int) -> np.ndarray | None:
    """The cube (2t+1, S, S, 3) of an object, where it is among those that the frame has kept: the
    highest-scoring ones, in their order."""
    if frame.objects is None:
        return None
    kept = np.sort(np.argsort(frame.combined, kind="stable")[-len(frame.objects) :])
    place = np.flatnonzero(kept == row)
    return frame.objects.cubes[place[0]] if len(place) else None


def highest(one: Peak | None, other: Peak | None) -> Peak | None:
    return max((peak for peak in (one, other) if peak), key=lambda peak: peak.score, default=None)


def crops_of(event: Event, meaning: Meaning, folder: Path) -> dict[str, str]:
    """Writes the crops of an event's strongest object, and its middle one beside the one predicted
    and their difference; their paths from the folder."""
    if event.peak is None or event.peak.cube is None:
        return {}
    cube, found = event.peak.cube, {}
    try:
        parts = {"crops": np.concatenate(list(cube), 1)}
        if (predicted := meaning.predict(cube)) is not None:
            middle = cube[len(cube) // 2]
            difference = np.abs(middle.astype(int) - predicted).astype(np.uint8)
            parts["middle"] = np.concatenate((middle, predicted, difference), 1)
        for key, picture in parts.items():
            path = folder / SNAPSHOTS / f"event_{event.number:04d}_{key}.jpg"
            with store.replacing(path) as temporary:
                temporary.write_bytes(codec.encode_jpeg(picture, QUALITY))
            found[key] = str(path.relative_to(folder))
    except Exception as error:  # pictures may not end watching
        log.warning("event %d: no crops: %s", event.number, error)
    return found


def record(event: Event, meaning: Meaning) -> dict:
    """An event as it is written: frames and seconds in the source, times of day of live sources,
    and of its strongest object class, scores, shares of normal objects below these, box.

    normal: median and 99 % quantile of normal objects' scores; clip, snapshot: paths from the
    folder, None where there is none.
    """
    peak = event.peak
    return {
        "event": event.number,
        "source": event.source,
        "start_frame": event.start,
        "end_frame": event.end,
        "start": round(event.times[0], 3),
        "end": round(event.times[1], 3),
        "start_clock": words.time_of_day(event.clocks[0]),
        "end_clock": words.time_of_day(event.clocks[1]),
        "score": round(event.score, 4),
        "object_score": round(peak.score, 4) if peak else None,
        "object_frame": peak.frame if peak else None,
        "class": meaning.name(peak.kind) if peak else None,
        "task": peak.task if peak else None,
        "words": words.of_task(peak.task if peak else None),
        "tasks": peak.tasks if peak else None,
        "shares": meaning.shares(peak.tasks) if peak else None,
        "normal": meaning.normal(),
        "box": peak.box if peak else None,
        "ended_by": None,
        "clip": None,
        "snapshot": None,
    }


def describe(row: dict) -> str:
    """One line about where an event begins."""
    place = row["start_clock"] or words.in_recording(row["start"])
    name = f", {row['class']}" if row["class"] else ""
    return f"{row['source']} at {place}, score {row['score']:.2f}{name}, {row['words']}"
