"""The demo: clips of a synthetic fixed camera, rendered on the spot, with labels and tracks.

The layout is that of `videos`: `train/NN.mp4`, `test/NN.mp4`, `labels.csv`, `tracks/NN.txt`, and
`scenes.json`, which says how it was made. The same options give the same bytes.
"""

import json
import multiprocessing
import re
import shutil
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import av
import cv2
import numpy as np
import pandas as pd

from ssmtl.core.errors import InputError
from ssmtl.core.progress import progress
from ssmtl.core.store import replacing
from ssmtl.datasets.labels import frame_labels
from ssmtl.datasets.video.demo import ABOUT, list_clips, video
from ssmtl.demo.camera import FPS, clip_box, inside
from ssmtl.demo.render import KINDS, Box, render_film
from ssmtl.formats.tables import write_csv

__all__ = ["ABOUT", "frame_labels", "list_clips", "render"]

LABEL_COLUMNS = ("clip", "first", "last", "kind")
# What may be replaced; Snakemake makes folders beforehand and takes declared files away.
OWN = re.compile(r"(train|test)(/\d+\.mp4)?|tracks(/\d+\.txt)?|labels\.csv|scenes\.json")
LEAST_INSIDE = 0.15  # of an actor's own box, before its frame counts as anomalous
LEAST_VISIBLE = 0.02  # of the actor: not fully hidden


@dataclass(frozen=True)
class Job:
    """One clip to render: where to, and what."""

    root: Path
    split: str
    seed: int
    role: str
    clip: int
    frames: int


def render(
    root: Path,
    *,
    seed: int,
    split_role: str,
    train_clips: int,
    test_clips: int,
    train_frames: int,
    test_frames: int,
    jobs: int,
) -> None:
    """Render a demo into the folder `root`, all of it or nothing; an older demo is replaced.

    split_role: "test" for the clips that results are reported on, "dev" for other labelled clips
    to develop on. train_frames, test_frames: length of each clip at 25 frames a second.
    jobs: processes.
    Raises InputError for options out of range and for a `root` that holds anything else.
    """
    root = Path(root)
    check_options(
        root, split_role, min(train_clips, test_clips, jobs), min(train_frames, test_frames)
    )
    with replacing(root) as folder:
        for name in ("train", "test", "tracks"):
            (folder / name).mkdir(parents=True)
        work = [
            Job(folder, "test", seed, split_role, clip, test_frames) for clip in range(test_clips)
        ]
        work += [
            Job(folder, "train", seed, "train", clip, train_frames) for clip in range(train_clips)
        ]
        labels = [row for rows in in_parallel(render_clip, work, jobs) for row in rows]
        write_csv(folder / "labels.csv", pd.DataFrame(labels, columns=LABEL_COLUMNS, dtype=object))
        options = {"seed": seed, "split_role": split_role, "fps": FPS}
        options |= {"train_frames": train_frames, "test_frames": test_frames}
        counts = {
            "train_clips": train_clips,
            "test_clips": test_clips,
            "anomalous_frames": count_anomalous(labels),
        }
        (folder / "scenes.json").write_text(json.dumps(options | counts, indent=2) + "\n")
        if root.exists():
            shutil.rmtree(root)


def check_options(root: Path, split_role: str, least: int, frames: int) -> None:
    if split_role not in ("test", "dev"):
        raise InputError(f"split_role {split_role!r} is neither 'test' nor 'dev'; choose one")
    if least < 1 or frames < FPS:
        raise InputError(
            f"a demo needs a clip per split, one job and {FPS} frames a clip; raise them"
        )
    entries = (path.relative_to(root).as_posix() for path in sorted(root.rglob("*")))
    strange = next((entry for entry in entries if not OWN.fullmatch(entry)), None)
    if strange:
        raise InputError(f"{root}: {strange} is not part of a demo; choose another folder")


