"""Options of tasks and encoders: in their own files, read without torch, and the same there."""

import subprocess
import sys
from dataclasses import replace

import pytest

from ssmtl import config
from ssmtl.core.errors import InputError
from ssmtl.learning import encoders, options, tasks
from ssmtl.learning.settings import TaskOptions

NEW_TASK = """
import torch
from pydantic import Field

from ssmtl.learning.settings import TaskOptions
from ssmtl.learning.tasks.base import Transformed

SIDES = torch.arange(2)


class Options(TaskOptions):
    strength: float = Field(0.5, gt=0, description="How much darker.")


class Darker(Transformed):
    name, count, Options = "darker", 2, Options
"""


def test_planning_with_options_imports_no_torch():
    code = """
import sys
from ssmtl import config
from ssmtl.config.reference import reference
tree = {"datasets": {"d": {"reader": "ucsd", "train": {
    "tasks": ["jigsaw"], "task_options": {"jigsaw": {"margin": 0.1}},
    "encoder_options": {"depth": "deep"}}}}, "run": {"datasets": ["d"]}}
config.check(tree)
assert config.settings(tree, "train", "d", "paper")["task_options"]["jigsaw"]["margin"] == 0.1
assert "jigsaw" in reference()
assert "torch" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", options.TASKS.names())
def test_what_is_read_is_what_the_task_has(name):
    task = tasks.load(name)
    for kind, plain in (("Options", TaskOptions), ("ScoreOptions", None)):
        read = options.TASKS.options_class(name, kind)
        own = getattr(task, kind)
        if read is None:
            assert own in (plain, tasks.Task.ScoreOptions)
            continue
        assert read.model_json_schema() == own.model_json_schema()


@pytest.mark.parametrize("name", options.ENCODERS.names())
def test_what_is_read_is_what_the_encoder_has(name):
    read = options.ENCODERS.options_class(name)
    assert read.model_json_schema() == encoders.load(name).Options.model_json_schema()


def test_a_new_task_with_options_is_one_file(tmp_path, monkeypatch):
    (tmp_path / "darker.py").write_text(NEW_TASK)
    monkeypatch.setattr(options, "TASKS", replace(options.TASKS, folder=tmp_path))
    tree = {"datasets": {}, "run": {"datasets": []}, "train": {"tasks": ["darker"]}}
    found = config.settings(tree, "train")["task_options"]
    assert found == {"darker": {"weight": 1.0, "strength": 0.5}}
    tree["train"]["task_options"] = {"darker": {"strenght": 1.0}}
    with pytest.raises(InputError, match=r"task_options\.darker; did you mean 'strength'"):
        config.settings(tree, "train")


def tree(*layers: dict) -> dict:
    """A configuration with settings of training for all, a model and a data set."""
    first, model, data = layers
    return {
        "train": first,
        "models": {"m": {"train": model}},
        "datasets": {"d": {"reader": "ucsd", "models": ["m"], "train": data}},
        "run": {"datasets": ["d"]},
    }


def test_a_layer_changes_the_options_that_it_names():
    given = tree(
        {"tasks": ["jigsaw", "rotation"], "task_options": {"jigsaw": {"margin": 0.1}}},
        {"task_options": {"jigsaw": {"permutations": 5}, "rotation": {"weight": 2}}},
        {"encoder_options": {"depth": "deep"}},
    )
    config.check(given)
    found = config.settings(given, "train", "d", "m")
    assert found["task_options"] == {
        "jigsaw": {"weight": 1.0, "permutations": 5, "margin": 0.1},
        "rotation": {"weight": 2.0},
    }
    assert found["encoder_options"] == {"depth": "deep", "width": "narrow"}


def test_another_encoder_begins_with_its_own_defaults():
    first, second = {"encoder_options": {"width": "wide"}}, {"encoder": "wideresnet"}
    found = config.settings(tree(first, second, {}), "train", "d", "m")
    assert found["encoder_options"] == {"depth": 16, "widen": 4}
    last = {"encoder_options": {"widen": 2}}
    found = config.settings(tree(first, second, last), "train", "d", "m")
    assert found["encoder_options"] == {"depth": 16, "widen": 2}
    found = config.settings(tree(first, {"encoder": "cnn3d"}, {}), "train", "d", "m")
    assert found["encoder_options"] == {"depth": "shallow", "width": "wide"}


def test_options_of_tasks_that_are_not_used_change_nothing():
    plain = config.settings(tree({}, {}, {}), "train", "d", "m")
    unused = tree({"task_options": {"jigsaw": {"margin": 0.1}}}, {}, {})
    assert config.settings(unused, "train", "d", "m") == plain


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task_options": {"jigsw": {}}}, "no task 'jigsw'; did you mean 'jigsaw'"),
        ({"task_options": {"jigsaw": {"margn": 0.1}}}, "jigsaw; did you mean 'margin'"),
        ({"task_options": {"jigsaw": {"margin": 1.0}}}, "jigsaw.margin: 1.0 must be below 1"),
        ({"encoder_options": {"depth": 16}}, "encoder_options.depth: 16 is none of 'shallow'"),
        ({"encoder": "wideresnet", "encoder_options": {"depth": 11}}, "depth: 11 is none of 10"),
        ({"encoder": "resnet"}, "no encoder 'resnet'"),
        ({"tasks": ["jugsaw"]}, "no task 'jugsaw'; did you mean 'jigsaw'"),
        ({"depth": "deep"}, "since version 0.2 it is train.encoder_options, {depth"),
        ({"width": "wide"}, "since version 0.2 it is train.encoder_options, {width"),
        ({"wideresnet": "10-1"}, "since version 0.2 it is train.encoder_options, {depth: 16, wid"),
        ({"jigsaw_margin": 0.2}, "since version 0.2 it is train.task_options, {jigsaw: {margin"),
        ({"distillation_weight": 1}, "since version 0.2 it is train.task_options, {distillation"),
        ({"cubes_seen": 0}, "train.cubes_seen: 0 of version 0.1 is now null, to use epochs"),
    ],
)
def test_mistakes_and_old_keys_are_one_line(changes, message):
    with pytest.raises(InputError) as error:
        config.check(tree({}, {}, changes))
    assert message in str(error.value) and str(error.value).startswith("config: ")
    assert "\n" not in str(error.value)
