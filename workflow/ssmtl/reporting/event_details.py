"""Events: runs of frames with high scores, what the labels say of them, and why they scored so."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import roc_curve

from ssmtl.core import store
from ssmtl.core.errors import InputError
from ssmtl.formats.calibration import read_calibration
from ssmtl.formats.cubes import open_cubes
from ssmtl.formats.frames import Frames
from ssmtl.formats.stages import READERS
from ssmtl.learning import model as models
from ssmtl.reporting import pictures, plots
from ssmtl.reporting.runs import Run
from ssmtl.scoring import from_frames
from ssmtl.scoring.fusion import calibrated
from ssmtl.scoring.objects import gapless, second_look
from ssmtl.stages.teachers import load_teacher

UNLABELLED_SHARE = 0.1  # of all frames are in events where no label says how many should be
CLASSES = 5  # shown per object, the likeliest by teacher or student
WIDTH = 480  # pixels, of the frame shown with an event


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
        for first, last, _ in plots.intervals(frames):
            part = frames[frames["frame"].between(first, last)]
            if not is_high(part, level).any():
                missed.append(event(part))
    return sorted(missed, key=lambda e: e.score)


def files_of_clips(paths: Iterable[Path], kind: str) -> dict[str, Path]:
    """Which file of the test split holds each clip."""
    found = {}
    for path in map(Path, paths):
        with READERS[kind](path, []) as file:
            if store.attribute(file, "split") == "test":
                found.update(dict.fromkeys(file, path))
    return found


class Stages:
    """The test clips in the files of several stages: `stages.group("cubes", clip)`."""

    def __init__(self, settings: dict, **paths: Iterable[Path]):
        """settings: of the stages whose files there may not be, by name."""
        self.settings = from_frames.Stages.of(settings)
        self.files = {kind: files_of_clips(given, kind) for kind, given in paths.items()}

    def stored(self, clip: str) -> list[str]:
        """The kinds of files that a clip is in."""
        return [kind for kind, files in self.files.items() if clip in files]

    def read(self, kind: str, clip: str):
        """The file that holds a clip, open; InputError where it is in none."""
        if clip not in self.files[kind]:
            raise InputError(
                f"clip {clip} is scored but in none of the {kind} files; run the stages from "
                "there on again"
            )
        return READERS[kind](self.files[kind][clip], [clip])


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


def explained(run: Run, model: models.Model, stages: Stages, events: list[Event]) -> list[dict]:
    """Per event all that the page shows of it; `object` is that of its strongest, or None."""
    rows = strongest(run.objects, events)
    chosen = run.objects.loc[[row for row in rows if row is not None]]
    details = iter(object_details(run, model, stages, chosen))
    shown = []
    for e, row in zip(events, rows, strict=True):
        frame, box = e.peak, None
        if row is not None:
            frame, box = int(run.objects.at[row, "frame"]), box_of(run.objects.loc[row])
        with stages.read("frames", e.clip) as file:
            picture = pictures.boxed(Frames(file[e.clip])[frame], box, WIDTH)
        shown.append(
            {
                "event": e,
                "frame": frame,
                "picture": pictures.jpeg(picture),
                "object": None if row is None else next(details),
            }
        )
    return shown


def box_of(row: pd.Series) -> np.ndarray:
    return row[["x1", "y1", "x2", "y2"]].to_numpy(float)


def stored_object(stages: Stages, clip: str, row: int) -> tuple:
    """An object's cube (L, S, S, 3), the part of it that is valid, class probabilities, classes."""
    with stages.read("cubes", clip) as file:
        cube, valid = open_cubes(file[clip])[row], file[clip]["valid"][row]
    with stages.read("teachers", clip) as file:
        return (
            cube,
            valid,
            file[clip]["class_probs"][row],
            json.loads(store.attribute(file, "classes")),
        )


def direct_object(stages: Stages, clip: str, row: int) -> tuple:
    """The same where cubes are not stored, made anew by the settings of their stages."""
    with stages.read("frames", clip) as source, stages.read("detections", clip) as found:
        detector, classes = load_teacher(found, stages.settings.teachers, torch.device("cpu"))
        one = from_frames.Objects.of(found[clip], stages.settings.cubes).rows(slice(row, row + 1))
        frames, device = Frames(source[clip]), torch.device("cpu")
        seen = from_frames.Seen(detector, None, [])
        made = from_frames.batches(frames, one, seen, stages.settings, 1, device)
        ((cube, targets),) = made
    crops = cube[0].numpy()
    return crops, np.array((0, len(crops))), targets["class_probs"][0], classes


def object_details(run: Run, model, stages: Stages, objects: pd.DataFrame) -> list[dict]:
    """Scores, cube strip, prediction of the middle box and class probabilities of objects."""
    if objects.empty:
        return []
    read = stored_object if "cubes" in stages.stored(objects["clip"].iloc[0]) else direct_object
    cubes, teacher, classes = [], [], []
    for row in objects.itertuples():
        cube, valid, probs, classes = read(stages, row.clip, row.row)
        cubes.append((cube, valid))
        teacher.append(probs)
    crops = np.stack([cube for cube, _ in cubes])
    radius = next(iter(model.tasks.values())).shapes.radius
    seen = second_look(model, gapless(crops, radius))
    shares = normal_shares(run, objects)
    details = []
    for i, (_, row) in enumerate(objects.iterrows()):
        detail = {
            "scores": {column: float(row[column]) for column in run.columns},
            "shares": shares.iloc[i].to_dict(),
            "dominant_task": shares.iloc[i].idxmax() if len(shares.columns) else None,
            "strip": pictures.jpeg(pictures.cube_strip(*cubes[i])),
            "middle": None,
            "classes": [],
        }
        if "middle_box" in seen:
            truth, predicted = crops[i][len(crops[i]) // 2], seen["middle_box"][i]
            difference = np.abs(truth.astype(int) - predicted).astype(np.uint8)
            names = ("original", "predicted", "difference")
            parts = zip(names, (truth, predicted, difference), strict=True)
            detail["middle"] = {name: pictures.png(part) for name, part in parts}
        if "class_probs" in seen:
            student = seen["class_probs"][i]
            order = np.argsort(-np.maximum(teacher[i], student), kind="stable")[:CLASSES]
            detail["classes"] = [
                {"name": classes[c], "teacher": float(teacher[i][c]), "student": float(student[c])}
                for c in order
            ]
        details.append(detail)
    return details
