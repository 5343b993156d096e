"""Frame labels as intervals, as arrays, and as the manifest's text.

An interval is (first, last, kind): 0-based frames, both included; the kind is "" if unknown.
A list of intervals labels a clip, [] says that it is normal, and None that nobody labelled it.
"""

import re

import numpy as np

from ssmtl.core.errors import InputError

Interval = tuple[int, int, str]

NORMAL = "normal"


def to_array(intervals: list[Interval], frames: int) -> np.ndarray:
    """Intervals as bool (frames,), True where a frame is anomalous."""
    anomalous = np.zeros(frames, bool)
    for first, last, _ in intervals:
        anomalous[first : last + 1] = True
    return anomalous


def from_array(anomalous: np.ndarray, kind: str = "") -> list[Interval]:
    """The runs of nonzero values in an array (frames,), as intervals of one kind."""
    padded = np.concatenate([[False], np.asarray(anomalous, bool), [False]])
    edges = np.flatnonzero(padded[1:] != padded[:-1])
    return [
        (int(start), int(stop) - 1, kind)
        for start, stop in zip(edges[::2], edges[1::2], strict=True)
    ]


def format_labels(intervals: list[Interval] | None) -> str:
    """The manifest's text: "" for None, "normal" for [], else `61-179` or `5-9:fall;20-30`."""
    if intervals is None:
        return ""
    texts = (f"{first}-{last}" + (f":{kind}" if kind else "") for first, last, kind in intervals)
    return ";".join(texts) or NORMAL


def parse_labels(text: str) -> list[Interval] | None:
    """What `format_labels` wrote. Raises InputError for anything else."""
    if text in ("", NORMAL):
        return [] if text else None
    return [parse_interval(part) for part in text.split(";")]


def parse_interval(text: str) -> Interval:
    match = re.fullmatch(r"(\d+)-(\d+)(?::([^:;]+))?", text)
    if not match or int(match[1]) > int(match[2]):
        raise InputError(f"'{text}': not an interval of frames such as 61-179 or 61-179:running")
    return int(match[1]), int(match[2]), match[3] or ""
