"""A watcher: a folder with all that new video is watched with, and needs nothing beside it.

The model, its calibration, the detector, the settings of all stages, and the frame scores of the
normal clips held out of training, from which the threshold is chosen.
"""

import json
import logging
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ssmtl import __version__, detection
from ssmtl.core import store
from ssmtl.core.device import chosen_device
from ssmtl.core.errors import InputError
from ssmtl.core.progress import progress
from ssmtl.detection.base import Detector
from ssmtl.formats.card import read_card
from ssmtl.formats.frames import Frames, read_frames
from ssmtl.formats.tables import write_csv
from ssmtl.formats.watcher import CARD, NORMAL, read_about, read_normal
from ssmtl.media.video import Frame
from ssmtl.scoring.calibration import calibration_clips
from ssmtl.scoring.fusion import calibration_of
from ssmtl.scoring.objects import load_for
from ssmtl.stages.features import load_network
from ssmtl.stages.settings import Detect
from ssmtl.watching.frame_scores import scored_frames
from ssmtl.watching.likeness import (
    OF_CLIP,
    Described,
    Gathered,
    described,
    write_normal_objects,
)
from ssmtl.watching.memory import Memory
from ssmtl.watching.settings import Scoring, Watch
from ssmtl.watching.stream import Scorer
from ssmtl.watching.threshold import NormalClip, choose, say

log = logging.getLogger(__name__)


def make_watcher(
    output: Path, *, weights: Path, calibration: Path, frames: list[Path], config: dict
) -> None:
    """Writes a watcher from a trained and calibrated model.

    frames: the training shards' frames.h5; config: the settings of all stages. Raises InputError
    for files that do not fit, and for imported boxes, which new video does not have.
    """
    settings = Scoring.parse({stage: config[stage] for stage in Scoring.model_fields})
    if settings.detect.backend == "imported":
        raise InputError(
            "detect.backend is imported: new video comes without boxes; learn with a detector"
        )
    card = read_card(weights.with_suffix(".json"))
    for source in (weights, weights.with_suffix(".json"), calibration):
        with store.replacing(output / source.name) as path:
            shutil.copyfile(source, path)
    settings = settings.model_copy(
        update={
            "detect": settings.detect.with_files(lambda key, name: kept(name, output, key)),
            "evaluate": settings.evaluate.model_copy(update={"smoothing": "causal"}),
        }
    )
    scorer = scorer_of(output, settings)
    found = [each for path in frames for each in normal_scores(path, card, scorer)]
    about = {"ssmtl": __version__, "settings": settings.model_dump()}
    write_normal(output, [clip for clip, _ in found], about)
    write_normal_objects(output, [objects for _, objects in found])
    log.info("%s: ready to watch with: ssmtl watch --model %s VIDEO", output, output)


def write_normal(folder: Path, clips: list[NormalClip], about: dict | None = None) -> None:
    """Writes the frame scores of normal clips, from which the threshold is chosen.

    about: what the watcher's card says beside them; what it says today where not given. Stretches
    of one clip are told apart by their number.
    """
    names: dict[str, NormalClip] = {}
    for clip in clips:
        number = sum(known.name == clip.name for known in names.values())
        names[f"{clip.name} ({number + 1})" if number else clip.name] = clip
    tables = [
        pd.DataFrame({"clip": name, "time": np.arange(len(c.score)) / c.fps, "score": c.score})
        for name, c in names.items()
    ]
    normal = {name: {"fps": c.fps, "frames": len(c.score)} for name, c in names.items()}
    about = (read_about(folder) if about is None else about) | {"normal": normal}
    write_csv(folder / NORMAL, pd.concat(tables))
    write_card(folder, about)


def write_card(folder: Path, about: dict) -> None:
    with store.replacing(folder / CARD) as path:
        path.write_text(json.dumps(about, indent=1, sort_keys=True) + "\n")


def digest(folder: Path) -> str:
    """Of all in a watcher that decides a score."""
    patterns = ("model.safetensors", "calibration.h5", "detector-*")
    files = sorted(path for pattern in patterns for path in folder.glob(pattern))
    settings = read_about(folder)["settings"]
    return store.digest([store.file_digest(path) for path in files], settings)


