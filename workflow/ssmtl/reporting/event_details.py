"""What the page shows of an event: its strongest object, and what the model makes of that."""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from ssmtl.core import store
from ssmtl.core.errors import InputError
from ssmtl.formats import hdf5
from ssmtl.formats.calibration import read_calibration
from ssmtl.formats.explained import read_explained
from ssmtl.formats.frames import Frames, read_frames
from ssmtl.reporting import pictures
from ssmtl.reporting.runs import Run
from ssmtl.scoring.events import Event, strongest
from ssmtl.scoring.fusion import calibrated

CLASSES = 5  # shown per object, the likeliest by teacher or student
WIDTH = 480  # pixels, of the frame shown with an event


class Footage:
    """The frames of the test clips: `footage.read(clip)`."""

    def __init__(self, paths: Iterable[Path]):
        self.paths: dict[str, Path] = {}
        for path in map(Path, paths):
            with read_frames(path, []) as file:
                if store.attribute(file, "split") == "test":
                    self.paths.update(dict.fromkeys(file, path))

    def read(self, clip: str) -> AbstractContextManager[h5py.File]:
        """The file that holds a clip, open; InputError where it is in none."""
        if clip not in self.paths:
            raise InputError(
                f"clip {clip} is scored but in none of the frames files; run the stages from "
                "there on again"
            )
        return read_frames(self.paths[clip], [clip])


def normal_shares(run: Run, objects: pd.DataFrame) -> pd.DataFrame:
    """Per task and object, the share of held-out normal objects that score lower, in [0, 1].

    No column where the run has no calibration.
    """
    path = run.folder / "calibration.h5"
    shares = pd.DataFrame(index=objects.index)
    if path.exists():
        with read_calibration(path) as file:
            for task in run.tasks:
                shares[task] = calibrated(objects[task].to_numpy(float), file[task][:])
    return shares


def explained(run: Run, footage: Footage, events: list[Event]) -> list[dict]:
    """Per event all that the page shows of it; `object` is that of its strongest, or None."""
    rows = strongest(run.objects, events)
    chosen = run.objects.loc[[row for row in rows if row is not None]]
    details = iter(object_details(run, chosen))
    shown = []
    for event, row in zip(events, rows, strict=True):
        frame, box = event.peak, None
        if row is not None:
            frame, box = int(run.objects.at[row, "frame"]), box_of(run.objects.loc[row])
        with footage.read(event.clip) as file:
            picture = pictures.boxed(Frames(file[event.clip])[frame], box, WIDTH)
        shown.append(
            {
                "event": event,
                "frame": frame,
                "picture": pictures.jpeg(picture),
                "object": None if row is None else next(details),
            }
        )
    return shown


def box_of(row: pd.Series) -> np.ndarray:
    return row[["x1", "y1", "x2", "y2"]].to_numpy(float)


def object_details(run: Run, objects: pd.DataFrame) -> list[dict]:
    """Scores, cube strip, prediction of the middle box and class probabilities of objects."""
    shares, path = normal_shares(run, objects), run.folder / "explained.h5"
    details = []
    with read_explained(path) as file:
        classes = hdf5.names(file, "classes")
        for row, share in zip(objects.itertuples(), shares.iloc, strict=True):
            seen = row_of(file, row.clip, row.row)
            scores = {column: float(getattr(row, column)) for column in run.columns}
            details.append(
                {
                    "scores": scores,
                    "shares": share.to_dict(),
                    "dominant_task": share.idxmax() if len(share) else None,
                    "strip": pictures.jpeg(pictures.cube_strip(seen["cube"], seen["valid"])),
                    "middle": middle_crops(seen) if "middle_box" in seen else None,
                    "classes": likeliest(seen, classes) if "student" in seen else [],
                }
            )
    return details


def row_of(file: h5py.File, clip: str, row: int) -> dict[str, np.ndarray]:
    """What explained.h5 says of one object; InputError where it says nothing."""
    rows = file[clip]["row"][:] if clip in file else np.zeros(0, int)
    place = int(np.searchsorted(rows, row))
    if place == len(rows) or rows[place] != row:
        raise InputError(
            f"{file.filename}: nothing of object {row} of clip {clip}; run the stage explain again"
        )
    return {name: hdf5.rows(file[clip][name], place) for name in file[clip]}


def middle_crops(seen: dict[str, np.ndarray]) -> dict:
    """The middle crop of an object, as predicted, and their difference."""
    truth, predicted = seen["cube"][len(seen["cube"]) // 2], seen["middle_box"]
    difference = np.abs(truth.astype(int) - predicted).astype(np.uint8)
    parts = {"original": truth, "predicted": predicted, "difference": difference}
    return {name: pictures.png(part) for name, part in parts.items()}


def likeliest(seen: dict[str, np.ndarray], classes: list[str]) -> list[dict]:
    """The likeliest classes of an object by teacher or student."""
    teacher, student = seen["class_probs"], seen["student"]
    order = np.argsort(-np.maximum(teacher, student), kind="stable")[:CLASSES]
    return [
        {"name": classes[c], "teacher": float(teacher[c]), "student": float(student[c])}
        for c in order
    ]
