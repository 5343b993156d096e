"""Stages `calibrate` and `score`: from cubes to the anomaly score of every object.

The four scores are averaged per object [P]. With `fusion: ecdf` or `fisher` each task's score is
first mapped through the distribution of that score on the held-out normal clips of the training
split [D], so that tasks of different spread weigh the same.
"""

import json
import logging
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from ssmtl.core import store
from ssmtl.core.device import chosen_device, memory_errors
from ssmtl.core.errors import InputError
from ssmtl.core.progress import progress
from ssmtl.formats import hdf5
from ssmtl.formats.detections import read_detections
from ssmtl.formats.features import read_features
from ssmtl.formats.frames import Frames, read_frames
from ssmtl.formats.scores import SCORES
from ssmtl.formats.teachers import read_teachers
from ssmtl.learning.samples import matching, read_samples
from ssmtl.scoring import from_frames
from ssmtl.scoring.baselines import box_speed
from ssmtl.scoring.calibration import calibration_for, objects_settings
from ssmtl.scoring.fusion import Calibration, combine
from ssmtl.scoring.objects import (
    check_range,
    clip_scores,
    load_for,
    measured_rows,
    name_of,
    stored_batches,
)
from ssmtl.scoring.settings import PLAIN, Score
from ssmtl.stages.cubes import check_clips
from ssmtl.stages.features import load_network
from ssmtl.stages.settings import Cubes, Features, Teachers
from ssmtl.stages.teachers import load_teacher

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Clip:
    """What is scored of a clip, or of a class of pictures: a group of cubes, or of detections."""

    group: h5py.Group  # has the name and, as attributes, frames, width and height
    positions: dict[str, np.ndarray]  # frame (N,) and, of video, box (N, 4)
    batches: Iterable[tuple]  # cubes and targets as for `ScoringModel`
    time: np.ndarray | None = None  # of video, the seconds of all frames


def score_objects(
    output: Path,
    *,
    weights: Path,
    calibration: Path | None,
    cubes: Path,
    teachers: Path | None,
    settings: Score,
    features: Path | None = None,
) -> None:
    """Writes the scores of every object of one shard; rows as in its `cubes.h5`.

    Or, without teachers, of every picture; rows as in its `images.h5`. features: what the tasks
    without training have measured, where the model has such.
    """
    check_fusion(calibration, settings)
    device = chosen_device()
    with ExitStack() as stack:
        crops = stack.enter_context(read_samples(cubes, "cubes" if teachers else "images"))
        teacher = stack.enter_context(read_teachers(teachers)) if teachers else None
        measurements = stack.enter_context(read_features(features)) if features else None
        model, card = load_for(
            weights,
            json.loads(store.attribute(teacher, "classes")) if teacher else [],
            store.settings_of(crops),
            settings,
            device,
        )

        def clip(name: str) -> Clip:
            group = crops[name]
            rows = matching(teacher, name, group)
            positions = {key: group[key][:] for key in ("frame", "box") if key in group}
            found = matching(measurements, name, group, "features")
            measured = measured_rows(model.model, found, name_of(group))
            radius, size = card["spec"]["radius"], settings.batch
            batches = stored_batches(group, rows, radius, size, measured)
            return Clip(group, positions, batches, group["time"][:] if teachers else None)

        # All clips are checked before the first is scored.
        clips = [clip(name) for name in crops]
        about = scored_by(card) | (
            {} if teacher else {"dataset": store.attribute(crops, "dataset")}
        )
        known = calibration_for(
            calibration, settings, model, objects_settings(crops, teacher, measurements)
        )
        write_scores(output, model, clips, len(clips), about, known, settings)


def score_frames(
    output: Path,
    *,
    weights: Path,
    calibration: Path | None,
    frames: Path,
    detections: Path,
    cubes: Cubes,
    teachers: Teachers,
    features: Features,
    settings: Score,
) -> None:
    """Writes the same scores straight from the frames and boxes of one shard.

    cubes, teachers, features: the settings of the stages that are left out.
    """
    stages = from_frames.Stages(cubes, teachers, features)
    check_fusion(calibration, settings)
    device = chosen_device()
    with (
        read_frames(frames) as source,
        read_detections(detections) as found,
    ):
        check_clips(source, found)
        detector, classes = load_teacher(found, teachers, device)
        model, card = load_for(weights, classes, cubes.model_dump(), settings, device)
        needed = model.model.measured
        seen = from_frames.Seen(detector, load_network(needed, features, device), needed)
        about = {name: each.model_dump() for name, each in vars(stages).items()}
        known = calibration_for(calibration, settings, model, about)

        def clip(name: str) -> Clip:
            objects = from_frames.Objects.of(found[name], cubes)
            pictures = Frames(source[name])
            batches = from_frames.batches(pictures, objects, seen, stages, settings.batch, device)
            positions = {"frame": objects.frame, "box": objects.box}
            return Clip(found[name], positions, batches, pictures.time)

        clips = (clip(name) for name in source)
        about = scored_by(card)
        write_scores(output, model, clips, len(source), about, known, settings)


def scored_by(card: dict) -> dict:
    """What a file of scores says of the model with this card."""
    return {
        "radius": card["spec"]["radius"],
        "model": card.get("name", "model"),  # models released with version 0.1 have no name
        "seed": card["seed"],
        "normal": json.dumps(card.get("groups", [])),
    }


def check_fusion(calibration: Path | None, settings: Score) -> None:
    """InputError for a fusion that a calibration is needed for, and none."""
    if settings.fusion not in PLAIN and calibration is None:
        raise InputError(
            f"score: --fusion {settings.fusion} needs --calibration, made by `ssmtl calibrate`"
        )


def plain_beside(fusion: str, known: Calibration) -> list[str]:
    """Of the plain fusions the other one, where this is one and tasks differ in their views."""
    if fusion not in PLAIN or len(set(known.counts.values())) < 2:
        return []
    return [name for name in PLAIN if name != fusion]


def write_scores(
    output: Path,
    model,
    clips: Iterable[Clip],
    count: int,
    about: dict,
    known: Calibration,
    settings: Score,
) -> None:
    """Writes the task scores of `count` clips, the combined one and, of video, the baseline.

    Of pictures also what the other plain fusion makes of them, where that is another score.

    about: the attributes of the file; only pictures have a `dataset`.
    """
    video = "dataset" not in about
    beside = [] if video else plain_beside(settings.fusion, known)
    columns = [*model.tasks, "combined", *beside, *(["speed"] if video else [])]
    with (
        store.create(output, "scores", settings, columns=json.dumps(columns), **about) as out,
        memory_errors("score", "lower score.batch, or free the GPU"),
    ):
        for clip in progress(clips, "score", "clip", count):
            name = name_of(clip.group)
            scores = clip_scores(model, clip.batches, name)
            extra = {"combined": combine(scores, settings.fusion, known)}
            extra |= {name: combine(scores, name, known) for name in beside}
            if clip.time is not None:
                extra["speed"] = box_speed(**clip.positions, time=clip.time)
            check_range(extra, name)
            group = out.create_group(clip.group.name)
            for key, values in {**clip.positions, **scores, **extra}.items():
                group[key] = values
            for key in ("frames", "width", "height"):
                group.attrs[key] = clip.group.attrs[key]
            hdf5.complete(group, SCORES)
        store.set_attributes(out, computed=model.computed)
