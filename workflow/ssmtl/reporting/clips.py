"""What the page holds of every test clip: a thinned set of small frames, boxes, and video."""

import math
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from ssmtl.core.errors import InputError
from ssmtl.formats.frame_scores import intervals
from ssmtl.formats.frames import Frames
from ssmtl.formats.videos import read_about
from ssmtl.media import codec
from ssmtl.reporting import interactive as figures
from ssmtl.reporting import pictures, series
from ssmtl.reporting.event_details import Footage, normal_shares
from ssmtl.reporting.runs import Run

WIDTH, QUALITY = 320, 70  # of the small frames: at most so many pixels, and their JPEG quality
BYTES = 2_500_000  # that all small frames of a page may take
EMBEDDED = 200_000_000  # a page that would be larger links to its videos


def thinning(encoded: int, frames: int) -> int:
    """Every how many frames one is kept, given the bytes of one and how many there are."""
    return max(1, math.ceil(encoded * frames / BYTES))


def small(picture: np.ndarray) -> bytes:
    return codec.encode_jpeg(pictures.narrowed(picture, WIDTH)[0], QUALITY)


def still_frames(footage: Footage, clips: Iterable[str]) -> dict[str, dict]:
    """Per clip its small frames: frame number -> JPEG in base64, the same step for all clips.

    The first frame and the last one of a clip are always among them.
    """
    clips = list(clips)
    total = step = 0
    for clip in clips:
        with footage.read(clip) as file:
            total += int(file[clip].attrs["frames"])
            step = step or len(small(Frames(file[clip])[0]))
    step = thinning(step, total)
    stills = {}
    for number, clip in enumerate(clips):
        with footage.read(clip) as file:
            frames = Frames(file[clip])
            kept = sorted({*range(0, len(frames), step), len(frames) - 1})
            stills[clip] = {
                "number": number,
                "width": frames.width,
                "height": frames.height,
                "pictures": {i: pictures.base64_text(small(frames[i])) for i in kept},
            }
    return stills


def boxes_by_clip(run: Run) -> dict[str, dict]:
    """Per clip its objects as columns: frame, box (x1, y1, x2, y2 in turn), score, dominant_task.

    dominant_task: place among the tasks of the one whose score is rarest on normal objects, or -1.
    """
    objects = run.objects
    shares = normal_shares(run, objects)
    known = len(objects) and len(shares.columns)
    dominant_task = shares.to_numpy().argmax(axis=1) if known else np.full(len(objects), -1)
    columns = {}
    for clip, part in objects.assign(dominant_task=dominant_task).groupby("clip"):
        columns[clip] = {
            "frame": part["frame"].tolist(),
            "box": part[["x1", "y1", "x2", "y2"]].round().astype(int).to_numpy().ravel().tolist(),
            "score": part["combined"].astype(float).round(3).tolist(),
            "dominant_task": part["dominant_task"].tolist(),
        }
    return columns


def clip_videos(runs: list[Run], folders: list[Path], output: Path) -> dict[tuple[str, str], dict]:
    """How the page finds the annotated video of each model's clip, by (model, clip).

    {"data": base64} where all of them together fit, else {"url": path relative to the page}.
    InputError where a folder is of no run, or lacks a clip.
    """
    shown: dict[tuple[str, int | None], Run] = {(run.model, run.seed): run for run in runs}
    files: dict[tuple[str, str], Path] = {}
    for folder in folders:
        model, seed = read_about(folder)
        if (run := shown.get((model, seed))) is None:
            raise InputError(
                f"{folder}: videos of the model {model}, seed {seed}, which is not on this page; "
                "give those of the first seed of each model"
            )
        files |= {(model, clip): folder / f"{clip}.mp4" for clip in run.clips}
    if missing := [path for path in files.values() if not path.is_file()]:
        raise InputError(f"{missing[0]}: no such video; make the videos again")
    total = sum(path.stat().st_size for path in files.values()) * 4 / 3
    if total > EMBEDDED:
        start = output.parent
        return {key: {"url": os.path.relpath(path, start)} for key, path in files.items()}
    return {key: {"data": pictures.base64_text(path.read_bytes())} for key, path in files.items()}


def panels(run: Run, manifest: pd.DataFrame, videos: dict, level: float) -> list[dict]:
    """Per test clip of a run, what its panel on the page is drawn from."""
    rates = manifest[manifest["split"] == "test"].set_index("clip")["fps"]
    combined = run.frames[["combined", "combined_smoothed"]].to_numpy()
    top = series.axis_top(combined)
    columns = [f"{task}{suffix}" for task in run.tasks for suffix in ("", "_smoothed")]
    highest = run.frames[columns].max()
    peaks = {
        task: float(max(highest[task], highest[f"{task}_smoothed"])) or 1.0 for task in run.tasks
    }
    boxes = boxes_by_clip(run)
    none: dict[str, list] = {"frame": [], "box": [], "score": [], "dominant_task": []}
    shown = []
    for clip, frames in run.clips.items():
        shown.append(
            {
                "clip": clip,
                "fps": float(rates[clip]),
                "frames": len(frames),
                "start": opening(frames, boxes.get(clip, none)),
                "figure": figures.timeline(frames, run.tasks, top, peaks, level),
                "score": frames["combined_smoothed"].round(3).tolist(),
                "truth": truths(frames),
                "boxes": boxes.get(clip, none),
                "video": videos.get((run.model, clip)),
            }
        )
    return shown


def opening(frames: pd.DataFrame, boxes: dict) -> int:
    """The frame that a panel shows at first: of the highest-scoring object, or frame score."""
    if boxes["score"]:
        return boxes["frame"][int(np.argmax(boxes["score"]))]
    return int(frames["frame"].loc[frames["combined_smoothed"].idxmax()])


def truths(frames: pd.DataFrame) -> list[list] | None:
    """The labelled stretches of a clip as [first, last, words]; None without labels."""
    if frames["label"].isna().all():
        return None
    return [[first, last, kind or "anomalous"] for first, last, kind in intervals(frames)]
