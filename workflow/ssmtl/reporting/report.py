"""Stage `report`: one self-contained HTML page about a data set and the models run on it."""

import base64
import json
import logging
import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import h5py
import numpy as np
import pandas as pd
import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ssmtl import media, store
from ssmtl.errors import InputError
from ssmtl.frames import Frames
from ssmtl.manifest import read_manifest
from ssmtl.reporting import plots, published

log = logging.getLogger(__name__)

BORDERS = ("zero", "replicate")
METRICS = {"micro": "micro", "macro_padded": "macro, padded", "macro_strict": "macro, strict"}
PLACES = {"rbdc": "RBDC", "tbdc": "TBDC", "pixel_auc": "pixel AUC"}
ROWS = {  # the data set that has one row per object, in each kind of file
    "detections": "frame",
    "cubes": "frame",
    "teachers": "class_probs",
    "scores": "frame",
}

EVENTS = 12  # objects shown per model
EVENT_FRAMES = 15  # overlapping boxes of one clip this close in time are one event
CANDIDATES = 5000  # highest-scoring objects looked through for events
PICTURE_WIDTH = 320  # pixels, of the frame shown beside an object


# ---------------------------------------------------------------- models


@dataclass(frozen=True)
class Run:
    """One trained and scored model: a folder `models/{model}/seed{seed}`."""

    folder: Path
    info: dict
    metrics: dict

    @property
    def model(self) -> str:
        return str(self.metrics["model"])

    @property
    def seed(self) -> int:
        return self.metrics["seed"]

    @property
    def columns(self) -> list[str]:
        """The columns of scores, the one that counts first."""
        return sorted(self.metrics["columns"], key=lambda column: column != "combined")

    @property
    def tasks(self) -> list[str]:
        return self.metrics["tasks"]

    @property
    def encoder(self) -> dict:
        """What the model was built from, but for its tasks."""
        others = ("tasks", "classes", "settings")
        return {key: value for key, value in self.info["spec"].items() if key not in others}

    @cached_property
    def frames(self) -> pd.DataFrame:
        return read_frame_scores(self.folder / "frame_scores.csv")

    @cached_property
    def clips(self) -> dict[str, pd.DataFrame]:
        """The rows of frame_scores.csv per clip, in the file's order."""
        return dict(iter(self.frames.groupby("clip", sort=False)))


def unreadable(path: Path, error: Exception) -> InputError:
    return InputError(f"{path}: missing or damaged ({type(error).__name__}); run its stage again")


