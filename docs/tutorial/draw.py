"""Draws the pictures of docs/tutorial.md from a scored data set: `make tutorial`.

`python docs/tutorial/draw.py results/demo_released docs/tutorial`
"""

import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import matplotlib.pyplot as plt
import pandas as pd

from ssmtl.formats.cubes import open_cubes
from ssmtl.formats.frame_scores import intervals
from ssmtl.formats.frames import Frames
from ssmtl.media.codec import encode_png
from ssmtl.media.drawing import draw_boxes
from ssmtl.reporting import plots, series
from ssmtl.reporting.pictures import cube_strip

CLIPS = 4  # of which timelines are shown
MOST = 5  # kinds of anomalies whose cubes are shown
ALARM, CALM = "#e5484d", "#8b8f98"


@contextmanager
def group_of(clip: str, files: Iterable[Path]) -> Iterator[h5py.Group]:
    """The group of a clip in whichever of the files has it."""
    for path in files:
        with h5py.File(path) as file:
            if clip in file:
                yield file[clip]
                return
    raise SystemExit(f"clip {clip} is in none of {', '.join(map(str, files))}")


def stage_files(results: Path, name: str) -> list[Path]:
    """The files of all test shards, such as cubes.h5."""
    return sorted((results / "data" / "test").glob(f"*/{name}"))


def read_scores(run: Path) -> pd.DataFrame:
    """Every test object: clip, row within it, frame, x1 to y2, and its scores."""
    parts = []
    for path in sorted((run / "scores").glob("*.h5")):
        with h5py.File(path) as file:
            columns = json.loads(file.attrs["columns"])
            for clip, group in file.items():
                part = pd.DataFrame({name: group[name][:] for name in ("frame", *columns)})
                part[["x1", "y1", "x2", "y2"]] = group["box"][:]
                parts.append(part.assign(clip=clip, row=range(len(part))))
    return pd.concat(parts, ignore_index=True)


def examples(objects: pd.DataFrame, table: pd.DataFrame) -> dict[str, pd.Series]:
    """Per kind of frame the object that scores highest; of normal frames the one in the middle."""
    objects = objects.merge(table[["clip", "frame", "kind"]], on=["clip", "frame"])
    objects["kind"] = objects["kind"].replace("", "normal")
    found = {}
    for kind, part in objects.sort_values("combined", kind="stable").groupby("kind"):
        found[kind] = part.iloc[len(part) // 2 if kind == "normal" else -1]
    return found


def draw_scene(results: Path, objects: pd.DataFrame, example: pd.Series, output: Path) -> None:
    """The frame of an object with all objects in it, in the colours of their scores."""
    with group_of(example["clip"], stage_files(results, "frames.h5")) as group:
        picture = Frames(group)[int(example["frame"])]
    here = objects[(objects["clip"] == example["clip"]) & (objects["frame"] == example["frame"])]
    large = picture.repeat(2, axis=0).repeat(2, axis=1)
    boxes = 2 * here[["x1", "y1", "x2", "y2"]].to_numpy()
    draw_boxes(large, boxes, here["combined"].to_numpy())
    output.write_bytes(encode_png(large))


def draw_cubes(results: Path, found: dict[str, pd.Series], tasks: list[str], output: Path) -> None:
    """Cubes of objects of several kinds, one above the other, with the scores of their tasks."""
    figure, axes = plt.subplots(len(found), 2, figsize=(9, 1.2 * len(found)), width_ratios=[3, 2])
    for (kind, row), (left, right) in zip(found.items(), axes, strict=True):
        with group_of(row["clip"], stage_files(results, "cubes.h5")) as group:
            left.imshow(cube_strip(open_cubes(group)[row["row"]], group["valid"][row["row"]]))
        left.set_title(kind, loc="left", fontsize=9)
        left.set_axis_off()
        colours = [ALARM if task == "combined" else CALM for task in tasks]
        right.barh([series.title(task) for task in tasks], row[tasks].astype(float), color=colours)
        right.set_xlim(0, 1)
        right.invert_yaxis()
        right.tick_params(labelsize=7)
        right.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(output, dpi=110)


def draw(results: Path, output: Path) -> None:
    run = next(path for path in sorted((results / "models").glob("*/seed*")))
    table = pd.read_csv(run / "frame_scores.csv", dtype={"clip": str}, keep_default_na=False)
    table["label"] = pd.to_numeric(table["label"])
    objects = read_scores(run)
    found = examples(objects, table)
    anomalies = [kind for kind in found if kind != "normal"]
    draw_scene(results, objects, found[anomalies[0]], output / "scene.png")
    shown = {kind: found[kind] for kind in ("normal", *anomalies[:MOST])}
    tasks = [name for name in objects if name in series.COLOURS and name != "speed"]
    draw_cubes(results, shown, tasks, output / "cubes.png")
    clips = {clip: rows for clip, rows in table.groupby("clip") if intervals(rows)}
    figure = plots.timelines_figure(dict(list(clips.items())[:CLIPS]))
    figure.savefig(output / "timelines.png", dpi=130, facecolor="white")


if __name__ == "__main__":
    draw(Path(sys.argv[1]), Path(sys.argv[2]))
