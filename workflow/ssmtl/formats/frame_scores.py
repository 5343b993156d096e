"""frame_scores.csv: a row per frame of every test clip.

clip, frame, label (0 or 1, empty where nobody labelled the clip), kind of anomaly, objects in the
frame, and for every column of scores its value and, as `{column}_smoothed`, what counts.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from ssmtl.core.errors import InputError
from ssmtl.formats.tables import read_csv

FIRST = ("clip", "frame", "label", "kind", "objects")


def read_frame_scores(path: Path) -> pd.DataFrame:
    """A checked table, in the file's order; InputError for the first thing that is wrong in it."""
    needed = (*FIRST, "combined", "combined_smoothed")
    table = read_csv(path, ("clip", "kind"), needed, integers=("frame", "objects"))
    expected = table.groupby("clip", sort=False).cumcount()
    scores = table.drop(columns=list(FIRST))
    label = table["label"]
    for bad, what in (
        (table["frame"] != expected, "the frames of a clip do not follow one another"),
        ((table["clip"] != table["clip"].shift()) & (expected > 0), "a clip is there twice"),
        (table["objects"] < 0, "a negative number of objects"),
        (label.notna() & ~label.isin([0, 1]), "a label is neither 0 nor 1"),
        (scores.isna().any(axis=1), "a score is missing"),
        (((scores < 0) | (scores > 1)).any(axis=1), "a score is not in [0, 1]"),
    ):
        if bad.any():
            line = int(np.flatnonzero(bad)[0]) + 2  # the header is line 1
            raise InputError(f"{path}, line {line}: {what}; evaluate again")
    return table


def intervals(frames: pd.DataFrame) -> list[tuple[int, int, str]]:
    """First frame, last frame and kind of every anomalous stretch of one clip.

    `frames` has the columns frame, label (1 is anomalous, NaN is unlabelled) and kind; a
    stretch ends where the kind changes.
    """
    stretch = (frames[["label", "kind"]] != frames[["label", "kind"]].shift()).any(axis=1).cumsum()
    anomalous = frames[frames["label"] == 1]
    return [
        (int(part["frame"].iloc[0]), int(part["frame"].iloc[-1]), part["kind"].iloc[0])
        for _, part in anomalous.groupby(stretch[anomalous.index])
    ]