def clip_kinds(clip: int) -> tuple[str, ...]:
    """The anomalies of a test clip: one or two; every 12 clips each kind occurs three times."""
    count = len(KINDS)
    second = (clip + 1 + (2 + clip // count) % (count - 1)) % count
    return (KINDS[clip % count], KINDS[second])[: 1 + clip % 2]


def render_clip(job: Job) -> list[tuple[str, int, int, str] | tuple[str, str, str, str]]:
    """Write one clip, with its tracks if it is a test clip; returns its rows of labels.csv."""
    kinds = clip_kinds(job.clip) if job.split == "test" else ()
    pictures, boxes = render_film(job.seed, job.role, job.clip, job.frames, kinds)
    write_video(video(job.root, job.split, job.clip), pictures)
    if job.split == "train":
        return []
    found, name = anomalies(boxes), f"{job.clip:02d}"
    lines = [
        ",".join([str(actor), str(frame), *(f"{value:.2f}" for value in xyxy)])
        for actor, frame, _, xyxy in found
    ]
    (job.root / "tracks" / f"{name}.txt").write_text("".join(f"{line}\n" for line in lines))
    rows = intervals([(frame, kind) for _, frame, kind, _ in found])
    return [(name, *row) for row in rows] or [(name, "", "", "")]


def anomalies(boxes: list[Box]) -> list[tuple[int, int, str, tuple]]:
    """Actor, frame, kind and box inside the picture of every anomaly that one can see.

    A person and what the person carries are one box. An anomaly counts while at least 15 % of
    that box is inside the picture and the actor is not fully hidden.
    """
    found = []
    odd = sorted((box for box in boxes if box.kind), key=lambda box: (box.actor, box.frame))
    for (actor, frame), group in groupby(odd, key=lambda box: (box.actor, box.frame)):
        members = list(group)
        corners = np.array([box.xyxy for box in members])
        xyxy = (*corners[:, :2].min(axis=0), *corners[:, 2:].max(axis=0))
        seen = max(box.visible for box in members)
        if inside(xyxy) >= LEAST_INSIDE and seen >= LEAST_VISIBLE:
            found.append((actor, frame, members[0].kind, clip_box(xyxy)))
    return found


def intervals(frames: list[tuple[int, str]]) -> list[tuple[int, int, str]]:
    """Runs (first, last, kind) of the frames of each kind, sorted by their first frame."""
    runs = []
    for kind in sorted({kind for _, kind in frames}):
        numbers = np.unique([frame for frame, other in frames if other == kind])
        for run in np.split(numbers, np.flatnonzero(np.diff(numbers) > 1) + 1):
            runs.append((int(run[0]), int(run[-1]), kind))
    return sorted(runs)


def count_anomalous(labels: list[tuple]) -> dict[str, int]:
    """Anomalous frames of each kind over all test clips."""
    counts = dict.fromkeys(KINDS, 0)
    for _, first, last, kind in labels:
        if kind:
            counts[kind] += last - first + 1
    return counts


def write_video(path: Path, pictures: np.ndarray, fps: int = FPS) -> None:
    """H.264 of uint8 (T, H, W, 3) RGB in which every picture is coded by itself.

    Coding a picture from its predecessors would leave traces that tell which way time runs.
    """
    options = {"crf": "18", "preset": "veryfast", "threads": "1"}
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options=options)
        stream.height, stream.width = pictures.shape[1:3]
        stream.pix_fmt, stream.gop_size = "yuv420p", 1
        stream.codec_context.thread_count = 1
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


def in_parallel(function: Callable, items: list, jobs: int) -> list:
    """`function` of each item, in order, over `jobs` processes."""
    if jobs == 1:
        return [function(item) for item in progress(items, "scenes", "clip")]
    # Not forked: the parent may run threads of PyTorch, which a forked child cannot use.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, context, cv2.setNumThreads, (1,)) as pool:
        return list(progress(pool.map(function, items), "scenes", "clip", len(items)))
