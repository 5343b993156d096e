"""The core of watching: pictures in, the scores of their objects out, in bounded memory.

Detection, crops and scores are the functions of the batch pipeline, so an
object has the scores that `ssmtl score` gives it. Frame i is answered once frame i + t is there.
Detection runs in threads ahead of cropping and scoring.
"""

import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

import numpy as np
import torch

from ssmtl import detection
from ssmtl.core.device import one_torch_thread
from ssmtl.core.errors import InputError
from ssmtl.core.machine import cores
from ssmtl.core.threads import ROOM, Prefetcher, nbytes
from ssmtl.detection.base import Boxes, Detector
from ssmtl.media import motion
from ssmtl.media.blocks import Window
from ssmtl.media.video import Frame
from ssmtl.networks import Network
from ssmtl.scoring.fusion import Calibration, combine, dominant_task
from ssmtl.scoring.objects import ScoringModel, check_range, concatenated
from ssmtl.stages import cubes
from ssmtl.stages.detect import CPU_BATCH, limits_of
from ssmtl.stages.features import seen_features
from ssmtl.watching.likeness import Objects
from ssmtl.watching.memory import Memory
from ssmtl.watching.settings import Scoring
from ssmtl.watching.together import SharedModel, Together

PICTURES = 32  # decoded pictures that wait for the detector
DETECTED = 2  # batches of them that wait for the scorer, besides those in work
LATENCY = 1.0  # seconds that a picture of a slow source waits for others to be detected with


@dataclass(frozen=True)
class Scorer:
    """What scores the objects of a stream; `watcher.load` makes it.

    network: of the embedding, where a task needs it; memory: of what was accepted as normal;
    kept_above: the combined score above which a frame brings its objects, None for none of them.
    """

    detector: Detector
    model: ScoringModel | SharedModel
    calibration: Calibration
    settings: Scoring
    device: torch.device
    network: Network | None = None
    memory: Memory | None = None
    kept_above: float | None = None
    together: Together | None = None  # finds boxes for several streams at a time

    def boxes(self, pictures: Sequence[np.ndarray]) -> Sequence[Boxes]:
        """The objects of each picture; may be called by several threads."""
        return self.together(pictures) if self.together else self.alone(pictures)

    def alone(self, pictures: Sequence[np.ndarray]) -> list[Boxes]:
        return detection.detect(self.detector, pictures, **limits_of(self.settings.detect))

    @property
    def measured(self) -> list[str]:
        """The rows that the model's tasks need of an object beside its cube and classes."""
        return self.model.model.measured

    @property
    def radius(self) -> int:
        return self.settings.cubes.radius


@dataclass(frozen=True)
class ScoredFrame:
    """A frame and its objects; the first and last t frames of a stream have none.

    picture uint8 (H, W, 3) RGB; has_window: whether frames number-t..number+t are all there; box
    float32 (N, 4), x1 y1 x2 y2 in pixels; tasks: float32 (N,) each; combined float32 (N,);
    dominant_task int (N,), the place in `tasks` of the one that brings most to the combined score;
    kind int (N,), the number of each object's class; objects: what the model saw of those above the
    scorer's `kept_above`.
    """

    number: int
    picture: np.ndarray
    has_window: bool
    box: np.ndarray
    tasks: dict[str, np.ndarray]
    combined: np.ndarray
    dominant_task: np.ndarray
    kind: np.ndarray
    objects: Objects | None = None


@dataclass(frozen=True)
class Pending:
    """A frame that waits for those behind it.

    box (N, 4) in pixels, area the same enlarged, float32; class_probs (N, C).
    """

    number: int
    picture: np.ndarray
    time: float
    box: np.ndarray
    area: np.ndarray
    class_probs: np.ndarray


Found = list[tuple[Frame, Boxes]]  # frames and the boxes in them


@dataclass(frozen=True)
class Batch:
    """Frames in which boxes are looked for; nbytes: of their pictures, which wait in `found`."""

    found: Future[Found]
    nbytes: int


def score_stream(frames: Iterable[Frame], scorer: Scorer) -> Iterator[ScoredFrame]:
    """Every frame of one unbroken stretch of video with its objects' scores, in order.

    frames: with pictures of one size and times that ascend, all the same where nobody knows them;
    a thread iterates over them. Raises InputError for a picture of another size and for scores
    that are not in [0, 1].
    """
    stopped = threading.Event()  # of both threads, since the second waits for the first
    waiting = cores() + DETECTED
    with (
        Prefetcher(frames, PICTURES, stopped=stopped) as decoded,
        Prefetcher(detected(decoded, scorer), waiting, 4 * ROOM, stopped=stopped) as batches,
    ):
        yield from scored_blocks((batch.found.result() for batch in batches), scorer)


def detected(decoded: Prefetcher, scorer: Scorer) -> Iterator[Batch]:
    """Batches of frames with the boxes in them, as they are found.

    On a CPU as the stage `detect` finds them: each thread has a batch and one core, since the last
    bits of a box depend on the number of threads, and some pixels of its crops on these.
    """
    settings, shape = scorer.settings.detect, None
    size = settings.batch or scorer.detector.batch or CPU_BATCH
    on_cpu = scorer.device.type == "cpu"

    def boxes_in(batch: list[Frame]) -> Found:
        return list(zip(batch, scorer.boxes([frame.picture for frame in batch]), strict=True))

    with (
        one_torch_thread() if on_cpu else nullcontext(),
        ended_early(ThreadPoolExecutor(cores() if on_cpu else 1), decoded.stopped) as pool,
    ):
        for batch in decoded.batches(min(size, CPU_BATCH) if on_cpu else size, LATENCY):
            for picture, _ in batch:
                shape = shape or picture.shape
                if picture.shape != shape:
                    raise InputError(
                        f"a picture of {picture.shape[1]}x{picture.shape[0]} in a stream of "
                        f"{shape[1]}x{shape[0]}; watch it in parts of one size"
                    )
            yield Batch(pool.submit(boxes_in, batch), nbytes(batch))


