"""Stages `calibrate` and `score`: from cubes to the anomaly score of every object.

The four scores are averaged per object [P]. With `fusion: ecdf` or `fisher` each task's score is
first mapped through the distribution of that score on the held-out normal clips of the training
split [D], so that tasks of different spread weigh the same.
"""

import json
import logging
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import torch

from ssmtl import direct, store
from ssmtl import model as models
from ssmtl.cube_storage import stored
from ssmtl.cubes import check_clips
from ssmtl.data import Samples, held_out, matching, read_samples
from ssmtl.device import device, memory_errors
from ssmtl.errors import InputError
from ssmtl.frames import Frames
from ssmtl.overlap import prefetched
from ssmtl.progress import progress
from ssmtl.tasks.base import Batch
from ssmtl.teachers import load_teacher

log = logging.getLogger(__name__)

QUANTILES = 1001


def gapless(cubes: np.ndarray, radius: int) -> np.ndarray:
    """The frames -radius..+radius of stored windows, uint8 (N, 2 * radius + 1, S, S, 3)."""
    middle = cubes.shape[1] // 2
    return cubes[:, middle - radius : middle + radius + 1]


@torch.inference_mode()
def score_batch(
    model: models.Model, cubes: np.ndarray | torch.Tensor, targets: dict[str, np.ndarray], where
) -> dict[str, np.ndarray]:
    """Task scores of gapless cubes uint8 (N, 2t+1, S, S, 3): per task float32 (N,).

    targets: the teachers' rows, `class_probs` float32 (N, C); none for pictures.
    """
    count, length = cubes.shape[:2]
    batch = Batch(
        torch.as_tensor(cubes).to(where),
        torch.tensor([[0, length]], device=where).expand(count, 2),
        targets={name: torch.from_numpy(values).to(where) for name, values in targets.items()},
    )
    with torch.autocast("cuda", torch.bfloat16, enabled=where.type == "cuda"):
        scores = model.scores(batch)
    return {name: values.float().cpu().numpy() for name, values in scores.items()}


def concatenated(parts: list[dict[str, np.ndarray]], names: list[str]) -> dict[str, np.ndarray]:
    """Scores of several batches as one array per name."""
    return {
        name: np.concatenate([part[name] for part in parts] or [np.zeros(0, np.float32)])
        for name in names
    }


def box_speed(frame: np.ndarray, box: np.ndarray) -> np.ndarray:
    """The baseline: how far the nearest box of the frame before is, over the box's height.

    frame int (N,) ascending, box float (N, 4). Returns float32 (N,) in [0, 1), v / (1 + v); 0 where
    the frame before has no box.
    """
    centre, height = (box[:, :2] + box[:, 2:]) / 2, box[:, 3] - box[:, 1]
    speed = np.zeros(len(frame), np.float32)
    numbers, first = np.unique(frame, return_index=True)
    rows = list(map(slice, first, [*first[1:], len(frame)]))
    for place in np.flatnonzero(np.diff(numbers) == 1):
        before, here = rows[place], rows[place + 1]
        distance = np.linalg.norm(centre[here, None] - centre[None, before], axis=-1).min(1)
        speed[here] = distance / np.maximum(height[here], 1)
    return speed / (1 + speed)


def combine(
    scores: dict[str, np.ndarray], fusion: str, calibration: dict[str, np.ndarray] | None = None
) -> np.ndarray:
    """The combined score of every object, float32 (N,) in [0, 1].

    fusion `mean`: the mean of the task scores [P]. `ecdf`: the mean of the shares F of normal
    objects that score lower. `fisher`: the mean of -log(1 - F), as in Fisher's method of combining
    p-values, over its largest value, so that one very unlikely task is not averaged away [D].
    calibration: per task ascending quantiles of its score on normal objects.
    """
    parts = list(contributions(scores, fusion, calibration).values())
    return np.mean(parts, axis=0).clip(0, 1).astype(np.float32)