def read_json(path: Path) -> dict:
    """The object in a JSON file; InputError where it is missing or broken."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error


def read_csv(path: Path, text: tuple[str, ...]) -> pd.DataFrame:
    """A CSV file: the columns in `text` as str, all others as numbers, empty cells as NaN."""
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        numbers = [name for name in table.columns if name not in text]
        return table.assign(**{name: pd.to_numeric(table[name]) for name in numbers})
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error


def read_frame_scores(path: Path) -> pd.DataFrame:
    """frame_scores.csv, one row per frame of every test clip."""
    return read_csv(path, text=("clip", "kind"))


def load_models(folders: Iterable[Path]) -> dict[str, list[Run]]:
    """The runs (seeds) of every model, in the order given."""
    models: dict[str, list[Run]] = {}
    for folder in map(Path, folders):
        run = Run(folder, read_json(folder / "model.json"), read_json(folder / "metrics.json"))
        models.setdefault(run.model, []).append(run)
    return models


# ---------------------------------------------------------------- numbers


def known(values: Iterable[float | None]) -> list[float]:
    """The values that are there: neither None nor NaN."""
    return [value for value in values if value is not None and not math.isnan(value)]


def mean(values: Iterable[float | None]) -> float | None:
    """The mean of the values that are there; None without any."""
    values = known(values)
    return statistics.fmean(values) if values else None


def percent(value: float | None) -> str:
    """0.9153 as '91.5'; a dash for what is not known."""
    return f"{100 * value:.1f}" if known([value]) else plots.UNKNOWN


def spread(values: Iterable[float | None]) -> str:
    """One value in per cent, or the mean ± standard deviation (n - 1) of several."""
    values = known(values)
    if len(values) < 2:
        return percent(mean(values))
    return f"{percent(mean(values))} ± {percent(statistics.stdev(values))}"


def count(value: float | None) -> str:
    """12345 as '12,345'; a dash for what is not known."""
    return f"{value:,.0f}" if value is not None else plots.UNKNOWN


def file_size(size: float) -> str:
    """Bytes as '3.4 MB', in powers of 1000."""
    if size < 1000:
        return f"{size} bytes"
    power = min(3, int(math.log10(size) / 3))
    return f"{size / 1000**power:.1f} {('kB', 'MB', 'GB')[power - 1]}"


def heat(value: float | None) -> str:
    """Style of a table cell with an AUC: no colour at 0.5, strongest at 0 and 1."""
    return f"--heat:{abs(value - 0.5):.2f}" if known([value]) else ""


def scores_of(runs: list[Run], border: str, column: str, metric: str) -> list[float | None]:
    """One metric of one column, of every run."""
    tables = (run.metrics["scores"].get(border, {}) for run in runs)
    return [table.get(column, {}).get(metric) for table in tables]


def places_of(runs: list[Run], column: str, metric: str) -> list[float | None]:
    """One of PLACES of one column, of every run; None where there are no tracks or masks."""
    if metric == "pixel_auc":
        return [run.metrics["pixel_auc"].get(column) for run in runs]
    return [run.metrics["regions"].get(column, {}).get(metric) for run in runs]


def lacking(runs: list[Run]) -> str:
    """What a data set must have for all of PLACES and has not, in words; "" where it has all."""
    first = runs[0].metrics
    names = {"regions": "tracks (for RBDC and TBDC)", "pixel_auc": "masks (for the pixel AUC)"}
    return " and ".join(name for key, name in names.items() if not first[key])


def headline(runs: list[Run]) -> dict:
    """The combined micro AUC of a model with the configured border, and the baseline's."""
    border = runs[0].metrics["border"]
    combined = scores_of(runs, border, "combined", "micro")
    speed = scores_of(runs, border, "speed", "micro")
    gap = None
    if known(combined) and known(speed):
        gap = 100 * (mean(combined) - mean(speed))
    return {
        "model": runs[0].model,
        "seeds": len(runs),
        "combined": spread(combined),
        "speed": spread(speed),
        "measured": bool(known(combined)),
        "verdict": verdict(gap),
    }


def verdict(gap: float | None) -> str | None:
    """How a score compares with the baseline that it leads by `gap` percentage points."""
    if gap is None:
        return None
    if abs(gap) < 0.05:
        return "level with"
    return f"{abs(gap):.1f} points {'above' if gap > 0 else 'below'}"


def metric_table(runs: list[Run]) -> list[dict]:
    """One row per column of scores: the values over the runs for every metric and border rule,
    and for the metrics of places, which no border rule touches."""
    return [
        {
            "column": column,
            "cells": [
                {"text": spread(scores_of(runs, border, column, metric)), "border": border}
                for metric in METRICS
                for border in BORDERS
            ],
            "places": [spread(places_of(runs, column, metric)) for metric in PLACES],
        }
        for column in runs[0].columns
    ]


def kind_table(runs: list[Run]) -> list[dict]:
    """One row per kind of anomaly: AUC of every column against all normal frames, run mean."""
    first = runs[0]
    return [
        {
            "kind": kind or "(no kind given)",
            "frames": int(((first.frames["label"] == 1) & (first.frames["kind"] == kind)).sum()),
            "auc": [
                mean(run.metrics["kinds"].get(kind, {}).get(column) for run in runs)
                for column in first.columns
            ],
        }
        for kind in first.metrics["kinds"]
    ]


def clip_table(runs: list[Run]) -> list[dict]:
    """One row per test clip: its size and the AUC of every column, run mean."""
    return [
        {
            "clip": clip,
            **entry,
            "auc": [
                mean(run.metrics["clips"][clip]["auc"].get(column) for run in runs)
                for column in runs[0].columns
            ],
        }
        for clip, entry in runs[0].metrics["clips"].items()
    ]


# ---------------------------------------------------------------- figures


def timelines(run: Run, name: str) -> list[dict]:
    """The frame scores of every test clip as figures with common axes, named `{name}-1` and on."""
    combined = run.frames[["combined", "combined_smoothed"]].to_numpy()
    top = plots.axis_top(combined)
    peaks = {task: float(run.frames[f"{task}_smoothed"].max()) or 1.0 for task in run.tasks}
    figures = []
    for number, (clip, frames) in enumerate(run.clips.items(), 1):
        figure = plots.timeline_figure(frames, run.tasks, top, peaks)
        key = f"{name}-{number}"
        svg = plots.inline_svg(figure, f"{key}-plot", f"Frame scores of clip {clip}")
        figures.append({"clip": clip, "id": key, "svg": svg})
    return figures