@contextmanager
def ended_early(pool: ThreadPoolExecutor, stopped: threading.Event) -> Iterator[ThreadPoolExecutor]:
    """The pool; where it is left early, or `stopped` is set, what waits in it is given up.

    At the usual end all of it is done: others still wait for these results.
    """
    early = True
    try:
        yield pool
        early = stopped.is_set()
    finally:
        pool.shutdown(cancel_futures=early)


def scored_blocks(batches: Iterable[Found], scorer: Scorer) -> Iterator[ScoredFrame]:
    """Frames with the scores of their objects, as soon as the t frames behind each are there.

    batches: frames with their boxes, in order.
    """
    radius, window = scorer.radius, Window(scorer.device)
    waiting: deque[Pending] = deque()
    for batch in batches:
        window.add([frame.picture for frame, _ in batch])
        first = window.stop - len(batch)
        waiting += [pending(number, *each, scorer) for number, each in enumerate(batch, first)]
        there = [waiting.popleft() for _ in range(max(0, len(waiting) - radius))]
        yield from scored(there, waiting[0].time if waiting else None, window, scorer)
        if waiting:
            window.drop(waiting[0].number - radius)
    yield from scored(list(waiting), None, window, scorer)


def pending(number: int, frame: Frame, boxes: Boxes, scorer: Scorer) -> Pending:
    settings = scorer.settings.cubes
    rows = cubes.kept(boxes.box, np.zeros(len(boxes), int), settings)
    box = boxes.box[rows]
    height, width = frame.picture.shape[:2]
    area = cubes.expanded(box, settings.scale, width, height)
    return Pending(number, *frame, box, area, boxes.class_probs[rows])


def scored(
    frames: list[Pending], until: float | None, window: Window, scorer: Scorer
) -> Iterator[ScoredFrame]:
    """Frames with the scores of their objects, which are computed together.

    until: the time of the frame behind them, None where the stream has ended. The first t of a
    stream and these, where it has ended, have no full window.
    """
    ended = until is None
    windowed = [frame for frame in frames if frame.number >= scorer.radius and not ended]
    tasks, objects = task_scores(windowed, until, window, scorer)
    fusion = scorer.settings.score.fusion
    combined = combine(tasks, fusion, scorer.calibration)
    check_range(tasks | {"combined": combined}, "the stream")
    if scorer.memory and objects:
        combined = scorer.memory.relieved(combined, objects)
    first = dominant_task(tasks, fusion, scorer.calibration)
    done = 0
    for frame in frames:
        there = frame.number >= scorer.radius and not ended
        count = len(frame.box) if there else 0
        rows = slice(done, done + count)
        done += count
        yield ScoredFrame(
            frame.number,
            frame.picture,
            there,
            frame.box[:count],
            {name: values[rows] for name, values in tasks.items()},
            combined[rows],
            first[rows],
            frame.class_probs[:count].argmax(1),
            kept(objects, combined, rows, scorer.kept_above),
        )


def kept(
    objects: Objects | None, combined: np.ndarray, rows: slice, above: float | None
) -> Objects | None:
    """Of a frame's objects, which are these rows of all, those with a higher combined score."""
    if objects is None or above is None:
        return None
    chosen = rows.start + np.flatnonzero(combined[rows] > above)
    return objects[chosen] if len(chosen) else None


def task_scores(
    frames: list[Pending], until: float | None, window: Window, scorer: Scorer
) -> tuple[dict[str, np.ndarray], Objects | None]:
    """The task scores of all objects of neighbouring frames, float32 (N,) per task, and the objects
    where somebody asks for them. until: the time of the frame behind them."""
    wanted = scorer.kept_above is not None or bool(scorer.memory)
    objects: list[Objects] = []
    names, batch = list(scorer.model.tasks), scorer.settings.score.batch
    if not any(len(frame.box) for frame in frames):
        return concatenated([], names), None
    place = np.repeat(np.arange(len(frames)), [len(frame.box) for frame in frames])
    number = frames[0].number + place
    step = motion.steps(np.array([*(frame.time for frame in frames), until]), place)
    box, area = (np.concatenate([getattr(f, name) for f in frames]) for name in ("box", "area"))
    probs = np.concatenate([frame.class_probs for frame in frames])
    size, parts = scorer.settings.cubes.size, []
    for start in range(0, len(number), batch):
        rows = slice(start, start + batch)
        crops = window.cubes(number[rows], area[rows], scorer.radius, size)
        places = scorer.measured, scorer.network, window, number[rows], box[rows], step[rows]
        seen = seen_features(*places, scorer.settings.features) if scorer.measured else {}
        targets = {"class_probs": probs[rows]} | seen
        parts.append(scorer.model(crops, targets))
        if wanted:
            objects.append(Objects(crops.cpu().numpy(), targets))
    return concatenated(parts, names), Objects.joined(objects) if wanted else None