def contributions(
    scores: dict[str, np.ndarray], fusion: str, calibration: dict[str, np.ndarray] | None
) -> dict[str, np.ndarray]:
    """What each task brings to the combined score, which is the mean of these; (N,) per task."""
    if fusion != "mean":
        scores = {name: calibrated(values, calibration[name]) for name, values in scores.items()}
    if fusion == "fisher":
        least = 1 / (QUANTILES + 1)
        scores = {
            name: np.log(np.maximum(1 - share, least)) / np.log(least)
            for name, share in scores.items()
        }
    return scores


def loudest(
    scores: dict[str, np.ndarray], fusion: str, calibration: dict[str, np.ndarray] | None
) -> np.ndarray:
    """The task that brings most to each object's combined score, its place in `scores`, (N,)."""
    return np.argmax(list(contributions(scores, fusion, calibration).values()), axis=0)


def calibrated(values: np.ndarray, quantiles: np.ndarray) -> np.ndarray:
    """The distribution function that `quantiles` (Q,) describe, at `values` (N,): (N,) in [0, 1].

    The largest normal score goes to Q / (Q + 1), and what lies beyond it keeps its order.
    """
    largest, top = quantiles[-1], len(quantiles) / (len(quantiles) + 1)
    inside = np.interp(values, quantiles, np.linspace(0, top, len(quantiles)))
    beyond = top + (1 - top) * (values - largest) / max(1 - largest, 1e-9)
    return np.where(values > largest, np.clip(beyond, top, 1), inside)


def check_range(scores: dict[str, np.ndarray], where: str) -> None:
    """InputError unless all scores are in [0, 1].

    Empty ground scores 0, and the padded macro AUC adds 0 and 1.
    """
    for name, values in scores.items():
        if not ((values >= 0) & (values <= 1)).all():
            bad = values[~((values >= 0) & (values <= 1))][0]
            raise InputError(
                f"{where}: score {bad} of {name} is not in [0, 1]; train the model again"
            )


def stored_batches(
    cubes: h5py.Group, teachers: h5py.Group | None, radius: int, batch: int
) -> Iterator[tuple[np.ndarray, dict]]:
    """Gapless cubes of a clip, or pictures, and the teachers' rows, `batch` at a time."""
    crops = stored(cubes)
    for start in range(0, len(crops), batch):
        rows = np.s_[start : start + batch]
        targets = {"class_probs": teachers["class_probs"][rows]} if teachers else {}
        yield gapless(crops[rows], radius), targets


def clip_scores(model: models.Model, batches: Iterable[tuple], name: str, where) -> dict:
    """Task scores of a clip, per task float32 (N,); batches: cubes and targets as for
    `score_batch`; `name` is for the InputError of a score out of range."""
    if where.type == "cuda":  # a CPU's cores have enough to do
        batches = prefetched(batches, 1)
    parts = [score_batch(model, *batch, where) for batch in batches]
    scores = concatenated(parts, list(model.tasks))
    check_range(scores, name)
    return scores


def name_of(group: h5py.Group) -> str:
    """A clip in its file, for messages."""
    return f"{group.file.filename}: clip {group.name.strip('/')}"


def load_for(weights: Path, classes: list[str], cubes: dict, settings: dict, where):
    """The model and its card; InputError where it was trained on other classes or cubes.

    classes: the teachers'; cubes: the settings that the cubes or pictures were made with.
    """
    model, card = models.load(weights, settings)
    stage = "cubes" if "radius" in cubes else "images"
    spec, cubes = card["spec"], {"radius": 0} | cubes
    if spec["classes"] and stage == "images":
        raise InputError(f"{weights}: a model of video, whose cubes and teachers it needs")
    for what, found, expected in (
        ("detector classes", classes, spec["classes"]),
        (f"{stage}.size", cubes["size"], spec["size"]),
        ("cubes.radius", cubes["radius"], spec["radius"]),
    ):
        if found != expected:
            raise InputError(
                f"{weights}: trained with the {what} {shown(expected)}, the data has "
                f"{shown(found)}; score with the settings that the model was trained with"
            )
    return model.to(where), card


