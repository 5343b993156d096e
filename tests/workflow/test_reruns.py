"""What a change makes Snakemake do again, and nothing else."""

import re
from collections import Counter

import pytest
from edits import (
    TEXTS_OF_ERRORS,
    TEXTS_OF_LOGS,
    constant,
    docstrings,
    everywhere,
    logging_lines,
)
from toy import NEW, insert_statement, write_clip

from ssmtl.core.machine import has_gpu

SHARDS = ("train/0", "test/0", "test/1")
DATA = ("clips", "frames", "detect", "cubes", "teachers")
MODEL = ("train", "history", "calibrate")
END = ("evaluate", "videos", "explain", "report", "all")


def jobs(*rules: str, shards: tuple[str, ...] = SHARDS) -> Counter:
    """The jobs of some rules: one per shard where a rule has shards."""
    expected = Counter()
    for rule in rules:
        if rule in DATA:
            expected.update((rule, shard) for shard in shards)
        elif rule == "score":
            expected.update((rule, shard) for shard in shards if shard.startswith("test"))
        else:
            expected[rule, ""] += 1
    return expected


def test_nothing_changed(project):
    assert project.planned() == Counter()


def test_smoothing_changed(project):
    project.change(3, "models", "tiny", "evaluate", "sigma")
    assert project.planned() == jobs(*END)


def test_what_is_only_said_changed(project):
    """Every docstring, and so every help text, the texts of logs and errors, and the version."""
    package = project.path("workflow/ssmtl")
    everywhere(docstrings, TEXTS_OF_LOGS, TEXTS_OF_ERRORS, logging_lines)(package)
    version = package / "__init__.py"
    version.write_text(f"{version.read_text()}\n__version__ = '99.0'\n")
    assert project.planned() == Counter()


def test_suffixes_of_masks_changed(project):
    constant("datasets", "MASK_SUFFIXES", '(".png",)')(project.path("workflow/ssmtl"))
    assert project.planned() == jobs("manifest", *END)


def test_code_changed(project):
    insert_statement(project.path("workflow/ssmtl/stages/cubes.py"), "expanded")
    assert project.planned() == jobs("cubes", "teachers", *MODEL, "score", *END)


def test_how_a_task_scores_changed(project):
    insert_statement(project.path("workflow/ssmtl/learning/tasks/middle_box.py"), "score")
    assert project.planned() == jobs("calibrate", "score", *END)


def test_how_a_task_learns_changed(project):
    insert_statement(project.path("workflow/ssmtl/learning/tasks/middle_box.py"), "loss")
    assert project.planned() == jobs(*MODEL, "score", *END)


def test_code_of_an_unused_detector_changed(project):
    insert_statement(project.path("workflow/ssmtl/detection/ultralytics.py"), "load")
    assert project.planned() == Counter()


def test_confidence_changed(project):
    project.change(0.6, "datasets", "toy", "detect", "confidence")
    assert project.planned() == jobs("detect", "cubes", "teachers", *MODEL, "score", *END)


def test_labels_changed(project):
    labels = project.path("data/toy/labels.csv")
    labels.write_text(labels.read_text().replace("8,20", "8,19"))
    assert project.planned() == jobs("manifest", *END)


def test_tracks_changed(project):
    tracks = project.path("data/toy/tracks/01.txt")
    tracks.write_text(tracks.read_text().replace("1,5,30", "1,5,31"))
    assert project.planned() == jobs(*END)


def test_masks_changed(project):
    masks = project.path("data/toy/masks/05.npy")
    masks.write_bytes(masks.read_bytes()[:-1] + b"\1")
    assert project.planned() == jobs(*END)


def test_tracks_taken_away(project):
    project.path("data/toy/tracks/01.txt").unlink()
    assert project.planned() == jobs("manifest", *END)


def test_test_clip_added(project):
    write_clip(project.path(f"data/toy/test/{NEW}"), 14)
    touched = jobs(*DATA, "score", shards=("test/1",))
    assert project.planned() == touched + jobs("manifest", *END)


def test_test_clip_excluded(project):
    project.change(["04"], "datasets", "toy", "exclude")
    labels = project.path("data/toy/labels.csv")
    labels.write_text(labels.read_text().replace("04,,,\n", ""))
    touched = jobs(*DATA, "score", shards=("test/1",))
    assert project.planned() == touched + jobs("manifest", *END)


def test_training_clip_added(project):
    write_clip(project.path("data/toy/train/d"), 4)
    touched = jobs(*DATA, shards=("train/0",)) + jobs(*MODEL, "score")
    assert project.planned() == touched + jobs("manifest", *END)


PROBE = """
configfile: "config.yaml"
include: "rules/common.smk"

rule all:
    default_target: True
    input: "0.probe", "1.probe"

rule probe:
    output: touch("{n}.probe")
    resources: gpu=1
    shell: "sleep 0.1"
"""


GPU = has_gpu()


@pytest.mark.parametrize(
    ("limit", "together"),
    [
        ((), 1 if GPU else 2),
        (("--resources", "gpu=1"), 1),
        (("--resources", "gpu=2"), 2),
    ],
)
def test_one_gpu_job_at_a_time_unless_allowed(project, limit, together):
    project.path("Probe").write_text(PROBE)
    done = project.snakemake("--snakefile", "Probe", *limit)
    assert done.returncode == 0, done.stdout
    counts = [int(count) for count in re.findall(r"Execute (\d+) jobs", done.stdout)]
    assert max(counts) == together


@pytest.mark.parametrize(
    ("value", "keys", "message"),
    [
        (1, ("datasets", "toy", "cubes", "sise"), "config: unknown key 'sise' at"),
        (["toys"], ("run", "datasets"), "config: run.datasets names 'toys', which is not under"),
    ],
)
def test_mistakes_in_the_config_are_one_line(project, value, keys, message):
    project.change(value, *keys)
    done = project.snakemake("--dry-run")
    assert done.returncode != 0
    assert done.stdout.count(message) == 1
    assert "Traceback" not in done.stdout
    assert len(done.stdout.splitlines()) <= 3, done.stdout


@pytest.mark.parametrize(
    ("target", "meant"),
    [
        ("results/toy/reprot.html", "did you mean results/toy/report.html?"),
        ("results/toys/report.html", "did you mean results/toy/report.html?"),
        ("results/toy/models/tin/seed0/metrics.json", "no model 'tin'; did you mean tiny?"),
    ],
)
def test_a_typo_in_a_target_is_answered_with_what_was_meant(project, target, meant):
    done = project.snakemake("--dry-run", "--", target)
    assert done.returncode != 0
    assert done.stdout.count(f"no rule makes '{target}'") == 1 and meant in done.stdout
    assert "Traceback" not in done.stdout
