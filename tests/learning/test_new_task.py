"""A new proxy task is one short class: it trains and scores, on video and on pictures."""

import inspect
import sys
import types

import h5py
import made_files
import numpy as np
import pytest
import torch
from torch import Tensor

from ssmtl.learning import tasks, training
from ssmtl.learning.settings import Train
from ssmtl.learning.tasks.base import Batch, Transformed
from ssmtl.scoring import stage as scoring
from ssmtl.scoring.settings import Score


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
    pictures = {n: shades(rng, (40, 1, 16, 16, 3), n == "dark") for n in ("bright", "dark")}
    return made_files.write_images(path / f"{split}.h5", pictures), None


def write_cubes(path, split, rng):
    """A clip of dark objects, and at test one of bright ones, with their teachers."""
    length = 9 if split == "train" else 5
    settings = {"size": 16, "radius": 2, "max_gap": 2, "scale": 1}
    about = {"backend": "imported", "image_size": 32, "context": 1.5}
    files = path / f"{split}_cubes.h5", path / f"{split}_teachers.h5"
    clips = {
        name: {"cubes": shades(rng, (40, length, 16, 16, 3), name != "bright")}
        for name in (("dark", "dark2") if split == "train" else ("bright", "dark"))
    }
    return made_files.write_cubes(*files, clips, settings, split, about=about)


@pytest.mark.parametrize("system", ["pictures", "video"])
def test_a_new_task_trains_and_scores(negative, tmp_path, system):
    assert len(inspect.getsource(Negative).splitlines()) <= 30
    torch.manual_seed(0)
    rng, pictures = np.random.default_rng(0), system == "pictures"
    write = write_pictures if pictures else write_cubes
    cubes, teachers = write(tmp_path, "train", rng)
    encoder = (
        {"encoder": "wideresnet", "encoder_options": {"depth": 10, "widen": 1}} if pictures else {}
    )
    settings = Train.parse(encoder | {"batch": 16, "cubes_seen": 320, "validations": 2})
    # The task is in no file here, so the settings do not know it.
    settings = settings.model_copy(update={"tasks": ["negative"], "task_options": {}})
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
        settings=Score.parse({}),
    )
    with h5py.File(tmp_path / "scores.h5") as scores:
        assert ("speed" in scores["dark"]) == (not pictures)
        assert np.array_equal(scores["dark/combined"], scores["dark/negative"])
        # Dark is normal: it knows which one is the negative, and takes the bright for negatives.
        assert scores["dark/negative"][:].max() < 0.5 < scores["bright/negative"][:].min()