def roc(run: Run, name: str) -> Markup | None:
    """The ROC figure; None where the labels do not hold both classes."""
    if run.frames["label"].nunique() < 2:
        return None
    scores = run.metrics["scores"].get(run.metrics["border"], {})
    auc = {column: scores.get(column, {}).get("micro") for column in run.columns}
    figure = plots.roc_figure(run.frames, run.columns, auc)
    return plots.inline_svg(figure, name, f"ROC curves of {run.model}")


def history(run: Run, name: str) -> Markup | None:
    """The training history figure; None where nothing was logged."""
    table = read_csv(run.folder / "history.csv", text=("split",))
    if table.empty:
        return None
    figure = plots.history_figure(table)
    return plots.inline_svg(figure, name, f"Training history of {run.model}")


# ---------------------------------------------------------------- objects


def objects_of(run: Run) -> tuple[pd.DataFrame, np.ndarray]:
    """All scored objects: a table of clip, row in cubes.h5, frame and scores; boxes (N, 4)."""
    tables, boxes = [], [np.zeros((0, 4), np.float32)]
    for path in sorted((run.folder / "scores").glob("*.h5")):
        with store.read(path, "scores") as file:
            for clip, group in file.items():
                rows = rows_in(group, "frame")
                if not rows:
                    continue
                values = {column: group[column][:] for column in run.columns}
                place = {"clip": clip, "row": np.arange(rows), "frame": group["frame"][:]}
                tables.append(pd.DataFrame(place | values))
                boxes.append(group["box"][:])
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
    return table, np.concatenate(boxes)


