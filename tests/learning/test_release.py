"""Taking a released model: what is refused, and in which words."""

import json

import numpy as np
import pytest
from made_files import write_calibration

from ssmtl.core.errors import InputError
from ssmtl.formats import released as files
from ssmtl.learning import model as models
from ssmtl.learning import released
from ssmtl.scoring import calibration, fusion

SPEC = {
    "tasks": ["arrow_of_time", "middle_box"],
    "encoder": "cnn3d",
    "encoder_options": {"depth": "shallow", "width": "narrow"},
    "task_options": {},
    "size": 16,
    "radius": 2,
    "max_gap": 2,
    "classes": ["a", "b"],
}
OPTIONS = {"distillation": {"reduction": "mean"}}
SETTINGS = {"task_options": OPTIONS}
OBJECTS = {"cubes": {"size": 16}, "teachers": {"context": 1.5}}


@pytest.fixture
def folder(tmp_path):
    """A released model of seed 3."""
    folder = tmp_path / "released"
    folder.mkdir()
    card = {"spec": SPEC, "seed": 3, "train": {"objects": 5, "clips": 2}}
    models.save(folder, models.build(SPEC), card)
    about = json.dumps(OBJECTS)
    tasks = {task: np.linspace(0, 1, 11) for task in SPEC["tasks"]}
    write_calibration(folder / "calibration.h5", tasks, SETTINGS, objects=about)
    (folder / "history.csv").write_text("step,split\n")
    return folder


def test_taking_copies_every_file(folder, tmp_path):
    released.use_released(tmp_path / "run", released=folder, seed=3, name="best")
    for name in files.FILES:
        if name != "model.json":
            assert (tmp_path / "run" / name).read_bytes() == (folder / name).read_bytes()
    card, ours = (json.loads((f / "model.json").read_text()) for f in (folder, tmp_path / "run"))
    assert ours == card | {"name": "best"}
    assert files.released_seed(folder) == 3


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("model.safetensors", "does not fit model.json beside it"),
        ("model.json", "not the card of an ssmtl model"),
        ("calibration.h5", "calibration.h5"),
    ],
)
def test_a_damaged_one_is_refused(folder, tmp_path, name, words):
    path = folder / name
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match=words):
        released.use_released(tmp_path / "run", released=folder, seed=3)
    assert not (tmp_path / "run").exists()


def test_an_incomplete_one_is_refused(folder, tmp_path):
    (folder / "calibration.h5").unlink()
    with pytest.raises(InputError, match=r"it has no calibration\.h5"):
        released.use_released(tmp_path / "run", released=folder, seed=3)


def test_another_seed_is_refused(folder, tmp_path):
    with pytest.raises(InputError, match="trained with seed 3, not 7"):
        released.use_released(tmp_path / "run", released=folder, seed=7)


@pytest.mark.parametrize("text", ["[]", "{", '{"seed": null}'])
def test_a_card_without_a_seed_is_one_line(folder, text):
    (folder / "model.json").write_text(text)
    with pytest.raises(InputError, match="not the card of an ssmtl model"):
        files.released_seed(folder)


def test_a_calibration_is_of_one_kind_of_score(folder):
    path, tasks = folder / "calibration.h5", SPEC["tasks"]
    assert set(fusion.calibration_of(path, OPTIONS, tasks).quantiles) == set(tasks)
    other = folder / "other.h5"
    for made_with in (SETTINGS, {"distillation_reduction": "mean"}):  # of today, and of 0.1
        write_calibration(other, {"distillation": np.linspace(0, 1, 11)}, made_with)
        assert set(fusion.calibration_of(other, OPTIONS, ["distillation"]).quantiles)
        wanted = {"distillation": {"reduction": "sum"}}
        with pytest.raises(InputError, match=r"made with score\.task_options\.distillation .*mean"):
            fusion.calibration_of(other, wanted, ["distillation"])
    with pytest.raises(InputError, match="of the tasks arrow_of_time, middle_box, the scores"):
        fusion.calibration_of(path, OPTIONS, ["middle_box"])


def test_a_calibration_is_of_one_kind_of_object(folder):
    calibration.check_objects(folder / "calibration.h5", OBJECTS)
    with pytest.raises(InputError, match=r"made with teachers\.context 1\.5, these objects with 2"):
        calibration.check_objects(folder / "calibration.h5", OBJECTS | {"teachers": {"context": 2}})
