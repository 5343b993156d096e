"""Stage score with `direct`: frames.h5 + detections.h5 -> scores; the rival stores its cubes.

The model is the shallow-narrow one on crops of 64 x 64, with random weights.
"""

import json
from pathlib import Path

import h5py
import numpy as np
import synthetic
import torch
from measure import Case, best

from ssmtl import config, scoring
from ssmtl import model as models
from ssmtl.device import device, seed_everything

UNIT = "cubes"
DEVICES = ("cpu", "cuda")
FRAMES = {"cpu": 60, "cuda": 2000}
SIZE, CLASSES = 64, ("person", "bicycle")


def prepare(folder: Path, scale: float) -> None:
    count = round(FRAMES[device().type] * scale)
    synthetic.write_clip(folder, count)
    with h5py.File(folder / "detections.h5", "r+") as file:
        # What a detector of two classes would have said.
        rows = len(file["clip"]["frame"])
        file.attrs["classes"] = json.dumps(CLASSES)
        del file["clip"]["class_probs"]
        file["clip"]["class_probs"] = np.random.default_rng(0).random((rows, 2), np.float32)
    write_model(folder, list(CLASSES))


def write_model(folder: Path, classes: list[str]) -> None:
    """model.safetensors and its card: the shallow-narrow encoder with random weights."""
    seed_everything(0)
    spec = {
        "encoder": "cnn3d",
        "depth": "shallow",
        "width": "narrow",
        "tasks": config.defaults("train")["tasks"],
        "size": SIZE,
        "radius": config.defaults("cubes")["radius"],
        "max_gap": config.defaults("cubes")["max_gap"],
        "classes": classes,
        "settings": {"distillation_weight": 0.5},
    }
    models.save(folder, models.build(spec), {"spec": spec})


def inputs(folder: Path, *stages: str) -> tuple:
    return sum(((f"--{stage}", folder / f"{stage}.h5") for stage in stages), ())


def objects_in(path: Path) -> int:
    with h5py.File(path) as file:
        return len(file["clip"]["frame"])


def straight(folder: Path) -> tuple[int, float]:
    output, weights = folder / "straight.h5", folder / "model.safetensors"

    def work() -> int:
        files = inputs(folder, "frames", "detections")
        given = ("--cubes-settings", json.dumps({"size": SIZE}))
        synthetic.run("score", output, "--model", weights, *files, *given)
        return objects_in(output)

    return best(work)


def through_files(folder: Path) -> tuple[int, float]:
    """The stages cubes, teachers and score, without the start of a process for each."""
    output, weights = folder / "stored.h5", folder / "model.safetensors"
    made = [folder / f"{stage}.h5" for stage in ("cubes", "teachers")]

    def work() -> int:
        files, split = inputs(folder, "frames", "detections"), ("--split", "test")
        synthetic.run("cubes", made[0], *files, *split, "--size", SIZE)
        synthetic.run("teachers", made[1], *files, "--cubes", made[0], *split)
        stored = inputs(folder, "cubes", "teachers")
        synthetic.run("score", output, "--model", weights, *stored)
        return objects_in(output)

    return best(work, before=lambda: [path.unlink(missing_ok=True) for path in made])


def scoring_alone(folder: Path) -> tuple[int, float]:
    """The network on cubes that are in memory."""
    where = device()
    model, _ = models.load(folder / "model.safetensors", {"distillation_reduction": "mean"})
    model = model.to(where)
    with h5py.File(folder / "detections.h5") as file:
        count = len(file["clip"]["frame"])
    batch = config.defaults("score")["batch"]
    cubes = torch.randint(0, 256, (batch, 7, SIZE, SIZE, 3), dtype=torch.uint8).numpy()
    targets = {"class_probs": np.zeros((batch, len(CLASSES)), np.float32)}

    def work() -> int:
        for start in range(0, count, batch):
            size = min(batch, count - start)
            scoring.score_batch(
                model, cubes[:size], {name: rows[:size] for name, rows in targets.items()}, where
            )
        return count

    return best(work)


def same_scores(folder: Path) -> dict:
    with h5py.File(folder / "straight.h5") as a, h5py.File(folder / "stored.h5") as b:
        columns = json.loads(a.attrs["columns"])
        apart = {
            name: float(np.abs(a["clip"][name][:] - b["clip"][name][:]).max()) for name in columns
        }
    assert max(apart.values()) <= 1e-5, apart
    return {"objects": objects_in(folder / "straight.h5"), "largest_difference": apart}


CASES = [
    Case("ours", "score", f"straight from frames, {SIZE} x {SIZE}", straight),
    Case("limit", "score", "the network alone", scoring_alone),
    Case("rival", "score", "through cubes.h5 and teachers.h5", through_files),
    Case("check", "score", "the same scores", same_scores),
]
