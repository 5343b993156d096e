"""Input of the benchmarks: made, deterministic, of Ped2's picture size and object density.

The pictures are scenes of the demo, widened to 360 x 240 and shown to and fro; the boxes are
tracks of the size of Ped2's pedestrians, apart from what the pictures show, so that any number of
objects can be had.
"""

import csv
import logging
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np

from ssmtl import cli
from ssmtl.core import store
from ssmtl.demo import dataset as demo
from ssmtl.demo.render import render_film

WIDTH, HEIGHT = 360, 240
OBJECTS = 10  # per frame
RENDERED = 60  # different pictures
QUALITY = 90


def pictures(count: int, width: int = WIDTH, height: int = HEIGHT):
    """Yields uint8 (height, width, 3) RGB."""
    made, _ = render_film(0, "dev", 0, RENDERED, ())
    side = (WIDTH - made.shape[2]) // 2
    made = np.pad(made, ((0, 0), (0, 0), (side, side), (0, 0)), mode="edge")
    if (width, height) != (WIDTH, HEIGHT):
        made = [cv2.resize(each, (width, height), interpolation=cv2.INTER_AREA) for each in made]
    period = 2 * RENDERED - 2
    for number in range(count):
        place = number % period
        yield made[min(place, period - place)]


def boxes(count: int, objects: int = OBJECTS, width: int = WIDTH, height: int = HEIGHT):
    """Yields per frame float (objects, 4), x1 y1 x2 y2 in pixels: objects that go to and fro."""
    rng = np.random.default_rng(0)
    size = rng.uniform((0.04, 0.12), (0.07, 0.2), (objects, 2)) * (width, height)
    room = np.array((width, height)) - size
    start, speed = rng.uniform(0, 2, (objects, 2)), rng.uniform(-0.004, 0.004, (objects, 2))
    for number in range(count):
        corner = np.abs((start + number * speed) % 2 - 1) * room
        yield np.concatenate((corner, corner + size), 1)


def write_images(folder: Path, count: int, suffix: str = ".jpg", **size) -> None:
    """A clip as a folder of images."""
    folder.mkdir(parents=True)
    flags = [cv2.IMWRITE_JPEG_QUALITY, QUALITY] if suffix == ".jpg" else []
    for number, picture in enumerate(pictures(count, **size)):
        path = folder / f"{number:06d}{suffix}"
        cv2.imwrite(str(path), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), flags)


def write_video(path: Path, count: int) -> None:
    """A clip as an H.264 file, every picture coded by itself, as the demo's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    demo.write_video(path, np.stack(list(pictures(count))))


def write_boxes(path: Path, clips: dict[str, int], classes: int = 4, **options) -> None:
    """The CSV of the imported detector; the class vectors are all the same."""
    corners, probabilities = ("x1", "y1", "x2", "y2"), [f"p{number}" for number in range(classes)]
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["clip", "frame", *corners, "confidence", *probabilities])
        for clip, count in clips.items():
            for frame, found in enumerate(boxes(count, **options)):
                vector = [0.9, *[0.5] * classes]
                table.writerows([clip, frame, *np.round(box), *vector] for box in found)


def run(*arguments) -> None:
    """One command of the tool, in this process, with warnings only."""
    logging.getLogger().setLevel(logging.WARNING)
    cli.main([str(argument) for argument in arguments])


def write_manifest(root: Path) -> None:
    """`clips.csv` of the clips under `root`/test (and train), for the stage frames."""
    reader = ("--dataset", "bench", "--reader", "videos", "--path", root)
    run("manifest", root / "clips.csv", *reader, "--splits", "test")


def write_clip(folder: Path, count: int, objects: int = OBJECTS, **size) -> None:
    """One clip as images, its `frames.h5`, and its boxes in `detections.h5`, in a folder."""
    write_images(folder / "test" / "clip", count, **size)
    write_boxes(folder / "boxes.csv", {"clip": count}, objects=objects, **size)
    write_manifest(folder)
    frames, manifest = folder / "frames.h5", folder / "clips.csv"
    run("frames", frames, "--manifest", manifest, "--split", "test", "--shard", 0)
    imported = ("--backend", "imported", "--boxes", folder / "boxes.csv")
    run("detect", folder / "detections.h5", "--frames", frames, *imported)


def frames_in(path: Path) -> int:
    """How many frames a `frames.h5` holds."""
    with store.read(path, "frames") as file:
        return sum(int(group.attrs["frames"]) for group in file.values())


def mapped_on_all_cores(function: Callable, items: Iterable) -> list:
    """`function` of each item by as many threads as there are cores."""
    cv2.setNumThreads(1)
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        return list(pool.map(function, items))


def on_all_cores(function: Callable, items: list) -> int:
    """The same for what need not be kept; returns the number of items."""
    mapped_on_all_cores(lambda item: bool(len(function(item))), items)
    return len(items)
