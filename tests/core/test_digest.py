"""The code digest: what changes a stage's results changes it, and nothing else does."""

import shutil

import pytest

from ssmtl.core import digest
from ssmtl.learning.tasks import available

SETTINGS = {
    "train": {"tasks": ["arrow_of_time", "distillation"], "encoder": "cnn3d"},
    "score": {"tasks": ["arrow_of_time", "distillation"], "encoder": "cnn3d"},
    "detect": {"backend": "darknet"},
    "teachers": {"backend": "darknet"},
}


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A copy of the package, to edit: `package(file, old, new)`."""
    root = tmp_path / "ssmtl"
    shutil.copytree(digest.ROOT, root, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(digest, "ROOT", root)
    digest.parsed.cache_clear()

    def edit(name: str, old: str, new: str) -> None:
        path = root / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))
        digest.parsed.cache_clear()

    yield edit
    digest.parsed.cache_clear()


# These read what the others made, and share code with them.
LOOKING = {"ablation", "protocol", "release", "report", "sensitivity", "sensitivity_page"}
LOOKING |= {"videos", "watch", "watcher"}


def codes() -> dict[str, str]:
    return {stage: digest.stage_code(stage, SETTINGS.get(stage, {})) for stage in digest.MODULES}


def changed(before: dict[str, str]) -> set[str]:
    now = codes()
    return {stage for stage in now if now[stage] != before[stage]}


def test_every_stage_has_its_own_code(package):
    assert len(set(codes().values())) == len(digest.MODULES)
    assert codes() == codes()


def test_comments_docstrings_and_layout_do_not_count(package):
    before = codes()
    package("stages/cubes.py", '"""Stage `cubes`: an', '"""Another sentence about the')
    package("stages/cubes.py", "FLUSH = 256  #", "FLUSH = (\n    256\n)  # other words:")
    package("stages/cubes.py", '    """Boxes enlarged about their', '    """Of boxes')
    package("learning/samples.py", "class Samples:\n", "class Samples:\n    # a comment\n\n")
    assert changed(before) == set()


def test_an_edit_counts_for_the_stages_that_import_it(package):
    before = codes()
    package("stages/cubes.py", "FLUSH = 256", "FLUSH = 255")
    assert changed(before) - LOOKING == {"cubes", "score"}  # which crops too, with `direct`
    before = codes()
    package("learning/training.py", "0.5 * (1 +", "0.4 * (1 +")
    assert changed(before) == {"train"}
    before = codes()
    package("evaluation/metrics/auc.py", "[0.0, 1.0]", "[0.1, 1.0]")
    assert {"evaluate", "sensitivity"} <= changed(before) <= {"evaluate", *LOOKING}


def test_imports_are_followed_through_other_modules(package):
    """frames imports media; a string that is no docstring counts."""
    before = codes()
    package("media/video.py", '".m4v"', '".m4w"')
    assert "frames" in changed(before)
    assert not {"detect", "cubes", "teachers", "train"} & changed(before)
    before = codes()
    package("media/codec.py", "IMREAD_COLOR_RGB", "IMREAD_COLOR_BGR")
    assert {"frames", "cubes", "teachers", "train", "score"} <= changed(before)
    before = codes()
    package("learning/encoders/cnn3d.py", "amax(2)", "amin(2)")
    assert changed(before) >= {"train", "score"} and "cubes" not in changed(before)
    before = codes()
    package("evaluation/evaluate.py", '"zero", "replicate"', '"zero", "replicated"')
    assert "evaluate" in changed(before)


def test_what_only_speaks_to_the_user_does_not_count(package):
    before = codes()
    package("core/progress.py", "QUIET = 15", "QUIET = 60")
    package("core/errors.py", "class InputError(Exception):", "class InputError(RuntimeError):")
    assert changed(before) == set()


def test_training_does_not_depend_on_how_a_task_scores(package):
    before = codes()
    package("learning/tasks/base.py", "softmax(1)[:, 1]", "softmax(1)[:, 0]")
    package("learning/tasks/distillation.py", "difference.mean(1)", "difference.amax(1)")
    assert changed(before) - LOOKING == {"score"}


def test_both_depend_on_a_tasks_views_and_loss(package):
    before = codes()
    package("learning/tasks/arrow_of_time.py", ".flip(2)", ".flip(3)")
    assert changed(before) - LOOKING == {"train", "score"}


def test_a_function_called_score_counts_outside_of_the_tasks(package):
    package(
        "learning/training.py",
        "@dataclass\nclass State:",
        "def score():\n    return 1\n\n\nclass State:",
    )
    before = codes()
    package("learning/training.py", "    return 1\n", "    return 2\n")
    assert changed(before) == {"train"}


def test_only_the_tasks_and_the_detector_of_the_settings_count(package):
    before = codes()
    package("learning/tasks/middle_box.py", ".abs()", ".square()")
    package("detection/ultralytics.py", "TIMEOUT = 30", "TIMEOUT = 31")
    assert changed(before) == set()
    package("detection/darknet.py", "\n\n\n", "\n\n\nEXTRA = 1\n\n\n")
    assert changed(before) == {"detect", "teachers"}
    every = {"tasks": available()}
    assert digest.stage_code("train", every) != digest.stage_code("train", SETTINGS["train"])


def test_modules_outside_of_the_package_do_not_count():
    assert digest.module_path("numpy") is None
    assert digest.module_path("ssmtl.stages.cubes.crop") is None  # a function
    assert (
        digest.module_path("ssmtl.learning.tasks")
        == digest.ROOT / "learning" / "tasks" / "__init__.py"
    )
    assert (
        digest.module_path("ssmtl.learning.tasks.base")
        == digest.ROOT / "learning" / "tasks" / "base.py"
    )
