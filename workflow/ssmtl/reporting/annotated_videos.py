"""Stage `videos`: every test clip as H.264 video with its objects, scores and ground truth."""

import logging
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from ssmtl.core import store
from ssmtl.core.errors import InputError
from ssmtl.core.progress import progress
from ssmtl.core.threads import ahead
from ssmtl.formats.frame_scores import read_frame_scores
from ssmtl.formats.frames import Frames, read_frames
from ssmtl.formats.scores import read_scores, tasks_of
from ssmtl.formats.videos import write_about
from ssmtl.media import drawing
from ssmtl.media.writer import VideoWriter
from ssmtl.scoring.fusion import calibration_of, dominant_task

log = logging.getLogger(__name__)

HEADER = 20  # pixels above the picture


def annotated(
    frames: Frames,
    table: pd.DataFrame,
    objects: h5py.Group,
    first: np.ndarray,
    tasks: list[str],
    top: float,
) -> Iterator[np.ndarray]:
    """The clip's frames with all that is drawn on them, uint8 (H, W, 3), drawn by threads.

    table: the clip's rows of frame_scores.csv; objects: its group of a scores file; first: int
    (N,), the place in `tasks` of each object's dominant task; top: the score at the upper edge.
    """
    number, box, score = objects["frame"][:], objects["box"][:], objects["combined"][:]
    bounds = np.searchsorted(number, np.arange(len(frames) + 1))
    smoothed, raw = table["combined_smoothed"].to_numpy(), table["combined"].to_numpy()
    label = table["label"].to_numpy(bool) if table["label"].notna().all() else None
    width = drawing.fitted(frames[0])[0].shape[1]
    curve = drawing.Curve(width, smoothed, raw, label, top)
    fps, clip = float(frames.group.attrs["fps"]), frames.group.name.strip("/")

    def draw(item) -> np.ndarray:
        index, picture = item
        picture, scale = drawing.fitted(picture)
        rows = slice(bounds[index], bounds[index + 1])
        words = ""
        if len(score[rows]):
            words = tasks[first[rows][score[rows].argmax()]].replace("_", " ")
        drawing.draw_boxes(picture, box[rows] * scale, score[rows], words, top)
        header = np.full((HEADER, width, 3), drawing.PAPER, np.uint8)
        drawing.write(header, f"{clip}  {index}/{len(frames) - 1}  {index / fps:.1f} s", (6, 14))
        kind = table["kind"].iloc[index] if label is not None and label[index] else ""
        text = f"{kind}  score {smoothed[index]:.2f}".strip()
        place = (width - 6 - drawing.width_of(text), 14)
        drawing.write(header, text, place, drawing.TRUTH if kind else drawing.INK)
        return np.concatenate((header, picture, curve.at(index)))

    return ahead(draw, enumerate(frames.decoded()), 2)


def write_videos(
    output: Path,
    *,
    frames: list[Path],
    scores: list[Path],
    table: Path,
    calibration: Path,
    model: str | None,
) -> None:
    """Writes `{clip}.mp4` of every clip in the shards into a folder, and what run they show.

    frames, scores: of the same shards in the same order; table: frame_scores.csv; model: its name
    in metrics.json, where it is another than the scores' own.
    """
    rows = read_frame_scores(table)
    top = max(rows["combined"].max(), 1e-6)  # one scale for all clips, so that they compare
    by_clip = dict(list(rows.groupby("clip", sort=False)))
    output.mkdir(parents=True, exist_ok=True)
    size = 0
    for frames_path, scores_path in zip(frames, scores, strict=True):
        with read_frames(frames_path) as source, read_scores(scores_path) as file:
            settings = store.settings_of(file)
            tasks = tasks_of(file)
            known = None
            if settings["fusion"] != "mean":
                known = calibration_of(calibration, settings["task_options"], tasks)
            for clip in progress(list(source), "videos", "clip"):
                pictures = Frames(source[clip])
                check(clip, pictures, file, by_clip, scores_path, table)
                objects = file[clip]
                found = {task: objects[task][:] for task in tasks}
                first = dominant_task(found, settings["fusion"], known)
                path = output / f"{clip}.mp4"
                with VideoWriter(path, float(source[clip].attrs["fps"])) as video:
                    for picture in annotated(pictures, by_clip[clip], objects, first, tasks, top):
                        video.write(picture)
                size += path.stat().st_size
    with read_scores(scores[0], []) as file:
        seed = store.attribute(file, "seed")
        own = str(store.attribute(file, "model"))
    write_about(output, model or own, None if seed is None else int(seed))
    log.info("videos: %d clips, %.1f MB in %s", len(by_clip), size / 1e6, output)


def check(clip: str, pictures: Frames, scores: h5py.File, tables: dict, *paths: Path) -> None:
    """InputError where a clip's scores are missing or cover another number of frames."""
    counts = (
        int(scores[clip].attrs["frames"]) if clip in scores else 0,
        len(tables.get(clip, ())),
    )
    for path, count in zip(paths, counts, strict=True):
        if count != len(pictures):
            raise InputError(
                f"{path}: clip {clip} covers {count} frames, {pictures.name} has {len(pictures)}; "
                "score and evaluate it again"
            )
