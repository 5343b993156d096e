"""Stage score with `from_frames`: frames.h5 + detections.h5 -> scores; the rival stores its cubes.

The models are the shallow-narrow one on the paper's crops, 64 x 64, and on those of a quarter of
the pixels that the configuration has for CPUs; with random weights.
"""

import json
from pathlib import Path

import h5py
import numpy as np
import synthetic
import torch
from measure import Case, best

from ssmtl import config
from ssmtl.core import store
from ssmtl.core.device import chosen_device, seed_everything
from ssmtl.formats import hdf5
from ssmtl.formats.detections import DETECTIONS
from ssmtl.learning import model as models
from ssmtl.scoring import objects

UNIT = "cubes"
DEVICES = ("cpu", "cuda")
FRAMES = {"cpu": 60, "cuda": 2000}
SIZES, CLASSES = (32, 64), ("person", "bicycle")


def prepare(folder: Path, scale: float) -> None:
    count = round(FRAMES[chosen_device().type] * scale)
    synthetic.write_clip(folder, count)
    with h5py.File(folder / "detections.h5", "r+") as file:
        # What a detector of two classes would have said.
        rows = len(file["clip"]["frame"])
        store.set_attributes(file, classes=json.dumps(CLASSES))
        del file["clip"]["class_probs"]
        file["clip"]["class_probs"] = np.random.default_rng(0).random((rows, 2), np.float32)
        hdf5.complete(file["clip"], DETECTIONS)
    for size in SIZES:
        write_model(folder / f"model{size}", list(CLASSES), size)


def write_model(folder: Path, classes: list[str], size: int) -> None:
    """model.safetensors and its card: the shallow-narrow encoder with random weights."""
    seed_everything(0)
    spec = {
        "encoder": "cnn3d",
        "encoder_options": {"depth": "shallow", "width": "narrow"},
        "tasks": config.defaults("train")["tasks"],
        "size": size,
        "radius": config.defaults("cubes")["radius"],
        "max_gap": config.defaults("cubes")["max_gap"],
        "classes": classes,
        "task_options": {},
    }
    models.save(folder, models.build(spec), {"spec": spec, "seed": 0, "train": {}})


def inputs(folder: Path, *stages: str) -> tuple:
    return sum(((f"--{stage}", folder / f"{stage}.h5") for stage in stages), ())


def objects_in(path: Path) -> int:
    with h5py.File(path) as file:
        return len(file["clip"]["frame"])


def straight(size: int):
    def run(folder: Path) -> tuple[int, float]:
        output, weights = folder / f"straight{size}.h5", folder / f"model{size}/model.safetensors"

        def work() -> int:
            files = inputs(folder, "frames", "detections")
            given = ("--cubes-size", size)
            synthetic.run("score-frames", output, "--model", weights, *files, *given)
            return objects_in(output)

        return best(work)

    return run


def through_files(size: int):
    """The stages cubes, teachers and score, without the start of a process for each."""

    def run(folder: Path) -> tuple[int, float]:
        output, weights = folder / f"stored{size}.h5", folder / f"model{size}/model.safetensors"
        made = [folder / f"{stage}.h5" for stage in ("cubes", "teachers")]

        def work() -> int:
            files, split = inputs(folder, "frames", "detections"), ("--split", "test")
            synthetic.run("cubes", made[0], *files, *split, "--size", size)
            synthetic.run("teachers", made[1], *files, "--cubes", made[0], *split)
            stored = inputs(folder, "cubes", "teachers")
            synthetic.run("score", output, "--model", weights, *stored)
            return objects_in(output)

        return best(work, before=lambda: [path.unlink(missing_ok=True) for path in made])

    return run


def scoring_alone(size: int):
    """The network on cubes that are in memory."""

    def run(folder: Path) -> tuple[int, float]:
        device, weights = chosen_device(), folder / f"model{size}/model.safetensors"
        model = models.load(weights)[0].to(device)
        scored = objects.ScoringModel(model, device, "auto", "auto")
        count, batch = objects_in(folder / "detections.h5"), config.defaults("score")["batch"]
        cubes = torch.randint(0, 256, (batch, 7, size, size, 3), dtype=torch.uint8).numpy()
        probs = np.zeros((batch, len(CLASSES)), np.float32)

        def work() -> int:
            for start in range(0, count, batch):
                rows = slice(min(batch, count - start))
                scored(cubes[rows], {"class_probs": probs[rows]})
            return count

        return best(work)

    return run


def same_scores(size: int):
    def run(folder: Path) -> dict:
        files = folder / f"straight{size}.h5", folder / f"stored{size}.h5"
        with h5py.File(files[0]) as a, h5py.File(files[1]) as b:
            apart = {
                name: float(np.abs(a["clip"][name][:] - b["clip"][name][:]).max())
                for name in json.loads(a.attrs["columns"])
            }
        assert max(apart.values()) <= 1e-5, apart
        return {"objects": objects_in(files[0]), "largest_difference": apart}

    return run


CASES = [
    case
    for size in SIZES
    for case in (
        Case("ours", f"{size}", f"straight from frames, {size} x {size}", straight(size)),
        Case("limit", f"{size}", "the network alone", scoring_alone(size)),
        Case("rival", f"{size}", "through cubes.h5 and teachers.h5", through_files(size)),
        Case("check", f"{size}", "the same scores", same_scores(size)),
    )
]
