"""Stage calibrate: how the tasks score what is normal."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
from sklearn.metrics import roc_auc_score

from ssmtl.core import store
from ssmtl.core.device import chosen_device, memory_errors
from ssmtl.core.errors import InputError
from ssmtl.core.progress import progress
from ssmtl.formats import hdf5
from ssmtl.formats.calibration import CALIBRATION, read_calibration
from ssmtl.learning.samples import VALIDATION, Samples, Split, draws, held_out
from ssmtl.learning.tasks.base import Batch
from ssmtl.scoring.fusion import Calibration, calibration_of, combine, quantiles_of
from ssmtl.scoring.objects import (
    clip_scores,
    concatenated,
    load_for,
    measured_rows,
    name_of,
    stored_batches,
)
from ssmtl.scoring.settings import Score

MADE = 2000  # normal objects that anomalies are made of


def calibrate(
    output: Path,
    *,
    weights: Path,
    cubes: list[Path],
    teachers: list[Path],
    settings: Score,
    groups: list[str] | None = None,
    features: Sequence[Path] = (),
) -> None:
    """Writes the quantiles of every task's score on the clips or pictures held out of training.

    And the task's weight in fusion `evidence`.
    """
    device = chosen_device()
    with Samples(cubes, teachers, groups, features) as samples:
        model, card = load_for(weights, samples.classes, samples.settings, settings, device)
        with memory_errors("calibrate", "lower score.batch, or free the GPU"):
            scores = held_out_scores(model, card, samples, settings.batch)
            made = made_scores(model.model, card, samples, settings.batch, device)
            shares = task_weights(model.model, made)
        about = objects_settings(*samples.pairs[0], *samples.measured[:1])
    quantiles = {name: quantiles_of(values) for name, values in scores.items()}
    known = Calibration(quantiles, shares, counts_of(model.model))
    combined = combine(scores, settings.fusion, known)
    with store.create(output, "calibration", settings, objects=json.dumps(about)) as file:
        for name, values in quantiles.items():
            file[name] = values
            file[name].attrs["weight"] = shares[name]
            file[name].attrs["count"] = known.counts[name]
        file.attrs["combined"] = quantiles_of(combined)
        store.set_attributes(file, computed=model.computed)
        hdf5.complete(file, CALIBRATION)


def held_out_scores(model, card: dict, samples: Samples, batch: int) -> dict:
    """Task scores of what was held out of training, per task float32 (N,)."""
    if samples.pictures:
        if card["train"]["digest"] != samples.digest:
            raise InputError(
                f"{samples.pairs[0][0].file.filename}: {', '.join(samples.clips)} are other "
                "pictures than the model was trained on; give the same file and the same --groups"
            )
        rows = split_of(samples, card).calibration
        parts = [
            model(samples.read(part), measured_of(samples, model.model, part))
            for part in np.split(rows, range(batch, len(rows), batch))
        ]
    else:
        chosen, radius = set(calibration_clips(card)), card["spec"]["radius"]
        numbers = [number for number, clip in enumerate(samples.clips) if clip in chosen]
        parts = []
        for number in progress(numbers, "calibrate", "clip"):
            crops, beside = samples.pairs[number]
            name = name_of(crops)
            features = samples.measured[number] if samples.measured else None
            measured = measured_rows(model.model, features, name)
            batches = stored_batches(crops, beside, radius, batch, measured)
            parts.append(clip_scores(model, batches, name))
    return concatenated(parts, list(model.tasks))


def measured_of(samples: Samples, model, rows: np.ndarray) -> dict[str, np.ndarray]:
    """What the model's tasks have measured of rows in ascending order, by name (n, D)."""
    return {name: samples.rows_of(name, rows).numpy() for name in model.measured}


