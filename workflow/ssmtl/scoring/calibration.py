"""Stage calibrate: how the tasks score what is normal."""

import json
from collections.abc import Iterable
from pathlib import Path

import h5py
import numpy as np

from ssmtl.core import store
from ssmtl.core.device import chosen_device, memory_errors
from ssmtl.core.errors import InputError
from ssmtl.core.progress import progress
from ssmtl.formats import calibration as calibration_file
from ssmtl.formats import hdf5
from ssmtl.learning.samples import Samples, held_out
from ssmtl.scoring.fusion import combine, quantiles_of
from ssmtl.scoring.objects import (
    clip_scores,
    concatenated,
    load_for,
    name_of,
    stored_batches,
)
from ssmtl.scoring.settings import Score


def calibrate(
    output: Path,
    *,
    weights: Path,
    cubes: list[Path],
    teachers: list[Path],
    settings: dict,
    groups: list[str] | None = None,
) -> None:
    """Writes the quantiles of every task's score on the clips or pictures held out of training."""
    device = chosen_device()
    with Samples(cubes, teachers, groups) as samples:
        model, card = load_for(weights, samples.classes, samples.settings, settings, device)
        with memory_errors("calibrate", "lower score.batch, or free the GPU"):
            scores = held_out_scores(model, card, samples, settings["batch"])
        about = objects_settings(samples.pairs[0])
    quantiles = {name: quantiles_of(values) for name, values in scores.items()}
    combined = combine(scores, settings["fusion"], quantiles)
    with store.create(output, "calibration", settings, objects=json.dumps(about)) as file:
        for name, values in quantiles.items():
            file[name] = values
        file.attrs["combined"] = quantiles_of(combined)
        file.attrs["computed"] = model.computed
        hdf5.complete(file, calibration_file.CALIBRATION)


def held_out_scores(model, card: dict, samples: Samples, batch: int) -> dict:
    """Task scores of what was held out of training, per task float32 (N,)."""
    if samples.pictures:
        if card["train"]["digest"] != samples.digest:
            raise InputError(
                f"{samples.pairs[0][0].file.filename}: {', '.join(samples.clips)} are other "
                "pictures than the model was trained on; give the same file and the same --groups"
            )
        rows = held_out(samples, card["settings"], card["seed"]).calibration
        parts = [
            model(samples.read(part), {}) for part in np.split(rows, range(batch, len(rows), batch))
        ]
    else:
        held, radius = set(calibration_clips(card)), card["spec"]["radius"]
        pairs = [p for clip, p in zip(samples.clips, samples.pairs, strict=True) if clip in held]
        parts = [
            clip_scores(model, stored_batches(*pair, radius, batch), name_of(pair[0]))
            for pair in progress(pairs, "calibrate", "clip")
        ]
    return concatenated(parts, list(model.tasks))


def calibration_clips(card: dict) -> list[str]:
    """The normal clips that calibrate; cards of version 0.1 have none but the validation's."""
    about = card["train"]
    return about.get("calibration_clips", about["validation_clips"])


# What decides how an object looks to the model and its teacher, by stage.
OBJECTS = {
    "cubes": ("size", "radius", "scale"),
    "images": ("size",),
    "teachers": ("backend", "image_size", "context"),
}


def objects_settings(pair: tuple[h5py.Group, h5py.Group | None]) -> dict:
    """Those settings of a clip's cubes and teachers, or of pictures, by stage."""
    found = {}
    for group in filter(None, pair):
        stage, settings = group.file.attrs["kind"], store.settings_of(group.file)
        found[stage] = {key: settings[key] for key in OBJECTS[stage]}
    return found


def quantiles_for(calibration: Path | None, settings: dict, model, about: dict) -> dict | None:
    """The calibration of a model's scores, if there is one, checked against what is scored.

    about: the settings of its objects' stages.
    """
    if calibration is None:
        return None
    quantiles = read_calibration(calibration, settings, model.tasks)
    check_objects(calibration, about)
    return quantiles


def read_calibration(path: Path, settings: dict, tasks: Iterable[str]) -> dict[str, np.ndarray]:
    """Ascending quantiles (Q,) per task; InputError where they are not of these tasks' scores.

    settings: those of the scores, with `task_options`.
    """
    with calibration_file.read_calibration(path) as file:
        found = Score.upgraded(store.settings_of(file))["task_options"]
        wanted = settings["task_options"]
        if set(file) != set(tasks):
            raise InputError(
                f"{path}: of the tasks {', '.join(sorted(file))}, the scores are of "
                f"{', '.join(sorted(tasks))}; calibrate with the same model"
            )
        if other := [name for name in tasks if found.get(name) != wanted.get(name)]:
            raise InputError(
                f"{path}: made with score.task_options.{other[0]} {found.get(other[0])}, the "
                f"scores with {wanted.get(other[0])}; calibrate again, or score with that setting"
            )
        return {name: file[name][:] for name in file}


def check_objects(calibration: Path, found: dict) -> None:
    """InputError where a calibration's objects were cropped or looked at in another way."""
    with calibration_file.read_calibration(calibration) as file:
        expected = json.loads(file.attrs.get("objects", "{}"))
    for stage, values in expected.items():
        if stage not in found:
            raise InputError(f"{calibration}: of another kind of model; calibrate this one")
        for key, value in values.items():
            if found[stage][key] != value:
                raise InputError(
                    f"{calibration}: made with {stage}.{key} {value}, these objects with "
                    f"{found[stage][key]}; use the setting that the model was trained with"
                )