def shown(value: int | list[str]) -> str:
    """A number, or how many names there are and the first few of them."""
    if isinstance(value, int):
        return str(value)
    return f"{len(value)} ({', '.join(value[:3])}{', ...' if len(value) > 3 else ''})"


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
    where = device()
    with Samples(cubes, teachers, groups) as samples:
        model, card = load_for(
            weights, samples.classes, samples.settings, model_settings(settings), where
        )
        with memory_errors("calibrate", "lower score.batch, or free the GPU"):
            scores = held_out_scores(model, card, samples, settings["batch"], where)
        about = objects_settings(samples.pairs[0])
    quantiles = {name: quantiles_of(values) for name, values in scores.items()}
    combined = combine(scores, settings["fusion"], quantiles)
    with store.create(output, "calibration", settings, objects=json.dumps(about)) as file:
        for name, values in quantiles.items():
            file[name] = values
        file.attrs["combined"] = quantiles_of(combined)


def held_out_scores(model, card: dict, samples: Samples, batch: int, where) -> dict:
    """Task scores of what was held out of training, per task float32 (N,)."""
    if samples.pictures:
        if card["train"]["digest"] != samples.digest:
            raise InputError(
                f"{samples.pairs[0][0].file.filename}: {', '.join(samples.clips)} are other "
                "pictures than the model was trained on; give the same file and the same --groups"
            )
        _, rows = held_out(samples, card["settings"]["validation"], card["seed"])
        parts = [
            score_batch(model, samples.read(part).numpy(), {}, where)
            for part in np.split(rows, range(batch, len(rows), batch))
        ]
    else:
        held, radius = set(card["train"]["validation_clips"]), card["spec"]["radius"]
        pairs = [p for clip, p in zip(samples.clips, samples.pairs, strict=True) if clip in held]
        parts = [
            clip_scores(model, stored_batches(*pair, radius, batch), name_of(pair[0]), where)
            for pair in progress(pairs, "calibrate", "clip")
        ]
    return concatenated(parts, list(model.tasks))


def quantiles_of(scores: np.ndarray) -> np.ndarray:
    """Ascending quantiles (QUANTILES,) of scores (N,); those of a uniform score where N is 0."""
    levels = np.linspace(0, 1, QUANTILES)
    return np.quantile(scores, levels) if len(scores) else levels


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


def model_settings(settings: dict) -> dict:
    return {"distillation_reduction": settings["distillation_reduction"]}


@dataclass(frozen=True)
class Clip:
    """What is scored of a clip, or of a class of pictures: a group of cubes, or of detections."""

    group: h5py.Group  # has the name and, as attributes, frames, width and height
    places: dict[str, np.ndarray]  # frame (N,) and, of video, box (N, 4)
    batches: Iterable[tuple]  # cubes and targets as for `score_batch`


def score_objects(
    output: Path,
    *,
    weights: Path,
    calibration: Path | None,
    cubes: Path,
    teachers: Path | None,
    settings: dict,
) -> None:
    """Writes the scores of every object of one shard; rows as in its `cubes.h5`.

    Or, without teachers, of every picture; rows as in its `images.h5`.
    """
    where = device()
    with ExitStack() as stack:
        crops = stack.enter_context(read_samples(cubes, "cubes" if teachers else "images"))
        teacher = stack.enter_context(store.read(teachers, "teachers")) if teachers else None
        model, card = load_for(
            weights,
            json.loads(teacher.attrs["classes"]) if teacher else [],
            store.settings_of(crops),
            model_settings(settings),
            where,
        )

        def clip(name: str) -> Clip:
            group = crops[name]
            rows = matching(teacher, name, group)
            places = {key: group[key][:] for key in ("frame", "box") if key in group}
            batches = stored_batches(group, rows, card["spec"]["radius"], settings["batch"])
            return Clip(group, places, batches)

        # All clips are checked before the first is scored.
        clips, video = [clip(name) for name in crops], teacher is not None
        quantiles = quantiles_for(calibration, settings, model, objects_settings((crops, teacher)))
        write_scores(output, model, clips, len(clips), video, quantiles, settings, where)


