"""Alarms: runs of frames above a threshold, and what they are worth against labels."""

from dataclasses import dataclass

import numpy as np


def alarms(above: np.ndarray, gap: int) -> np.ndarray:
    """Runs of True in bool (T,), int64 (K, 2): first and last frame of each.

    Runs whose frames are at most `gap` apart are one.
    """
    frames = np.flatnonzero(above)
    if not len(frames):
        return np.zeros((0, 2), np.int64)
    cut = np.flatnonzero(np.diff(frames) > gap)
    return np.column_stack((frames[np.append(0, cut + 1)], frames[np.append(cut, -1)]))


@dataclass(frozen=True)
class AlarmCount:
    """Alarms at a threshold, and anomalies that they met.

    An alarm is false where none of its frames is anomalous. hours: of all frames; normal_hours: of
    the normal ones, in which alone a false alarm can arise; anomalies: unbroken runs of anomalous
    frames; found: those that an alarm touches.
    """

    threshold: float
    alarms: int
    false_alarms: int
    anomalies: int
    found: int
    hours: float
    normal_hours: float

    @property
    def alarms_per_hour(self) -> float:
        return self.alarms / self.hours

    @property
    def false_alarms_per_hour(self) -> float | None:
        """False alarms per hour of normal footage, None without any."""
        return self.false_alarms / self.normal_hours if self.normal_hours else None


def count_alarms(
    labels: list[np.ndarray], scores: list[np.ndarray], threshold: float, fps: float, pause: float
) -> AlarmCount:
    """Counts over clips of bool labels (T,) and scores (T,).

    A frame is above where its score exceeds `threshold`; fps: frames per second of every clip;
    pause: seconds below the threshold that end an alarm.
    """
    counts = np.zeros(4, int)
    for label, score in zip(labels, scores, strict=True):
        own = alarms(score > threshold, round(pause * fps))
        anomalies = alarms(label, 1)
        false = [not label[first : last + 1].any() for first, last in own]
        found = [
            bool(((own[:, 0] <= last) & (own[:, 1] >= first)).any()) for first, last in anomalies
        ]
        counts += (len(own), sum(false), len(anomalies), sum(found))
    frames, normal = sum(map(len, labels)), sum(int((~label).sum()) for label in labels)
    number, false_alarms, anomalies, found_anomalies = counts.tolist()
    return AlarmCount(
        threshold=threshold,
        alarms=number,
        false_alarms=false_alarms,
        anomalies=anomalies,
        found=found_anomalies,
        hours=frames / fps / 3600,
        normal_hours=normal / fps / 3600,
    )