def overlapping(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Whether a box (4,) shares any area with each of `boxes` (N, 4); bool (N,)."""
    low = np.maximum(box[:2], boxes[:, :2])
    high = np.minimum(box[2:], boxes[:, 2:])
    return (high > low).all(axis=1)


def event_rows(
    scores: np.ndarray, clips: np.ndarray, frames: np.ndarray, boxes: np.ndarray, events: int
) -> list[int]:
    """The rows of the highest-scoring objects, one per event, best first.

    An object belongs to an event when it overlaps one of the event's objects in the same clip
    at most EVENT_FRAMES frames away; so something that is seen for long counts once.
    scores, clips, frames: (N,); boxes: (N, 4) xyxy.
    """
    order = np.argsort(-scores, kind="stable")[:CANDIDATES]
    clips, frames, boxes = clips[order], frames[order].astype(np.int64), boxes[order]
    chosen = []
    for i in range(len(order)):
        near = (clips[:i] == clips[i]) & (abs(frames[:i] - frames[i]) <= EVENT_FRAMES)
        if not (near & overlapping(boxes[i], boxes[:i])).any():
            chosen.append(int(order[i]))
        if len(chosen) == events:
            break
    return chosen


def clip_files(paths: Iterable[Path], kind: str) -> dict[str, Path]:
    """Which test file holds each clip."""
    found = {}
    for path in paths:
        if split_of(path) == "test":
            with store.read(path, kind) as file:
                found.update(dict.fromkeys(file, path))
    return found


def file_of(files: dict[str, Path], clip: str, kind: str, run: Run) -> Path:
    """The file that holds a clip; InputError where it is in none."""
    if clip not in files:
        raise InputError(
            f"{run.folder}: clip {clip} is scored but in none of the {kind} files; "
            "run the stages from there on again"
        )
    return files[clip]


def cube_strip(cube: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """The frames of a cube, uint8 (L, S, S, 3), side by side with gaps of 2 pixels.

    `valid` is [start, stop) of the frames that exist; the others are grey.
    """
    shown = np.full_like(cube, 128)
    shown[valid[0] : valid[1]] = cube[valid[0] : valid[1]]
    gap = np.full((cube.shape[1], 2, 3), 128, np.uint8)
    parts = [part for picture in shown for part in (gap, picture)]
    return np.concatenate(parts[1:], axis=1)


def boxed_picture(picture: np.ndarray, box: np.ndarray) -> np.ndarray:
    """A frame, uint8 (H, W, 3), made at most PICTURE_WIDTH wide, with a box (4,) drawn on it."""
    scale = min(1.0, PICTURE_WIDTH / picture.shape[1])
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    x1, y1, x2, y2 = np.rint(box * scale).astype(int).tolist()
    return cv2.rectangle(small, (x1, y1), (x2, y2), (255, 64, 64), 2)


def jpeg_uri(picture: np.ndarray) -> dict:
    """A picture as the attributes of an `<img>`: its data URI, width and height."""
    data = base64.b64encode(media.encode_jpeg(picture, 85)).decode()
    height, width = picture.shape[:2]
    return {"src": f"data:image/jpeg;base64,{data}", "width": width, "height": height}


def top_objects(run: Run, cubes: dict[str, Path], frames: dict[str, Path]) -> list[dict]:
    """The highest-scoring objects of different events, with their cubes, frames and scores."""
    table, boxes = objects_of(run)
    if table.empty:
        return []
    clips = pd.factorize(table["clip"])[0]
    rows = event_rows(table["combined"].to_numpy(), clips, table["frame"].to_numpy(), boxes, EVENTS)
    shown = []
    for row in rows:
        entry = table.iloc[row]
        clip, frame = entry["clip"], int(entry["frame"])
        with store.read(file_of(cubes, clip, "cubes", run), "cubes") as file:
            group, index = file[clip], int(entry["row"])
            strip = cube_strip(group["cubes"][index], group["valid"][index])
        with store.read(file_of(frames, clip, "frames", run), "frames") as file:
            picture = boxed_picture(Frames(file[clip])[frame], boxes[row])
        shown.append(
            {
                "clip": clip,
                "frame": frame,
                "truth": truth(run.clips[clip], frame),
                "scores": {column: float(entry[column]) for column in run.columns},
                "strip": jpeg_uri(strip),
                "picture": jpeg_uri(picture),
            }
        )
    return shown


def truth(frames: pd.DataFrame, frame: int) -> str:
    """What the labels say of one frame of a clip: its kind, 'anomalous', 'normal' or nothing."""
    row = frames[frames["frame"] == frame].iloc[0]
    if pd.isna(row["label"]):
        return ""
    return (row["kind"] or "anomalous") if row["label"] == 1 else "normal"


# ---------------------------------------------------------------- what was run


def split_of(path: Path) -> str:
    """The split of a stage file `data/{split}/{shard}/{stage}.h5`."""
    return Path(path).parent.parent.name


def rows_in(group: h5py.Group, name: str) -> int:
    """The rows of a data set; 0 where a clip without objects has none."""
    return len(group[name]) if name in group else 0


def stage_row(stage: str, kind: str, split: str, paths: list[Path]) -> dict:
    """What the files of one kind hold together, and their bytes on disk."""
    clips = rows = size = 0
    for path in paths:
        with store.read(path, kind) as file:
            clips += len(file)
            for group in file.values():
                frames = kind == "frames"
                rows += int(group.attrs["frames"]) if frames else rows_in(group, ROWS[kind])
        size += Path(path).stat().st_size
    unit = "frames" if kind == "frames" else "objects"
    return {
        "stage": stage,
        "split": split,
        "files": len(paths),
        "clips": clips,
        "rows": rows,
        "unit": unit,
        "size": size,
    }


def stage_rows(stages: dict[str, list[Path]], models: dict[str, list[Run]]) -> list[dict]:
    """Counts and sizes of every stage's files per split, then of every run's scores."""
    rows = []
    for kind, paths in stages.items():
        for split in ("train", "test"):
            of_split = [path for path in paths if split_of(path) == split]
            if of_split:
                rows.append(stage_row(kind, kind, split, of_split))
    for run in (run for runs in models.values() for run in runs):
        name = f"scores of {run.model}, seed {run.seed}"
        rows.append(stage_row(name, "scores", "test", sorted((run.folder / "scores").glob("*.h5"))))
    return rows


def folder_size(folder: Path) -> int:
    """Bytes of all files under a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def flat(values: dict) -> str:
    """A small dict in one line, lists as their lengths: `loss 0.4, step 120, clips 3`."""
    parts = []
    for name, value in values.items():
        if isinstance(value, list):
            value = len(value)
        if isinstance(value, float):
            value = f"{value:.4g}" if math.isfinite(value) else plots.UNKNOWN
        parts.append(f"{str(name).replace('_', ' ')} {value}")
    return ", ".join(parts)


def as_yaml(config: dict) -> str:
    """The effective configuration as YAML, in the order of its keys."""
    plain = json.loads(json.dumps(config, default=str))
    return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=90)


