"""Frame scores of a stream, one by one, equal to those that `evaluate` gives the whole clip."""

from collections import deque
from collections.abc import Iterable, Iterator

import numpy as np
from scipy.ndimage import uniform_filter

from ssmtl.evaluation.anomaly_map import causal_weights, paint
from ssmtl.evaluation.following import averaged, links
from ssmtl.evaluation.settings import Evaluate
from ssmtl.media.video import Frame
from ssmtl.watching.stream import ScoredFrame, Scorer, score_stream


def scored_frames(
    frames: Iterable[Frame], scorer: Scorer
) -> Iterator[tuple[ScoredFrame, float, float]]:
    """Every frame of an unbroken stretch of video, with its raw and its smoothed score, in order.

    frames: as for `score_stream`. A stretch shorter than one cube has no scores, and no frames.
    """
    scores: FrameScores | None = None
    waiting: deque[ScoredFrame] = deque()
    for frame in score_stream(frames, scorer):
        if scores is None:
            shape = frame.picture.shape[:2]
            scores = FrameScores(shape, scorer.radius, scorer.settings.evaluate)
        waiting.append(frame)
        for raw, smoothed in scores.add(frame.box, frame.combined, frame.has_window):
            yield waiting.popleft(), raw, smoothed
    for raw, smoothed in scores.end() if scores else ():
        yield waiting.popleft(), raw, smoothed


class FrameScores:
    """The map, its filter and the causal smoothing over a stream whose frames come in order.

    Objects are followed so far ahead, and the filter looks half of its size further, so a frame's
    score follows so many frames later. As in `anomaly_map`, before the first and behind the last
    frame with a map that map is repeated, and the first and last t frames, which have none, take
    the nearest frame's score.
    """

    def __init__(self, shape: tuple[int, int], radius: int, settings: Evaluate):
        """shape: height, width in pixels; radius: t."""
        self.shape, self.radius, self.cell = shape, radius, settings.cell
        self.follow = settings.follow
        # Objects of the frames that one is followed through, and how many of these are answered.
        self.objects: deque[tuple[np.ndarray, np.ndarray]] = deque(maxlen=2 * self.follow + 1)
        self.ahead = 0
        self.half = settings.filter_size // 2
        self.planes: deque[np.ndarray] = deque(maxlen=settings.filter_size)
        self.sigma, self.border = settings.sigma, settings.border
        self.weights = causal_weights(self.sigma) if self.sigma else np.ones(1)
        self.past: deque[float] = deque(maxlen=len(self.weights))
        self.peak = 0.0  # the last one

    def add(
        self, box: np.ndarray, score: np.ndarray, has_window: bool = True
    ) -> list[tuple[float, float]]:
        """Takes a frame's objects, box (N, 4) and score (N,), and whether it has a map at all.

        Returns raw and smoothed score of the frames that are known by now and were not before.
        """
        if not has_window:
            return []
        self.objects.append((box, score))
        self.ahead += 1
        return self._painted() if self.ahead > self.follow else []

    def _painted(self) -> list[tuple[float, float]]:
        """Paints the first frame whose objects are not painted yet, their scores averaged."""
        place = len(self.objects) - self.ahead
        self.ahead -= 1
        boxes, scores = zip(*self.objects, strict=True)
        frame = np.repeat(np.arange(len(boxes)), [len(box) for box in boxes])
        box, score = np.concatenate(boxes), np.concatenate(scores)
        if self.follow:
            score = averaged(score, links(frame, box), self.follow)
        own = frame == place
        plane = paint(np.zeros(own.sum(), int), box[own], score[own], 0, 1, self.shape, self.cell)[
            0
        ]
        first = not self.planes
        if first:
            self.planes.extend([plane] * self.half)
        self.planes.append(plane)
        if len(self.planes) < (self.planes.maxlen or 0):
            return []
        leading = 0 if self.past else self.radius
        return self._known(leading + 1)

    def end(self) -> list[tuple[float, float]]:
        """The scores of the remaining frames; none where the stream had no frame with a map."""
        known = []
        while self.ahead:
            known += self._painted()
        if not self.planes:
            return []
        for _ in range(self.half):
            self.planes.append(self.planes[-1])
            if len(self.planes) == self.planes.maxlen:
                known += self._known(1 if self.past else self.radius + 1)
        return known + [(self.peak, self._smoothed(self.peak)) for _ in range(self.radius)]

    def _known(self, frames: int) -> list[tuple[float, float]]:
        """So many frames with the score of the map in the middle of the filter."""
        mean = np.mean(self.planes, axis=0)
        if len(self.planes) > 1 and mean.any():
            mean = uniform_filter(mean, len(self.planes), mode="constant")
        self.peak = float(mean.max().clip(0, 1))
        return [(self.peak, self._smoothed(self.peak)) for _ in range(frames)]

    def _smoothed(self, score: float) -> float:
        if not self.past:
            before = score if self.border == "replicate" else 0.0
            self.past.extend([before] * len(self.weights))
        self.past.append(score)
        return float(self.weights @ np.array(self.past))
