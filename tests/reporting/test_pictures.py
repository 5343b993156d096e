"""Pictures as samples: classes chosen, rows held out, calibration, and what does not fit."""

import h5py
import numpy as np
import pytest
from made_files import write_images

from ssmtl.core import store
from ssmtl.core.errors import InputError
from ssmtl.learning import samples as data
from ssmtl.learning import training
from ssmtl.learning.settings import Train
from ssmtl.scoring import calibration, fusion
from ssmtl.scoring import stage as scoring
from ssmtl.scoring.settings import Score

COUNTS = {"cat": 30, "dog": 20}
TRAIN = Train.parse(
    {
        "encoder": "wideresnet",
        "encoder_options": {"depth": 10, "widen": 1},
        "tasks": ["rotation"],
        "batch": 8,
        "cubes_seen": 24,
        "validations": 1,
        "validation": 0.2,
    }
)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return write(tmp_path_factory.mktemp("pictures") / "images.h5", COUNTS)


def write(path, counts, size=12):
    rng = np.random.default_rng(0)
    pictures = {
        name: rng.integers(0, 256, (count, 1, size, size, 3), np.uint8)
        for name, count in counts.items()
    }
    return write_images(path, pictures)


@pytest.fixture(scope="module")
def run(file, tmp_path_factory):
    """A model of cats."""
    folder = tmp_path_factory.mktemp("run")
    training.train_model(
        folder,
        cubes=[file],
        teachers=[],
        state=folder / "state",
        seed=1,
        settings=TRAIN,
        code="",
        groups=["cat"],
    )
    return folder


def test_single_pictures_are_held_out(file):
    with data.Samples([file]) as samples:
        split = data.held_out(samples, 0.2, None, 3)
        train, held = split.train, split.validation
        assert len(held) == 10 and len(train) == 40
        assert sorted([*train, *held]) == list(range(50))
        assert {*samples.clip[held]} == {0, 1}, "of both classes"
        again = data.held_out(samples, 0.2, None, 3)
        assert np.array_equal(again.validation, held)
        other = data.held_out(samples, 0.2, None, 4)
        assert not np.array_equal(other.validation, held)


def test_only_the_classes_asked_for_are_read(file):
    with data.Samples([file], groups=["dog"]) as samples, h5py.File(file) as raw:
        assert len(samples) == 20 and samples.clips == ["dog"]
        assert np.array_equal(samples.read(np.array([3, 4, 9])), raw["dog/cubes"][[3, 4, 9]])
    with pytest.raises(InputError, match="has no 'cow'; there are cat, dog"):
        data.Samples([file], groups=["cow"])


def test_one_picture_cannot_be_split(tmp_path):
    path = write(tmp_path / "images.h5", {"cat": 1})
    with data.Samples([path]) as samples, pytest.raises(InputError, match="one picture only"):
        data.held_out(samples, 0.2, None, 0)


def test_calibration_is_of_the_held_out_pictures(file, run, tmp_path):
    settings = Score.parse({"batch": 4})
    weights = run / "model.safetensors"
    common = {"weights": weights, "settings": settings}
    path = tmp_path / "calibration.h5"
    calibration.calibrate(path, cubes=[file], teachers=[], groups=["cat"], **common)
    scoring.score_objects(
        tmp_path / "scores.h5", calibration=None, cubes=file, teachers=None, **common
    )
    with data.Samples([file], groups=["cat"]) as samples:
        held = data.held_out(samples, TRAIN.validation, TRAIN.calibration, 1).calibration
    with h5py.File(tmp_path / "scores.h5") as scores, h5py.File(path) as found:
        values = scores["cat/combined"][:][held]
        levels = np.linspace(0, 1, fusion.QUANTILES)
        np.testing.assert_allclose(found.attrs["combined"], np.quantile(values, levels), atol=1e-5)


def test_a_calibration_of_other_pictures_is_refused(file, run, tmp_path):
    settings = Score.parse({"fusion": "fisher"})
    common = {"weights": run / "model.safetensors", "settings": settings}
    path = tmp_path / "calibration.h5"
    calibration.calibrate(path, cubes=[file], teachers=[], groups=["cat"], **common)
    larger = write(tmp_path / "larger.h5", COUNTS, size=16)
    with pytest.raises(InputError, match=r"images\.size 12, the data has 16"):
        scoring.score_objects(
            tmp_path / "scores.h5", calibration=path, cubes=larger, teachers=None, **common
        )


def test_cubes_without_teachers_are_no_pictures(file, tmp_path):
    path = tmp_path / "cubes.h5"
    with store.create(path, "cubes", {"size": 12}):
        pass
    with pytest.raises(InputError, match="need their teachers; give --teachers"):
        data.Samples([path])


def test_a_class_named_twice_counts_once(file):
    with data.Samples([file], groups=["dog", "dog"]) as samples:
        assert len(samples) == 20


def test_whole_persons_are_held_out(tmp_path):
    people = [f"person {row % 8}" for row in range(40)]
    pictures = {"bona_fide": np.zeros((40, 1, 12, 12, 3), np.uint8)}
    path = write_images(tmp_path / "images.h5", pictures, persons=people)
    with data.Samples([path]) as samples:
        split = data.held_out(samples, 0.25, None, 0)
        train, held = split.train, split.validation
    assert len(held) == 2 * 5 and len(train) == 6 * 5
    assert not {people[row] for row in held} & {people[row] for row in train}


@pytest.mark.parametrize("groups", [None, ["dog"], ["cat", "dog"]])
def test_calibration_on_other_classes_is_refused(file, run, tmp_path, groups):
    with pytest.raises(InputError, match="other pictures than the model was trained on"):
        calibration.calibrate(
            tmp_path / "calibration.h5",
            weights=run / "model.safetensors",
            cubes=[file],
            teachers=[],
            settings=Score.parse({}),
            groups=groups,
        )
