"""Stage `explain`: the model looks again at the strongest objects of the report's events.

On the CPU: they are few.
"""

import json
import logging
from collections.abc import Iterable
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import torch

from ssmtl.core import store
from ssmtl.core.errors import InputError
from ssmtl.formats import hdf5
from ssmtl.formats.cubes import open_cubes
from ssmtl.formats.explained import EXPLAINED
from ssmtl.formats.frame_scores import read_frame_scores
from ssmtl.formats.frames import Frames
from ssmtl.formats.scores import object_table, scored_alike
from ssmtl.formats.stages import READERS
from ssmtl.learning import model as models
from ssmtl.scoring import from_frames
from ssmtl.scoring.events import events_of, strongest
from ssmtl.scoring.objects import gapless, predictions
from ssmtl.stages.settings import Cubes, Features, Teachers
from ssmtl.stages.teachers import load_teacher

log = logging.getLogger(__name__)

DEVICE = torch.device("cpu")


def looked_at(table: Path, scores: list[Path]) -> pd.DataFrame:
    """The strongest object of every event that is looked at again: clip, row, frame and box."""
    events = events_of(read_frame_scores(table))
    objects = object_table(scores, ["combined"])
    shown = [event for some in events.looked_at().values() for event in some]
    rows = {row for row in strongest(objects, shown) if row is not None}
    return objects.loc[sorted(rows)]


class Stages:
    """The files of the stages of all test shards, by kind, and where in them a clip is."""

    def __init__(self, settings: from_frames.Stages, **paths: Iterable[Path]):
        """settings: of the stages whose files there may not be."""
        self.settings = settings
        self.paths: dict[str, dict[str, Path]] = {}
        for kind, given in paths.items():
            self.paths[kind] = {}
            for path in given:
                with READERS[kind](path, []) as file:
                    self.paths[kind].update(dict.fromkeys(file, path))

    def read(self, kind: str, clip: str):
        """The file that holds a clip, open; InputError where it is in none."""
        if clip not in self.paths[kind]:
            raise InputError(
                f"clip {clip} is scored but in none of the {kind} files; run the stages from "
                "there on again"
            )
        return READERS[kind](self.paths[kind][clip], [clip])

    def objects(self, clip: str, rows: np.ndarray) -> tuple[dict[str, np.ndarray], list[str]]:
        """Some objects of a clip, int (N,) ascending, and the names of their classes.

        `cube` uint8 (N, L, S, S, 3), `valid` int (N, 2), the part of it that lies in the clip,
        `class_probs` float32 (N, C) of the teacher.
        """
        stored = clip in self.paths["cubes"]
        return self.stored(clip, rows) if stored else self.made(clip, rows)

    def stored(self, clip: str, rows: np.ndarray) -> tuple[dict[str, np.ndarray], list[str]]:
        with self.read("cubes", clip) as file:
            cubes = open_cubes(file[clip])
            found = {"cube": np.stack([cubes[int(row)] for row in rows])}
            found["valid"] = file[clip]["valid"][:][rows]
        with self.read("teachers", clip) as file:
            found["class_probs"] = file[clip]["class_probs"][:][rows]
            return found, hdf5.names(file, "classes")

    def made(self, clip: str, rows: np.ndarray) -> tuple[dict[str, np.ndarray], list[str]]:
        """The same where cubes are not stored, made anew by the settings of their stages."""
        with self.read("frames", clip) as source, self.read("detections", clip) as found:
            detector, classes = load_teacher(found, self.settings.teachers, DEVICE)
            some = from_frames.Objects.of(found[clip], self.settings.cubes).rows(rows)
            seen, frames = from_frames.Seen(detector, None, []), Frames(source[clip])
            made = list(from_frames.batches(frames, some, seen, self.settings, len(rows), DEVICE))
        cube = np.concatenate([cubes.numpy() for cubes, _ in made])
        probs = np.concatenate([beside["class_probs"] for _, beside in made])
        valid = np.tile((0, cube.shape[1]), (len(cube), 1))
        return {"cube": cube, "valid": valid, "class_probs": probs}, classes


def explain(
    output: Path,
    *,
    weights: Path,
    table: Path,
    scores: list[Path],
    frames: list[Path],
    detections: list[Path],
    cubes: Iterable[Path],
    teachers: Iterable[Path],
    settings: Cubes,
    seen: Teachers,
) -> None:
    """Writes `explained.h5` of one run.

    table: its frame_scores.csv; scores, frames, detections, cubes, teachers: of all test shards;
    where there are no cubes, settings and seen say how they and their class probabilities are made.
    """
    model, _ = models.load(weights)
    radius = scored_alike(scores)["radius"]
    how = from_frames.Stages(settings, seen, Features.parse({}))
    stages = Stages(how, frames=frames, detections=detections, cubes=cubes, teachers=teachers)
    chosen = looked_at(table, scores)
    classes: list[str] = []
    with store.create(output, "explained", settings) as file:
        for clip, some in chosen.groupby("clip"):
            rows = some["row"].to_numpy(int)
            found, classes = stages.objects(str(clip), rows)
            again = predictions(model, gapless(found["cube"], radius))
            write(file.create_group(str(clip)), rows, found, again)
        store.set_attributes(file, classes=json.dumps(classes))
        for group in file.values():
            hdf5.complete(group, EXPLAINED)
    log.info("%s: %d objects of %d clips", output, len(chosen), chosen["clip"].nunique())


def write(
    group: h5py.Group, rows: np.ndarray, found: dict[str, np.ndarray], again: dict[str, np.ndarray]
) -> None:
    """Writes the objects of a clip; again: what `predictions` says of them."""
    columns = {"row": rows, **found}
    if "class_probs" in again:
        columns["student"] = again["class_probs"]
    if "middle_box" in again:
        columns["middle_box"] = again["middle_box"]
    for name, values in columns.items():
        pictures = EXPLAINED.columns[name].pictures
        store.write_rows(group, name, values, **({"fletcher32": True} if pictures else {}))