def score_frames(
    output: Path,
    *,
    weights: Path,
    calibration: Path | None,
    frames: Path,
    detections: Path,
    cubes: dict,
    teachers: dict,
    settings: dict,
) -> None:
    """Writes the same scores straight from the frames and boxes of one shard.

    cubes, teachers: the settings of the stages that are left out.
    """
    where = device()
    with (
        store.read(frames, "frames") as source,
        store.read(detections, "detections") as found,
    ):
        check_clips(source, found)
        detector, classes = load_teacher(found, teachers, where)
        model, _ = load_for(weights, classes, cubes, model_settings(settings), where)
        about = {"cubes": cubes, "teachers": teachers}
        quantiles = quantiles_for(calibration, settings, model, about)

        def clip(name: str) -> Clip:
            objects = direct.Objects.of(found[name], cubes)
            batches = direct.batches(
                Frames(source[name]), objects, detector, cubes, teachers, settings["batch"], where
            )
            return Clip(found[name], {"frame": objects.frame, "box": objects.box}, batches)

        clips = (clip(name) for name in source)
        write_scores(output, model, clips, len(source), True, quantiles, settings, where)


def write_scores(
    output: Path,
    model,
    clips: Iterable[Clip],
    count: int,
    video: bool,
    quantiles: dict | None,
    settings: dict,
    where,
) -> None:
    """Writes the task scores of `count` clips, the combined one and, of video, the baseline."""
    columns = [*model.tasks, "combined", *(["speed"] if video else [])]
    with (
        store.create(output, "scores", settings, columns=json.dumps(columns)) as out,
        memory_errors("score", "lower score.batch, or free the GPU"),
    ):
        for clip in progress(clips, "score", "clip", count):
            name = name_of(clip.group)
            scores = clip_scores(model, clip.batches, name, where)
            extra = {"combined": combine(scores, settings["fusion"], quantiles)}
            if video:
                extra["speed"] = box_speed(**clip.places)
            check_range(extra, name)
            group = out.create_group(clip.group.name)
            for key, values in {**clip.places, **scores, **extra}.items():
                group[key] = values
            for key in ("frames", "width", "height"):
                group.attrs[key] = clip.group.attrs[key]


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

    settings: those of the scores, with `distillation_reduction`.
    """
    with store.read(path, "calibration") as file:
        found, wanted = store.settings_of(file), "distillation_reduction"
        if set(file) != set(tasks):
            raise InputError(
                f"{path}: of the tasks {', '.join(sorted(file))}, the scores are of "
                f"{', '.join(sorted(tasks))}; calibrate with the same model"
            )
        if found[wanted] != settings[wanted]:
            raise InputError(
                f"{path}: made with score.{wanted} {found[wanted]}, the scores with "
                f"{settings[wanted]}; calibrate again, or score with that setting"
            )
        return {name: file[name][:] for name in file}


def check_objects(calibration: Path, found: dict) -> None:
    """InputError where a calibration's objects were cropped or looked at in another way."""
    with store.read(calibration, "calibration") as file:
        expected = json.loads(file.attrs["objects"])
    for stage, values in expected.items():
        if stage not in found:
            raise InputError(f"{calibration}: of another kind of model; calibrate this one")
        for key, value in values.items():
            if found[stage][key] != value:
                raise InputError(
                    f"{calibration}: made with {stage}.{key} {value}, these objects with "
                    f"{found[stage][key]}; use the setting that the model was trained with"
                )