def threshold(model: Path, *, false_alarms_per_hour: float | None) -> None:
    """Sets how many false alarms an hour a watcher's threshold is chosen for, and says it.

    Nothing is learnt: the threshold comes from the frame scores in the folder. Without a rate it is
    only said. Raises InputError for a folder that is none and for a rate that is not above 0.
    """
    settings = Watch.parse({"false_alarms_per_hour": false_alarms_per_hour}, "threshold")
    _, normal, asked = read_watcher(model)
    rate = settings.false_alarms_per_hour
    say(choose(normal, rate or asked, settings.after))
    if rate:
        write_card(model, read_about(model) | {"false_alarms_per_hour": rate})


def kept(name: str, folder: Path, key: str) -> str:
    """Copies a file of the detector into the folder; returns its name there, or what it was."""
    if not Path(name).is_file():
        return name
    copy = f"detector-{key}{Path(name).suffix}"
    with store.replacing(folder / copy) as temporary:
        shutil.copyfile(name, temporary)
    return copy


def normal_scores(
    frames: Path, card: dict, scorer: Scorer
) -> Iterator[tuple[NormalClip, Described]]:
    """The clips of a shard that were held out of training, and what their objects are like.

    Of a single training clip it is the end, which was held out.
    """
    with read_frames(frames) as source:
        for clip in sorted(set(source) & set(calibration_clips(card))):
            pictures = Frames(source[clip])
            share = card["settings"]["validation"] if len(source) == 1 else 1
            start = round(len(pictures) * (1 - share))
            found = f"normal scores of {clip}", len(pictures) - start
            timed = map(Frame, pictures.decoded(start), pictures.time[start:].tolist())
            scores, objects = scored_normal(timed, scorer, *found)
            if len(scores):
                yield NormalClip(clip, float(source[clip].attrs["fps"]), scores), objects


def scored_normal(
    frames: Iterable[Frame], scorer: Scorer, what: str, total: int | None
) -> tuple[np.ndarray, Described]:
    """The smoothed frame scores (T,) of an unbroken stretch of normal video, and descriptions of
    some of its objects.

    what, total: for the line about progress.
    """
    gathered, scores = Gathered(OF_CLIP), []
    found = scored_frames(frames, replace(scorer, kept_above=-1.0))
    for frame, _, smoothed in progress(found, what, "frame", total):
        gathered.add(frame.objects)
        scores.append(smoothed)
    objects = gathered.objects()
    return np.array(scores, np.float32), described(scorer.model.model, objects) if objects else {}


def detect_settings(folder: Path, settings: Scoring) -> Detect:
    """The section detect of a watcher, with the paths of the files that are in its folder."""
    return settings.detect.with_files(
        lambda _, name: str(folder / name) if name and (folder / name).is_file() else name
    )


def scorer_of(folder: Path, settings: Scoring, detector: Detector | None = None) -> Scorer:
    """The scorer of a watcher's files; InputError where they do not fit together.

    detector: the watcher's, where it is loaded already.
    """
    device = chosen_device()
    detector = detector or detection.load_configured(detect_settings(folder, settings), device)
    model, _ = load_for(
        folder / "model.safetensors",
        list(detector.classes),
        settings.cubes.model_dump(),
        settings.score,
        device,
    )
    path, options = folder / "calibration.h5", settings.score.task_options
    calibration = calibration_of(path, options, model.tasks)
    network = load_network(model.model.measured, settings.features, device)
    memory = Memory(folder, model.model)
    return Scorer(detector, model, calibration, settings, device, network, memory)


def read_watcher(folder: Path) -> tuple[Scoring, list[NormalClip], float]:
    """The settings of a watcher, its normal clips, and false alarms an hour asked for.

    Raises InputError for a folder that is none.
    """
    about = read_about(folder)
    kinds: dict[str, Any] = {name: field.annotation for name, field in Scoring.model_fields.items()}
    sections = {
        stage: kind.parse(
            kind.upgraded(about["settings"].get(stage, {})), f"{folder / CARD}: {stage}"
        )
        for stage, kind in kinds.items()
    }
    settings = Scoring(**sections)
    table = read_normal(folder, about)
    clips = [
        NormalClip(str(clip), about["normal"][clip]["fps"], part["score"].to_numpy())
        for clip, part in table.groupby("clip", sort=False)
    ]
    return settings, clips, float(about["false_alarms_per_hour"])