def notes_of(config: dict) -> list[str]:
    """What a reader must know of the figures: the configured notes, and a random teacher."""
    notes = list(config.get("notes") or [])
    if config.get("teachers", {}).get("resnet") == "random":
        notes.append(
            "Random teacher: the ResNet-50 whose outputs the distillation task learns has seeded "
            "random weights, not weights trained on ImageNet."
        )
    return notes


# ---------------------------------------------------------------- page


def environment() -> Environment:
    """The Jinja environment of the page, with autoescape."""
    env = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters.update(
        percent=percent,
        count=count,
        file_size=file_size,
        heat=heat,
        title=plots.title,
        colour=lambda column: plots.colour(column).replace(plots.INK, "currentColor"),
        flat=flat,
    )
    return env


def model_view(
    number: int, runs: list[Run], cubes: dict[str, Path], frames: dict[str, Path]
) -> dict:
    """All that the page shows of its model `number`; figures are of the first run."""
    first = runs[0]
    return {
        "name": first.model,
        "runs": runs,
        "columns": first.columns,
        "tasks": first.tasks,
        "border": first.metrics["border"],
        "sigma": first.metrics["sigma"],
        "labelled": first.metrics["labelled"],
        "headline": headline(runs),
        "metrics": metric_table(runs),
        "per_run": [(run.seed, metric_table([run])) for run in runs] if len(runs) > 1 else [],
        "ours": [
            spread(scores_of(runs, first.metrics["border"], "combined", metric))
            for metric in ("micro", "macro_padded")
        ],
        "places": [spread(places_of(runs, "combined", metric)) for metric in ("rbdc", "tbdc")],
        "lacking": lacking(runs),
        "kinds": kind_table(runs),
        "clips": clip_table(runs),
        "timelines": timelines(first, f"timeline-{number}"),
        "roc": roc(first, f"roc-{number}"),
        "history": history(first, f"training-{number}"),
        "objects": top_objects(first, cubes, frames),
    }


def write_report(
    output: Path,
    *,
    dataset: str,
    config: dict,
    manifest: Path,
    frames: list[Path],
    detections: list[Path],
    cubes: list[Path],
    teachers: list[Path],
    runs: list[Path],
    stage_seconds: dict[str, float] | None = None,
) -> None:
    """Writes the report of a data set: one HTML file that needs no network and no other file.

    The stage files are those of all splits and shards, `data/{split}/{shard}/{stage}.h5`; `runs`
    are folders `models/{model}/seed{seed}`. `config["notes"]` (list of str) is shown at the top,
    `config["published"]` names the published results to show. Raises InputError where a file is
    missing or broken, and without any run.
    """
    models = load_models(runs)
    if not models:
        raise InputError(f"{output}: no model to report on; train and score one first")
    results = published.results_for(config.get("published"))
    clips = read_manifest(manifest)
    stages = {"frames": frames, "detections": detections, "cubes": cubes, "teachers": teachers}
    cube_files, frame_files = clip_files(cubes, "cubes"), clip_files(frames, "frames")
    views = [
        model_view(number, group, cube_files, frame_files)
        for number, group in enumerate(models.values(), 1)
    ]
    page = (
        environment()
        .get_template("template.html.j2")
        .render(
            dataset=dataset,
            notes=notes_of(config),
            clips=clips["split"].value_counts().to_dict(),
            totals=next(iter(models.values()))[0].metrics,
            models=views,
            metric_names=list(METRICS.values()),
            place_names=list(PLACES.values()),
            borders=BORDERS,
            published=results,
            differences=published.DIFFERENCES,
            event_frames=EVENT_FRAMES,
            stages=stage_rows(stages, models),
            sizes={run.folder: folder_size(run.folder) for view in views for run in view["runs"]},
            stage_seconds=stage_seconds or {},
            config=as_yaml(config),
        )
    )
    with store.replacing(output) as temporary:
        temporary.write_text(page, encoding="utf-8")
    log.info("%s: %d models, %s", output, len(views), file_size(Path(output).stat().st_size))
