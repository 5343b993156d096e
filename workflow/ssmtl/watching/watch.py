"""`ssmtl watch`: scores a stream as it comes, and writes its events with a clip of each."""

import csv
import logging
import signal
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

from ssmtl.core.device import memory_errors
from ssmtl.core.errors import InputError
from ssmtl.core.progress import progress
from ssmtl.evaluation.anomaly_map import causal_weights
from ssmtl.media import polygons
from ssmtl.watching import folder as watcher
from ssmtl.watching import sources, threshold
from ssmtl.watching.events import Recorder
from ssmtl.watching.frame_scores import scored_frames
from ssmtl.watching.stream import ScoredFrame, Scorer

log = logging.getLogger(__name__)


def watch(source: str, *, model: Path, output: Path, scores: bool, settings: dict) -> None:
    """Watches a video file, a folder, a URL or a camera device with a watcher.

    output: a new folder for events.jsonl, events.csv and clips/; with `scores` also objects.csv
    and frames.csv, every score there is. settings: the section watch. Raises InputError for a
    watcher or a source that is none, and for an output folder that is in use.
    """
    stages, normal = watcher.read_watcher(model)
    if output.exists() and any(output.iterdir()):
        raise InputError(f"{output}: not empty; give another --output, or delete it")
    ignored = [stages["cubes"]["ignore"], polygons.read(settings["ignore"])]
    stages["cubes"]["ignore"] = "; ".join(filter(None, ignored))
    scorer = watcher.scorer_of(model, stages)
    limit = settings["threshold"] or threshold.choose(
        normal, settings["false_alarms_per_hour"], settings["after"]
    )
    output.mkdir(parents=True, exist_ok=True)
    sigma = stages["evaluate"]["sigma"]
    recorder = Recorder(output, limit, settings, len(causal_weights(sigma)) if sigma else 1)
    start, frames = time.monotonic(), 0
    with ExitStack() as stack:
        stopped = stack.enter_context(interruptible())
        stack.enter_context(memory_errors("watch", "lower detect.batch, or free the GPU"))
        tables = stack.enter_context(Tables(output, scorer)) if scores else None
        stack.callback(recorder.finish)
        for segment in sources.segments(source, settings, stopped):
            recorder.begin(segment.name, segment.fps)
            found = progress(watched(segment, scorer), "watch", "frame", segment.total)
            for number, frame, raw, smoothed, when, clock in found:
                recorder.add(frame, number, smoothed, when, clock)
                if tables:
                    tables.add(segment.name, frame, number, raw, smoothed)
                frames += 1
            recorder.finish()
    seconds = time.monotonic() - start
    log.info(
        "watch: %d frames in %.1f s, %.1f frames/s; %d events in %s",
        *(frames, seconds, frames / seconds, recorder.count, output),
    )


def watched(segment: sources.Segment, scorer: Scorer) -> Iterator[tuple]:
    """(number, frame, raw score, smoothed score, time, clock) of every frame of a segment."""
    times: deque[tuple[float, float | None]] = deque()

    def pictures() -> Iterator[np.ndarray]:
        for frame in segment.frames:
            times.append((frame.time, frame.clock))
            yield frame.picture

    for number, (frame, *both) in enumerate(scored_frames(pictures(), scorer), segment.first):
        yield number, frame, *both, *times.popleft()
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
    """objects.csv and frames.csv, written as the stream goes on; use as a context manager."""

    def __init__(self, folder: Path, scorer: Scorer):
        self.folder, self.tasks = folder, list(scorer.model.tasks)

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
        table = csv.writer(self.stack.enter_context(path.open("w", newline="")))
        table.writerow(header)
        return table

    def add(
        self, source: str, frame: ScoredFrame, number: int, raw: float, smoothed: float
    ) -> None:
        columns = (*frame.box.T, *frame.tasks.values(), frame.combined)
        for row in zip(*columns, strict=True):
            self.objects.writerow([source, number, *(f"{value:.6f}" for value in row)])
        self.frames.writerow([source, number, f"{raw:.6f}", f"{smoothed:.6f}"])

    def __exit__(self, *_) -> None:
        self.stack.close()
