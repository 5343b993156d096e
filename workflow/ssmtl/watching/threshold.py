"""The threshold of events, from normal clips held out of training alone."""

import logging
from dataclasses import dataclass

import numpy as np

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class NormalClip:
    """Smoothed frame scores (T,) of a normal clip that the model was not trained on."""

    name: str
    fps: float
    score: np.ndarray


def events(above: np.ndarray, gap: int) -> int:
    """Runs of frames above a threshold, bool (T,); runs less than `gap` frames apart are one."""
    frames = np.flatnonzero(above)
    return int(len(frames) > 0) + int((np.diff(frames) > gap).sum())


def choose(clips: list[NormalClip], per_hour: float, after: float) -> float:
    """The lowest threshold that normal video passes at most `per_hour` times an hour.

    after: seconds below the threshold that end an event. Where the clips are too short for one
    event at this rate, it is their highest score plus one standard deviation, and a line says so.
    """
    hours = sum(len(clip.score) / clip.fps for clip in clips) / 3600
    scores = np.concatenate([clip.score for clip in clips])
    allowed = int(per_hour * hours)
    about = f"{60 * hours:.1f} minutes of normal video held out of training"
    if not allowed:
        threshold = float(scores.max() + scores.std())
        log.warning(
            "threshold %.3f: %s are too little to count %g false alarms an hour, so it is their "
            "highest score plus one standard deviation",
            *(threshold, about, per_hour),
        )
        return threshold
    # The number of events grows only where a local maximum is reached.
    peaks = np.unique(np.concatenate([maxima(clip.score) for clip in clips]))
    for threshold in peaks[::-1]:
        found = sum(events(clip.score >= threshold, round(after * clip.fps)) for clip in clips)
        if found > allowed:
            break
    found = sum(events(clip.score > threshold, round(after * clip.fps)) for clip in clips)
    log.info("threshold %.3f: %d events in %s", threshold, found, about)
    return float(threshold)


def maxima(score: np.ndarray) -> np.ndarray:
    """The values of a curve (T,) where it does not rise on either side."""
    padded = np.pad(score, 1, constant_values=-np.inf)
    return score[(score >= padded[:-2]) & (score >= padded[2:])]
