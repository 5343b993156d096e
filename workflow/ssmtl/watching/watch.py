"""`ssmtl watch`: scores a stream as it comes, and writes its events with a clip of each."""

import csv
import fcntl
import logging
import math
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np

from ssmtl.core import store
from ssmtl.core.device import memory_errors
from ssmtl.core.errors import InputError
from ssmtl.core.progress import progress
from ssmtl.core.settings import seconds
from ssmtl.core.spreadsheet import safe_cell
from ssmtl.evaluation.anomaly_map import causal_weights
from ssmtl.media import polygons
from ssmtl.media.video import Frame, Thinned
from ssmtl.scoring.objects import predictions
from ssmtl.watching import folder as watcher
from ssmtl.watching import sources, threshold
from ssmtl.watching.address import Address, address
from ssmtl.watching.alerts import Alert
from ssmtl.watching.events import Meaning, Recorder
from ssmtl.watching.frame_scores import scored_frames
from ssmtl.watching.health import Health
from ssmtl.watching.journal import LINES
from ssmtl.watching.level import Level, Settling
from ssmtl.watching.settings import Scoring, Watch
from ssmtl.watching.sinks import Outboxes, sinks_of
from ssmtl.watching.stream import ScoredFrame, Scorer

log = logging.getLogger(__name__)

LOCK = ".watching"
FINISHING = 4.0  # seconds for what is there when watching is stopped
MEASURED = 3.0  # seconds after which a rate is known
UNLIKE = 1.25  # ratio of two rates that is said


def watch(
    source: str,
    *,
    model: Path,
    output: Path,
    name: str | None,
    on_event: str | None,
    mqtt: str | None,
    notify: Sequence[str],
    scores: bool,
    settings: Watch,
) -> None:
    """Watches a video file, a folder, a URL or a camera device with a watcher.

    output: a folder for events.jsonl, events.csv, clips/ and snapshots/, new or continued; with
    `scores` also objects.csv and frames.csv, every score there is. name: of the camera, in alerts;
    on_event, mqtt, notify: who is told of events, see `sinks.sinks_of`. settings: the section
    watch. Raises InputError for a watcher or a source that is none, and for an output folder that
    is in use.
    """
    refuse_foreign(output)
    place = address(source)
    camera = name or (place.name if isinstance(place, Address) else place.stem)
    start, frames = time.monotonic(), 0
    with ExitStack() as stack:
        told = stack.enter_context(Outboxes(sinks_of(camera, on_event, mqtt, notify)))
        ready = opened(model, settings)
        stack.enter_context(alone_in(output))
        recorder = ready.recorder(output, told.put, name)
        if recorder.count:
            log.info("%s: continued behind event %d", output, recorder.count)
        stopped = stack.enter_context(interruptible())
        tables = stack.enter_context(Tables(output, ready.scorer)) if scores else None
        for item in stack.enter_context(closing(found_in(place, ready, recorder, stopped))):
            if isinstance(item, FoundFrame):
                frames += 1
                if tables:
                    tables.add(item)
    taken = time.monotonic() - start
    log.info(
        "watch: %d frames in %.1f s, %.1f frames/s; %d events in %s",
        *(frames, taken, frames / taken, recorder.found, output),
    )


class FoundFrame(NamedTuple):
    """A scored frame. source: the clip or stream; number: of the frame in it; time: seconds from
    its start; clock: seconds since the epoch when it arrived, None where it is a recording; raw,
    smoothed: the frame's score; scored: its picture and objects."""

    source: str
    number: int
    time: float
    clock: float | None
    raw: float
    smoothed: float
    scored: ScoredFrame


class Ready(NamedTuple):
    """A watcher that is ready: its folder, its scorer, the threshold of its events and what that
    promises (None where it was given), the normal video it comes from, the section watch, and a
    digest of all in the folder that decides a score."""

    folder: Path

    scorer: Scorer
    threshold: float
    promise: threshold.Promise | None
    normal: list[threshold.NormalClip]
    settings: Watch
    mark: str

    def recorder(
        self,
        folder: Path | None,
        tell: Callable[[Alert], None] | None = None,
        name: str | None = None,
    ) -> Recorder:
        """What finds events, writes them where there is a folder, and tells of them.

        name: of the camera, in what is told.
        """
        sigma = self.scorer.settings.evaluate.sigma
        lag = len(causal_weights(sigma)) if sigma else 1
        origin = {"model": str(self.folder.resolve()), "mark": self.mark}
        network = self.scorer.model.model

        def predict(cube: np.ndarray) -> np.ndarray | None:
            return next(iter(predictions(network, cube[None]).get("middle_box", ())), None)

        quantiles = self.scorer.calibration.quantiles
        meaning = Meaning(self.scorer.detector.classes, quantiles, predict)
        return Recorder(folder, self.threshold, self.settings, lag, meaning, tell, name, origin)

    def level(self, folder: Path | None) -> Level:
        """What settles the threshold and tells drift; where there is a folder, what was seen is
        kept in it."""
        settle = self.settings.settle
        mark = store.digest(self.mark, self.scorer.settings.cubes.ignore)
        settling = Settling(folder, seconds(settle), mark) if settle else None
        return Level(self.promise, self.normal, settling)


