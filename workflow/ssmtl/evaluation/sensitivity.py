"""How far the frame metrics depend on what is chosen after the objects are scored.

Fusion of the task scores, cell and filter of the map, smoothing and its border rule are varied
over a grid; the object scores stay as they are. It only measures: no stage reads its output, and a
setting picked from it would be picked by test labels.
"""

import itertools
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ssmtl.core.errors import InputError
from ssmtl.core.progress import progress
from ssmtl.evaluation.anomaly_map import frame_scores, smooth
from ssmtl.evaluation.evaluate import check_coverage, labels_of_row
from ssmtl.evaluation.following import averaged, links
from ssmtl.evaluation.metrics import auc
from ssmtl.evaluation.metrics.names import OF_FRAMES
from ssmtl.evaluation.settings import Point, Sensitivity
from ssmtl.formats.manifest import read_manifest
from ssmtl.formats.scores import read_scores, scored_alike, tasks_of
from ssmtl.formats.tables import write_csv
from ssmtl.scoring.fusion import Calibration, calibration_of, combine

log = logging.getLogger(__name__)

FACTORS = ("fusion", "cell", "filter_size", "sigma", "border")
METRICS = tuple(OF_FRAMES)


@dataclass(frozen=True)
class Clip:
    """A labelled test clip: its objects, and the labels of its frames."""

    label: np.ndarray  # bool (T,)
    shape: tuple[int, int]  # height, width of the picture in pixels
    frame: np.ndarray  # int (N,)
    box: np.ndarray  # float (N, 4), pixels
    tasks: dict[str, np.ndarray]  # per task float32 (N,)


def read_clips(manifest: Path, scores: list[Path]) -> list[Clip]:
    """The labelled test clips; InputError where one has no scores, or none has labels."""
    rows = {row.clip: row for row in read_manifest(manifest).query("split == 'test'").itertuples()}
    seen: set[str] = set()
    clips = {}
    for path in scores:
        with read_scores(path) as file:
            tasks = tasks_of(file)
            for name, group in file.items():
                if name not in rows:
                    raise InputError(f"{path}: clip {name} is not in {manifest}; score it again")
                row = rows[name]
                check_coverage(path, group, row)
                seen.add(name)
                label, _ = labels_of_row(row.labels, int(row.frames))
                if label is not None:
                    clips[name] = Clip(
                        label=label.astype(bool),
                        shape=(int(row.height), int(row.width)),
                        frame=group["frame"][:],
                        box=group["box"][:],
                        tasks={task: group[task][:] for task in tasks},
                    )
    if missing := sorted(set(rows) - seen):
        raise InputError(
            f"{', '.join(map(str, scores))}: no scores for clip {', '.join(missing)} of "
            f"{manifest}; score every clip first"
        )
    if not clips:
        raise InputError(f"{manifest}: no test clip has labels, so there is nothing to measure")
    return [clips[name] for name in sorted(clips)]


def grids(settings: Sensitivity, configured: Point) -> dict[str, list]:
    """The values of every factor, the configured one among them, numbers ascending."""
    varied, point, values = settings.model_dump(), configured.model_dump(), {}
    for factor in FACTORS:
        found = list(dict.fromkeys([*varied[factor], point[factor]]))
        values[factor] = found if isinstance(point[factor], str) else sorted(found)
    return values


def mapped(clips: list[Clip], scores: list[np.ndarray], radius: int, **map_settings) -> list:
    """Unsmoothed frame scores of every clip, each float32 (T,), from its objects' scores (N,)."""
    return [
        frame_scores(
            clip.frame,
            clip.box,
            values,
            frames=len(clip.label),
            radius=radius,
            shape=clip.shape,
            **map_settings,
        )
        for clip, values in zip(clips, scores, strict=True)
    ]


def measure(clips: list[Clip], scores: list[np.ndarray], *smoothing) -> dict:
    """Micro and both macro AUCs of frame scores (T,) per clip after smoothing."""
    labels = [clip.label for clip in clips]
    smoothed = [smooth(values, *smoothing) for values in scores]
    return auc.frame_metrics(labels, smoothed)


def sweep(
    clips: list[Clip],
    calibration: Calibration,
    *,
    settings: Sensitivity,
    configured: Point,
    radius: int,
) -> pd.DataFrame:
    """The frame metrics over the whole grid, one row per point; `configured` marks the one in use.

    The map is made once per fusion, cell and filter, and smoothed in every way.
    """
    values, in_use = grids(settings, configured), configured.model_dump(include=set(FACTORS))
    ways = [links(clip.frame, clip.box) for clip in clips]
    maps = list(itertools.product(*(values[factor] for factor in FACTORS[:3])))
    rows = []
    for fusion, cell, filter_size in progress(maps, "sensitivity", "map"):
        scores = [
            averaged(combine(clip.tasks, fusion, calibration), way, configured.follow)
            for clip, way in zip(clips, ways, strict=True)
        ]
        frames = mapped(clips, scores, radius, cell=cell, filter_size=filter_size)
        for sigma, border in itertools.product(values["sigma"], values["border"]):
            point = dict(zip(FACTORS, (fusion, cell, filter_size, sigma, border), strict=True))
            rows.append(
                point
                | measure(clips, frames, sigma, border, configured.smoothing)
                | {"configured": point == in_use}
            )
    return pd.DataFrame(rows)


def one_at_a_time(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Per factor the rows of a sweep that differ from the configured point in it alone."""
    point = table[table["configured"]].iloc[0]
    equal = pd.DataFrame({factor: table[factor] == point[factor] for factor in FACTORS})
    return {f: table[equal.drop(columns=f).all(axis=1)] for f in FACTORS}


def write_sensitivity(
    output: Path,
    *,
    manifest: Path,
    scores: list[Path],
    calibration: Path,
    configured: Point,
    settings: Sensitivity,
    model: str | None = None,
) -> None:
    """Writes the sweep of one model, CSV.

    model: the name to write, where it is another than the scores' own.
    """
    clips = read_clips(manifest, scores)
    about = scored_alike(scores)
    table = sweep(
        clips,
        calibration_of(calibration, about["settings"]["task_options"], clips[0].tasks),
        settings=settings,
        configured=configured,
        radius=about["radius"],
    )
    table.insert(0, "model", model or about["model"])
    table.insert(1, "seed", about["seed"])
    write_csv(output, table)
    log.info("%s: %d points over %d clips", output, len(table), len(clips))
