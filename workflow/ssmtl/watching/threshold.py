"""The threshold of events, and what it promises: from normal clips that chose nothing else.

Normal video passes any threshold now and then. How often is counted where the clips are long
enough and extrapolated where they are not: the peaks of the frame score above a high level follow,
by extreme value theory, a generalised Pareto distribution [D]. It is fitted to the scores' logits,
since scores end at 1 and a tail does not. The clips, or half minutes of few long ones, are drawn
again with replacement, so that what differs between clips widens the interval.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit

log = logging.getLogger(__name__)

EDGE = 1e-6  # scores are taken to lie so far within 0 and 1 at least
LEVEL = 0.95  # share of frames below the level above which peaks are looked at
LEAST_PEAKS = (
    12  # peaks from which the shape of their tail is fitted; fewer have an exponential one
)
SHAPES = (
    -0.1,
    0.3,
)  # of the generalised Pareto distribution: a shorter tail would promise too much
DRAWS = 400  # of the bootstrap
FEW = 5  # parts below which drawing them again says too little of what differs between them
BLOCK = 30.0  # seconds that are drawn together, of a clip that is longer
ENOUGH = 0.5  # events expected in the clips from which on they estimate rather than bound the rate
INTERVAL = (0.05, 0.95)  # of what is expected
HELD_OUT = "held out"
SAFE = 0.95  # quantile of the rate that is held to what was asked where the clips are too short


@dataclass(frozen=True)
class NormalClip:
    """Smoothed frame scores (T,) of a normal clip that the model was not trained on."""

    name: str
    fps: float
    score: np.ndarray


@dataclass(frozen=True)
class Promise:
    """A threshold and how many events an hour of normal video is expected to raise above it."""

    threshold: float
    asked: float  # events an hour
    rates: np.ndarray  # events an hour, one for each draw of the bootstrap
    minutes: float  # of normal video that it was chosen from
    enough: bool  # whether these estimate the rate; otherwise they only bound it
    ceiling: bool = False  # whether no threshold below 1 is high enough

    def expected(self, hours: float = 1.0) -> tuple[float, float]:
        """The 90 % interval of events an hour over a stretch of `hours` of normal video."""
        rng = np.random.default_rng(0)
        counts = rng.poisson(np.repeat(self.rates, 25) * hours)
        low, high = np.quantile(counts, INTERVAL, method="inverted_cdf")
        return float(low) / hours, float(high) / hours

    @property
    def missing(self) -> float:
        """Minutes of normal video that are still needed to estimate the rate; 0 for none."""
        return max(0.0, 60 * ENOUGH / self.asked - self.minutes)

    def line(self, origin: str = HELD_OUT) -> str:
        """The promise as it is printed, over the next 24 hours; origin: of the normal video."""
        low, high = self.expected(24)
        return (
            f"threshold {self.threshold:.3f}: {self.asked:g} an hour asked; expect {low:.1f} to "
            f"{high:.1f}, from {self.minutes:.0f} minutes of normal video that was {origin}"
        )


def runs_above(score: np.ndarray, level: float, gap: int) -> list[slice]:
    """Runs of frames above a level, in a curve (T,); runs less than `gap` frames apart are one."""
    frames = np.flatnonzero(score > level)
    if not len(frames):
        return []
    ends = np.flatnonzero(np.diff(frames) > gap)
    first, last = frames[np.r_[0, ends + 1]], frames[np.r_[ends, len(frames) - 1]]
    return [slice(a, b + 1) for a, b in zip(first, last, strict=True)]


def count_events(clips: Sequence[NormalClip], threshold: float, after: float) -> int:
    """Events that the clips raise; after: seconds below the threshold that end one."""
    return sum(len(runs_above(c.score, threshold, round(after * c.fps))) for c in clips)


def peaks_of(clip: NormalClip, level: float, after: float) -> np.ndarray:
    """The highest score of each run above a level, (K,)."""
    runs = runs_above(clip.score, level, round(after * clip.fps))
    return np.array([clip.score[run].max() for run in runs])


@dataclass(frozen=True)
class Tails:
    """How often, per hour, peaks pass a threshold above `level`; float (D,), one a draw."""

    level: float  # a logit, as scale and shape are of logits
    rate: np.ndarray  # peaks an hour above the level
    scale: np.ndarray
    shape: np.ndarray

    def above(self, threshold: float) -> np.ndarray:
        """Events an hour above a threshold, (D,)."""
        beyond = max(logits(threshold) - self.level, 0.0) / self.scale
        exponential = np.abs(self.shape) < 1e-6
        shape = np.where(exponential, 1.0, self.shape)
        share = np.maximum(1 + shape * beyond, 0.0) ** (-1 / shape)
        return self.rate * np.where(exponential, np.exp(-beyond), share)


def fitted(beyond: np.ndarray) -> tuple[float, float]:
    """Scale and shape of a generalised Pareto distribution, by probability-weighted moments.

    beyond: by how much peaks pass the level, (K,).
    """
    count, mean, shape = len(beyond), float(beyond.mean()) if len(beyond) else 0.0, 0.0
    if mean <= 0:
        return 1e-6, 0.0
    if count >= LEAST_PEAKS and np.ptp(beyond) > 0:
        below = np.arange(count - 1, -1, -1)
        weighted = float((np.sort(beyond) * below).sum()) / (count * (count - 1))
        shape = float(np.clip(2 - mean / (mean - 2 * weighted), *SHAPES))
    return mean * (1 - shape), shape


def blocks(clips: Sequence[NormalClip]) -> list[NormalClip]:
    """The clips, long ones in parts of `BLOCK` seconds at least."""
    parts = []
    for clip in clips:
        count = max(1, int(len(clip.score) / clip.fps / BLOCK))
        parts += [NormalClip(clip.name, clip.fps, s) for s in np.array_split(clip.score, count)]
    return parts


def choose(clips: Sequence[NormalClip], per_hour: float, after: float) -> Promise:
    """The lowest threshold that normal video passes at most `per_hour` times an hour.

    clips: normal video that chose neither weights nor memory nor calibration; after: seconds below
    the threshold that end an event. From little video the threshold is on the safe side: its rate
    is at most what was asked in 95 of 100 draws.
    """
    parts = [part for part in blocks(clips) if len(part.score)]
    hours = np.array([len(part.score) / part.fps / 3600 for part in parts])
    level = float(np.quantile(np.concatenate([part.score for part in parts]), LEVEL))
    peaks = [peaks_of(part, level, after) for part in parts]
    tails = drawn_tails(peaks, hours, level)
    enough = bool(hours.sum() * per_hour >= ENOUGH)
    quantile = 0.5 if enough else SAFE
    low, high = tails.level, float(logits(1.0))
    for _ in range(30):  # the rate falls as the threshold grows
        middle = (low + high) / 2
        too_often = np.quantile(tails.above(expit(middle)), quantile) > per_hour
        low, high = (middle, high) if too_often else (low, middle)
    high = float(expit(high))
    highest = max(float(part.score.max()) for part in parts)
    threshold = high if enough else max(high, min(highest, 1.0))
    ceiling = count_events(parts, 1 - 2 * EDGE, after) > per_hour * hours.sum()
    minutes = float(60 * hours.sum())
    return Promise(threshold, per_hour, tails.above(threshold), minutes, enough, ceiling)


def logits(scores: np.ndarray | float) -> np.ndarray:
    """log(p / (1 - p)) of scores in [0, 1], finite."""
    return logit(np.clip(scores, EDGE, 1 - EDGE))


def drawn_tails(peaks: list[np.ndarray], hours: np.ndarray, level: float) -> Tails:
    """The tails of `DRAWS` samples of the parts, drawn with replacement.

    The rate of a sample with K peaks is drawn from the gamma distribution of shape K + 1/2 that K
    events leave open, so that no peaks are no promise of none. Where the parts are few, drawing
    them again shows too little of how much they differ: the scale is then drawn likewise, by the
    gamma distribution of the sum of K exponential excesses.
    """
    rng = np.random.default_rng(0)
    rows = []
    for _ in range(DRAWS):
        drawn = rng.integers(0, len(peaks), len(peaks))
        beyond = logits(np.concatenate([peaks[i] for i in drawn])) - logits(level)
        count, (scale, shape) = len(beyond), fitted(beyond)
        scale *= count / rng.gamma(count) if count and len(peaks) < FEW else 1.0
        rows.append((rng.gamma(count + 0.5) / hours[drawn].sum(), scale, shape))
    return Tails(float(logits(level)), *np.array(rows).T)


def say(promise: Promise, origin: str = HELD_OUT) -> None:
    """Logs a promise, and loudly what keeps it from being one."""
    log.info("%s", promise.line(origin))
    if not promise.enough:
        log.warning(
            "TOO LITTLE NORMAL VIDEO: %.0f minutes were %s, %.0f more are needed to estimate %g "
            "false alarms an hour; until then the threshold is on the safe side, and less is "
            "found; add normal clips and learn again, or watch with --settle",
            *(promise.minutes, origin, promise.missing, promise.asked),
        )
    if promise.ceiling:
        log.warning(
            "normal video scores up to the highest value there is, so no threshold keeps %g false "
            "alarms an hour; add normal clips that show what is usual, or ask for more",
            promise.asked,
        )