def opened(
    model: Path, settings: Watch, scorer_of: Callable[[Path, Scoring], Scorer] | None = None
) -> Ready:
    """A watcher's folder, ready to score; InputError for a folder that is none.

    scorer_of: makes the scorer of a folder and the settings of its stages; `watcher.scorer_of`
    where not given.
    """
    stages, normal, asked = watcher.read_watcher(model)
    ignored = [stages.cubes.ignore, polygons.read(settings.ignore or "")]
    ignore = "; ".join(filter(None, ignored)) or None
    seen = stages.cubes.model_copy(update={"ignore": ignore})
    stages = stages.model_copy(update={"cubes": seen})
    scorer = (scorer_of or watcher.scorer_of)(model, stages)
    limit, promise = settings.threshold, None
    if limit is None:
        promise = threshold.choose(normal, settings.false_alarms_per_hour or asked, settings.after)
        threshold.say(promise)
        limit = promise.threshold
    elif settings.settle:
        raise InputError("watch: --settle chooses the threshold, so give no --threshold")
    mark = watcher.digest(model)
    return Ready(model, scorer, limit, promise, normal, settings, mark)


def found_in(
    source: str | Path | Address,
    ready: Ready,
    recorder: Recorder,
    stopped: threading.Event,
    health: Health | None = None,
) -> Generator[FoundFrame | dict, None, None]:
    """Every frame of a source in order, and each event, as `events.record` has it, behind the
    frame that ends it.

    stopped: an event that ends the source; health: where it is counted, in place of the lines about
    progress. Raises InputError for a source that cannot be opened.
    """
    with ExitStack() as stack:
        stack.enter_context(memory_errors("watch", "lower detect.batch, or free the GPU"))
        stack.callback(recorder.close)
        level, after = ready.level(recorder.folder), ready.settings.after
        stack.callback(level.close)
        recorder.hold(level.settled(after))
        scorer = replace(ready.scorer, kept_above=recorder.threshold if recorder.folder else None)
        pace = Pace([clip.fps for clip in ready.normal])
        dropped = health.drop if health else lambda count: None
        for segment in sources.segments(source, ready.settings, stopped, dropped):
            recorder.begin(segment.name, segment.fps)
            pace.begin(segment.name)
            level.begin(segment.name)
            scored = watched(segment, scorer)
            if health is None:
                total = segment.total_at(scorer.settings.frames.fps)
                scored = progress(scored, "watch", "frame", total)
            for number, frame, raw, smoothed, when, clock in until_stopped(scored, stopped):
                event = recorder.add(frame, number, smoothed, when, clock)
                pace.add(when)
                recorder.hold(level.add(when, smoothed, after))
                if health:
                    health.frame(smoothed, clock)
                    health.seen(recorder.found, recorder.threshold, level.drift.said)
                yield FoundFrame(segment.name, number, when, clock, raw, smoothed, frame)
                if event:
                    yield event
            if event := recorder.finish():
                yield event


def refuse_foreign(output: Path) -> None:
    """InputError for a folder with files that are no watcher's."""
    if output.exists() and not output.is_dir():
        raise InputError(f"{output}: not a folder; give another --output")
    if output.is_dir() and any(output.iterdir()) and not (output / LINES).exists():
        raise InputError(f"{output}: not empty; give another --output, or delete it")


@contextmanager
def alone_in(output: Path) -> Iterator[None]:
    """Holds an output folder for this watcher; InputError where another one writes into it."""
    with ExitStack() as stack:
        try:
            output.mkdir(parents=True, exist_ok=True)
            lock = stack.enter_context((output / LOCK).open("a"))
        except OSError as error:
            raise InputError(
                f"{output}: cannot be written to ({error.strerror}); give another --output"
            ) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in store.NO_LOCKS:
                raise InputError(
                    f"{output}: another watcher writes here; give another --output"
                ) from error
            log.warning("%s: no locks on this file system; let one watcher write here", output)
        yield


