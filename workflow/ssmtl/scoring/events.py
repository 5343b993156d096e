"""Events: runs of frames with high scores, what labels say of them, and their strongest objects.

Those of a finished data set, for the report; on a stream `watching.events` finds them as it comes.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.metrics import roc_curve

from ssmtl.formats.frame_scores import intervals

UNLABELLED_SHARE = 0.1  # of all frames are in events where no label says how many should be
EVENTS = 12  # highest-scoring events that are looked at
MISTAKES = 6  # false alarms that are, and misses


@dataclass(frozen=True)
class Event:
    """Frames `first` to `last` of a clip; `peak` has the highest smoothed score, `score`.

    truth: the labelled kinds among its frames, "normal" where they are normal, "" without labels.
    """

    clip: str
    first: int
    last: int
    peak: int
    score: float
    truth: str


def threshold(frames: pd.DataFrame) -> float:
    """The smoothed combined score from which on frames belong to an event.

    frames: as of frame_scores.csv. Where there are labels of both classes, the point of the ROC
    that is farthest above the diagonal: a choice for the reader's eyes, made with the labels.
    Otherwise the score that UNLABELLED_SHARE of the frames exceed.
    """
    labelled = frames[frames["label"].notna()]
    if labelled["label"].nunique() < 2:
        return float(frames["combined_smoothed"].quantile(1 - UNLABELLED_SHARE))
    false, true, levels = roc_curve(labelled["label"], labelled["combined_smoothed"])
    return float(levels[np.argmax(true - false)])


def is_high(frames: pd.DataFrame, level: float) -> pd.Series:
    """Which frames reach the threshold; empty ground, with a score of 0, never does."""
    return frames["combined_smoothed"].ge(level) & frames["combined_smoothed"].gt(0)


def event(frames: pd.DataFrame) -> Event:
    """The event of consecutive rows of one clip."""
    best = frames.loc[frames["combined_smoothed"].idxmax()]
    kinds = frames.loc[frames["label"] == 1, "kind"]
    truth = ", ".join(sorted({kind or "anomalous" for kind in kinds}))
    if not truth and frames["label"].notna().any():
        truth = "normal"
    return Event(
        clip=best["clip"],
        first=int(frames["frame"].iloc[0]),
        last=int(frames["frame"].iloc[-1]),
        peak=int(best["frame"]),
        score=float(best["combined_smoothed"]),
        truth=truth,
    )


def found_events(clips: Iterable[pd.DataFrame], level: float) -> list[Event]:
    """All longest runs of frames that reach the threshold, the highest first."""
    events = []
    for frames in clips:
        high = is_high(frames, level)
        run = (high != high.shift()).cumsum()
        events += [event(part) for _, part in frames[high].groupby(run[high])]
    return sorted(events, key=lambda e: -e.score)


def missed_events(clips: Iterable[pd.DataFrame], level: float) -> list[Event]:
    """The labelled stretches without any frame that reaches the threshold, the lowest first."""
    missed = []
    for frames in clips:
        for first, last, _ in intervals(frames):
            part = frames[frames["frame"].between(first, last)]
            if not is_high(part, level).any():
                missed.append(event(part))
    return sorted(missed, key=lambda e: e.score)


@dataclass(frozen=True)
class Events:
    """What the scores of a run find above its threshold, and what they miss.

    found: all events, the highest first; false: those of normal frames; missed: labelled stretches
    that no frame found, the lowest first.
    """

    level: float
    found: list[Event]
    false: list[Event]
    missed: list[Event]

    def looked_at(self) -> dict[str, list[Event]]:
        """Those that the report shows, and a model looks at again."""
        return {
            "events": self.found[:EVENTS],
            "false": self.false[:MISTAKES],
            "missed": self.missed[:MISTAKES],
        }


def events_of(frames: pd.DataFrame) -> Events:
    """The events of all clips of a run; frames: as of frame_scores.csv."""
    level = threshold(frames)
    clips = [part for _, part in frames.groupby("clip", sort=False)]
    found = found_events(clips, level)
    false = [event for event in found if event.truth == "normal"]
    return Events(level, found, false, missed_events(clips, level))


def strongest(objects: pd.DataFrame, events: list[Event]) -> list[int | None]:
    """The index of the object with the highest combined score of each event, None without any."""
    clips = dict(iter(objects.groupby("clip")))
    none = objects.iloc[:0]
    rows = []
    for e in events:
        here = clips.get(e.clip, none)
        here = here[here["frame"].between(e.first, e.last)]
        rows.append(None if here.empty else int(here["combined"].idxmax()))
    return rows
