"""A new proxy task is one short class: it trains and scores, on video and on pictures."""

import inspect
import json
import sys
import types

import h5py
import numpy as np
import pytest
import torch
from torch import Tensor

from ssmtl import config
from ssmtl.core import store
from ssmtl.learning import tasks, training
from ssmtl.learning.tasks.base import Batch, Transformed
from ssmtl.scoring import stage as scoring


class Negative(Transformed):
    """Is this the picture or its negative?"""

    name = "negative"
    count = 2

    def transform(self, picture: Tensor, number: int, batch: Batch) -> Tensor:
        return 1 - picture if number else picture


@pytest.fixture
def negative(monkeypatch):
    """The class as if it were a file in the folder of tasks."""
    module = types.ModuleType("ssmtl.learning.tasks.negative")
    module.Negative = Negative
    monkeypatch.setitem(sys.modules, "ssmtl.learning.tasks.negative", module)
    monkeypatch.setattr(tasks, "available", lambda: ["negative"])


def shades(rng, shape, dark):
    """Pictures that are dark or bright, so that a negative can be told, uint8 (..., S, S, 3)."""
    low, high = (0, 100) if dark else (156, 256)
    return rng.integers(low, high, shape, np.uint8)


def write_pictures(path, split, rng):
    with store.create(path / f"{split}.h5", "images", {"size": 16}) as file:
        for name in ("bright", "dark"):
            group = file.create_group(name)
            group["cubes"] = shades(rng, (40, 1, 16, 16, 3), name == "dark")
            group["frame"], group["valid"] = np.arange(40), np.tile([0, 1], (40, 1))
            group.attrs.update(digest=split + name, frames=40, width=16, height=16)
    return path / f"{split}.h5", None


def write_cubes(path, split, rng):
    """A clip of dark objects, and at test one of bright ones, with their teachers."""
    length = 9 if split == "train" else 5
    settings = {"size": 16, "radius": 2, "max_gap": 2, "scale": 1}
    about = {"backend": "imported", "image_size": 32, "context": 1.5}
    files = path / f"{split}_cubes.h5", path / f"{split}_teachers.h5"
    with (
        store.create(files[0], "cubes", settings, split=split) as cubes,
        store.create(files[1], "teachers", about, classes=json.dumps(["a"])) as teachers,
    ):
        for name in ("dark", "dark2") if split == "train" else ("bright", "dark"):
            group, teacher = cubes.create_group(name), teachers.create_group(name)
            group["cubes"] = shades(rng, (40, length, 16, 16, 3), name != "bright")
            group["frame"], group["valid"] = np.arange(40), np.tile([0, length], (40, 1))
            group["box"] = np.tile(np.float32([0, 0, 9, 9]), (40, 1))
            group.attrs.update(digest=split + name, frames=40, width=16, height=16)
            teacher["class_probs"] = np.zeros((40, 1), np.float32)
            teacher.attrs.update(cubes=split + name, digest=name)
    return files


@pytest.mark.parametrize("system", ["pictures", "video"])
def test_a_new_task_trains_and_scores(negative, tmp_path, system):
    assert len(inspect.getsource(Negative).splitlines()) <= 30
    torch.manual_seed(0)
    rng, pictures = np.random.default_rng(0), system == "pictures"
    write = write_pictures if pictures else write_cubes
    cubes, teachers = write(tmp_path, "train", rng)
    encoder = {"encoder": "wideresnet", "wideresnet": "10-1"} if pictures else {}
    settings = config.defaults("train") | encoder
    settings |= {"tasks": ["negative"], "batch": 16, "cubes_seen": 320, "validations": 2}
    training.train_model(
        tmp_path / "run",
        cubes=[cubes],
        teachers=[teachers] if teachers else [],
        state=tmp_path / "state",
        seed=0,
        settings=settings,
        code="",
        groups=["dark"] if pictures else None,
    )
    cubes, teachers = write(tmp_path, "test", rng)
    scoring.score_objects(
        tmp_path / "scores.h5",
        weights=tmp_path / "run" / "model.safetensors",
        calibration=None,
        cubes=cubes,
        teachers=teachers,
        settings=config.defaults("score"),
    )
    with h5py.File(tmp_path / "scores.h5") as scores:
        assert ("speed" in scores["dark"]) == (not pictures)
        assert np.array_equal(scores["dark/combined"], scores["dark/negative"])
        # Dark is normal: it knows which one is the negative, and takes the bright for negatives.
        assert scores["dark/negative"][:].max() < 0.5 < scores["bright/negative"][:].min()
