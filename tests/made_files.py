"""Made files between the stages, complete in every column and attribute, with what a test gives."""

import json

import numpy as np

from ssmtl.core import store
from ssmtl.formats import hdf5
from ssmtl.formats.calibration import CALIBRATION
from ssmtl.formats.cubes import CUBES
from ssmtl.formats.detections import DETECTIONS
from ssmtl.formats.encoded import append_bytes
from ssmtl.formats.frames import FRAMES
from ssmtl.formats.images import IMAGES
from ssmtl.formats.scores import SCORES
from ssmtl.formats.teachers import TEACHERS

LAYOUTS = (FRAMES, DETECTIONS, CUBES, TEACHERS, IMAGES, SCORES, CALIBRATION)


def fill(group, layout, columns, **attributes):
    """Writes a group's columns and attributes and its digest."""
    for name, values in columns.items():
        column = layout.columns.get(name)
        if column and column.pictures:
            store.write_rows(group, name, np.asarray(values), fletcher32=True)
        else:
            if name in ("name", "subject"):
                values = np.array([store.encoded(v) for v in values], store.text_type(values))
            group.create_dataset(name, data=values)
    store.set_attributes(group, **attributes)
    hdf5.complete(group, layout, store.digest(*map(str, columns)))


def boxes(count):
    """Boxes float32 (count, 4) that lie within pictures of 9 pixels and more."""
    return np.tile(np.float32([0, 0, 9, 9]), (count, 1))


def write_frames(path, clips, split="train", size=(16, 16), fps=25.0, encoding="jpeg"):
    """frames.h5; clips: per clip the bytes of every frame; size: width and height."""
    with store.create(path, "frames", split=split) as file:
        for clip, images in clips.items():
            group, count = file.create_group(clip), len(images)
            mark = append_bytes(group, images)
            group["offsets"] = np.cumsum([0, *map(len, images)])
            group["time"] = np.arange(count) / fps
            about = {"frames": count, "width": size[0], "height": size[1], "fps": fps}
            store.set_attributes(group, **about, encoding=encoding, source=f"clips/{clip}")
            hdf5.complete(group, FRAMES, mark)
    return path


def write_detections(path, clips, split="train", classes=("a",)):
    """detections.h5; clips: frames of every clip, each with one object."""
    names = {"split": split, "classes": json.dumps(list(classes)), "detector": "made"}
    with store.create(path, "detections", **names) as file:
        for clip, count in clips.items():
            columns = {
                "frame": np.arange(count, dtype=np.int32),
                "box": boxes(count),
                "confidence": np.full(count, 0.75, np.float32),
                "class_id": np.zeros(count, np.int32),
                "class_probs": np.full((count, len(classes)), 0.25, np.float32),
            }
            size = {"frames": count, "width": 16, "height": 16}
            fill(file.create_group(clip), DETECTIONS, columns, **size)
    return path


def write_images(path, classes, dataset="made", settings=None, persons=None):
    """images.h5 with the pictures uint8 (N, 1, S, S, 3) of every class."""
    size = next(iter(classes.values())).shape[2] if classes else 8
    with store.create(path, "images", settings or {"size": size}, dataset=dataset) as file:
        for name, pictures in classes.items():
            count = len(pictures)
            columns = {
                "cubes": pictures,
                "frame": np.arange(count),
                "valid": np.tile([0, 1], (count, 1)),
                "name": [f"{name}/{i}.png" for i in range(count)],
            }
            if persons:
                columns["subject"] = persons
            side = {"frames": count, "width": size, "height": size}
            fill(file.create_group(name), IMAGES, columns, **side)
    return path


def write_cubes(cubes, teachers, clips, settings, split="train", classes=("a",), about=None):
    """cubes.h5 and teachers.h5.

    clips: per clip cubes uint8 (N, L, S, S, 3), and what else differs from the default, `valid`,
    `class_probs`, `logits`.
    """
    names = {"classes": json.dumps(list(classes)), "split": split}
    radius = settings["radius"]
    with (
        store.create(cubes, "cubes", settings, split=split, radius=radius) as of_cubes,
        store.create(teachers, "teachers", about, **names) as of_teachers,
    ):
        for clip, columns in clips.items():
            pixels, more = columns["cubes"], dict(columns)
            count, length = pixels.shape[:2]
            rows = {
                "cubes": pixels,
                "frame": more.pop("frame", np.arange(count)),
                "box": boxes(count),
                "valid": more.pop("valid", np.tile([0, length], (count, 1))).astype(np.int16),
                "detection": np.arange(count),
                "time": np.arange(max(count, 1)) / 25,
            }
            size = {"frames": max(count, 1), "width": 16, "height": 16, "detections": count}
            group = of_cubes.create_group(clip)
            fill(group, CUBES, rows, **size)
            del more["cubes"]
            more.setdefault("class_probs", np.zeros((count, len(classes)), np.float32))
            mark = store.attribute(group, "digest")
            fill(of_teachers.create_group(clip), TEACHERS, more, cubes=mark)
    return cubes, teachers


def write_scores(path, columns, clips, size=(40, 96, 64), settings=None, **about):
    """A file of scores; clips: per clip its columns, `frame` and perhaps `box` among them.

    size: frames, width, height of every clip; of pictures, frames is their number.
    """
    given = {"radius": 3, "model": "model", "seed": 0, "normal": "[]"} | about
    given = {key: value for key, value in given.items() if value is not None}
    with store.create(path, "scores", settings, columns=json.dumps(columns), **given) as file:
        for clip, rows in clips.items():
            frames = len(rows["frame"]) if "dataset" in given else size[0]
            attributes = {"frames": frames, "width": size[1], "height": size[2]}
            fill(file.create_group(clip), SCORES, rows, **attributes)
    return path


def write_calibration(path, tasks, settings=None, combined=None, **about):
    """calibration.h5 with ascending quantiles per task."""
    with store.create(path, "calibration", settings, **about) as file:
        for name, values in tasks.items():
            file[name] = values
        if combined is not None:
            file.attrs["combined"] = combined
        hdf5.complete(file, CALIBRATION)
    return path