def made_scores(model, card: dict, samples: Samples, batch_size: int, device) -> dict:
    """Per task the scores of normal objects and of anomalies made of them, float (N,) each.

    The objects are those that chose the weights, at most MADE of them, evenly spaced, so that
    those that calibrate choose nothing. Only of tasks that make anomalies.
    """
    rows = split_of(samples, card).validation
    rows = np.unique(rows[np.linspace(0, len(rows) - 1, min(MADE, len(rows))).astype(int)])
    names = dict.fromkeys(row for t in model.tasks.values() for row in (*t.measured, *t.made_rows))
    if names and any(name not in samples.measured[0] for name in names):
        where = samples.measured[0].file.filename
        raise InputError(f"{where}: features of the test split; calibrate with the training split")
    numbers = draws(len(samples), card["seed"], VALIDATION, list(model.tasks))
    parts = []
    for part in np.array_split(rows, -(-len(rows) // batch_size)):
        batch = Batch(
            samples.read(part).to(device),
            samples.valid[part].to(device),
            {name: values[part].to(device) for name, values in numbers.items()},
            {name: values[part].to(device) for name, values in samples.targets.items()}
            | {name: samples.rows_of(name, part).to(device) for name in names},
        )
        parts.append(model.told_apart(batch))
    return {
        name: tuple(np.concatenate([part[name][i] for part in parts]) for i in (0, 1))
        for name in parts[0]
    }


def task_weights(model, made: dict[str, tuple[np.ndarray, np.ndarray]]) -> dict[str, float]:
    """What each task counts in fusion `evidence`.

    Twice the AUC by which its score tells anomalies made of normal objects from these, less 1: 0
    for a task that cannot tell them, which then spoils nothing, and 1 for one that always can.
    Tasks that judge by the same evidence share one part, so that it counts once. A task that makes
    no anomalies counts as if it could tell all.
    """
    told = {}
    for name in model.tasks:
        if name in made:
            normal, odd = made[name]
            label = np.repeat([False, True], [len(normal), len(odd)])
            told[name] = max(0.0, 2 * roc_auc_score(label, np.concatenate(made[name])) - 1)
        else:
            told[name] = 1.0
    kinds = Counter(task.sees or name for name, task in model.tasks.items())
    return {n: told[n] / kinds[task.sees or n] for n, task in model.tasks.items()}


def split_of(samples: Samples, card: dict) -> Split:
    """The split that a model was trained with; version 0.1 had no share for calibration."""
    settings = card["settings"]
    return held_out(samples, settings["validation"], settings.get("calibration"), card["seed"])


def counts_of(model) -> dict[str, int]:
    """Per task how many views its score is a mean over."""
    return {name: task.count for name, task in model.tasks.items()}


def calibration_clips(card: dict) -> list[str]:
    """The normal clips that calibrate; cards of version 0.1 have none but the validation's."""
    about = card["train"]
    return about.get("calibration_clips", about["validation_clips"])


# What decides how an object looks to the model and its teacher, by stage.
OBJECTS = {
    "cubes": ("size", "radius", "scale"),
    "images": ("size",),
    "teachers": ("backend", "image_size", "context"),
    "features": ("network", "size", "flow_size"),
}


def objects_settings(*groups: h5py.Group | None) -> dict:
    """Those settings of a clip's cubes, teachers and features, or of pictures, by stage."""
    found = {}
    for group in filter(None, groups):
        stage, settings = store.attribute(group.file, "kind"), store.settings_of(group.file)
        found[stage] = {key: settings[key] for key in OBJECTS[stage]}
    return found


def calibration_for(calibration: Path | None, settings: Score, model, about: dict) -> Calibration:
    """The calibration of a model's scores, checked against what is scored.

    Without a file it knows no quantiles, which the plain fusions do without. about: the settings
    of the objects' stages.
    """
    if calibration is None:
        return Calibration({}, counts=counts_of(model.model))
    found = calibration_of(calibration, settings.task_options, model.tasks)
    check_objects(calibration, about)
    return found


def check_objects(calibration: Path, found: dict) -> None:
    """InputError where a calibration's objects were cropped or looked at in another way."""
    with read_calibration(calibration) as file:
        expected = json.loads(store.attribute(file, "objects", "{}"))
    for stage, values in expected.items():
        if stage not in found:
            raise InputError(f"{calibration}: of another kind of model; calibrate this one")
        for key, value in values.items():
            if found[stage][key] != value:
                raise InputError(
                    f"{calibration}: made with {stage}.{key} {value}, these objects with "
                    f"{found[stage][key]}; use the setting that the model was trained with"
                )