def until_stopped(items: Iterable, stopped: threading.Event) -> Iterator:
    """The items; once `stopped` is set, those that come within a few seconds."""
    end = math.inf
    for item in items:
        yield item
        if stopped.is_set():
            end = min(end, time.monotonic() + FINISHING)
            if time.monotonic() >= end:
                return


class Pace:
    """Says, once per source, where frames come at another rate than the model has learnt from."""

    def __init__(self, learnt: list[float]):
        self.learnt = median(learnt) if learnt else None
        self.said: set[str] = set()
        self.start: float | None = None  # of the source, seconds

    def begin(self, name: str) -> None:
        self.name, self.start, self.count = name, None, 0

    def add(self, time: float) -> None:
        """The time of the next frame."""
        self.start = time if self.start is None else self.start
        self.count += 1
        span = time - self.start
        if span < MEASURED or self.learnt is None or self.name in self.said:
            return
        self.said.add(self.name)
        rate = (self.count - 1) / span
        if not 1 / UNLIKE < rate / self.learnt < UNLIKE:
            log.warning(
                "%s: %.3g frames/s, but the model has learnt from %.3g; motion looks faster or "
                "slower to it: learn from video of this rate",
                *(self.name, rate, self.learnt),
            )


def watched(segment: sources.Segment, scorer: Scorer) -> Iterator[tuple]:
    """(number, frame, raw score, smoothed score, time, clock) of every frame of a segment, thinned
    to the rate of the model where that has one."""
    times: deque[tuple[int, float, float | None]] = deque()
    thinned = Thinned(scorer.settings.frames.fps)

    def frames() -> Iterator[Frame]:
        for number, frame in enumerate(segment.frames, segment.first):
            if thinned.keeps(frame.time):
                times.append((number, frame.time, frame.clock))
                yield segment.timed(frame)

    for frame, *both in scored_frames(frames(), scorer):
        number, *when = times.popleft()
        yield number, frame, *both, *when
    if times:
        log.warning(
            "%s: %d frames are fewer than the %d of one cube, and not scored",
            *(segment.name, len(times), 2 * scorer.radius + 1),
        )


@contextmanager
def interruptible() -> Iterator[threading.Event]:
    """An event that Ctrl-C or SIGTERM sets, so that all that is there is finished; a second one
    ends at once."""
    stopped = threading.Event()
    usual = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def restore() -> None:
        for number, handler in usual.items():
            signal.signal(number, handler)

    def stop(*_) -> None:
        log.info("watch: stopping; what is there is finished first")
        stopped.set()
        restore()

    for number in usual:
        signal.signal(number, stop)
    try:
        yield stopped
    finally:
        restore()


class Tables:
    """objects.csv and frames.csv, written as the stream goes on; use as a context manager.

    Those that are there are continued. Where they cannot be written, a line says so, once.
    """

    def __init__(self, folder: Path, scorer: Scorer):
        self.folder, self.tasks, self.failed = folder, list(scorer.model.tasks), False

    def __enter__(self) -> "Tables":
        self.stack = ExitStack()
        header = {
            "objects": ["source", "frame", "x1", "y1", "x2", "y2", *self.tasks, "combined"],
            "frames": ["source", "frame", "combined", "combined_smoothed"],
        }
        self.objects, self.frames = (self.begun(name, columns) for name, columns in header.items())
        return self

    def begun(self, name: str, header: list[str]):
        """The writer of a table that has its header."""
        path = self.folder / f"{name}.csv"
        file = self.stack.enter_context(path.open("a", newline="", encoding="utf-8"))
        table = csv.writer(file)
        if not file.tell():
            table.writerow(header)
        return table

    def add(self, found: FoundFrame) -> None:
        if self.failed:
            return
        frame, place = found.scored, [safe_cell(found.source), found.number]
        columns = (*frame.box.T, *frame.tasks.values(), frame.combined)
        try:
            for row in zip(*columns, strict=True):
                self.objects.writerow([*place, *(f"{value:.6f}" for value in row)])
            self.frames.writerow([*place, f"{found.raw:.6f}", f"{found.smoothed:.6f}"])
        except OSError as error:
            self.fail(error)

    def fail(self, error: OSError) -> None:
        self.failed = True
        log.warning("%s: no more rows of scores: %s", self.folder, error.strerror or error)

    def __exit__(self, *_) -> None:
        try:
            self.stack.close()
        except OSError as error:
            self.fail(error)
