"""A released model: made from a run, taken in place of training."""

import json
import shutil

import pytest
import yaml

RELEASE = "results/toy/release/tiny/seed0"
FOLDER = "workflow/models/toy-tiny"
METRICS = "results/taken/models/tiny/seed0/metrics.json"


@pytest.fixture(scope="module")
def released(finished, tmp_path_factory):
    """The toy project with its model released, and a data set of its test clips alone."""
    project = finished.copied(tmp_path_factory.mktemp("released") / "project")
    project.build(f"{RELEASE}/README.md")
    shutil.move(project.path(RELEASE), project.path(FOLDER))
    shutil.copytree(project.path("data/toy/test"), project.path("data/taken/test"))
    shutil.copy(project.path("data/toy/labels.csv"), project.path("data/taken/labels.csv"))
    toy = yaml.safe_load(project.path("config.yaml").read_text())["datasets"]["toy"]
    taken = toy | {"released": {"tiny": FOLDER}, "shards": {"test": 1}}
    project.change(taken, "datasets", "taken")
    return project


def test_it_scores_as_the_run_it_was_made_from(released):
    released.build(METRICS)
    taken, trained = json.loads(released.path(METRICS).read_text()), released.metrics()
    assert taken["scores"] == trained["scores"]
    assert taken["clips"] == trained["clips"]
    assert not released.path("results/taken/data/train").exists()
    assert not released.planned(METRICS)


def test_its_card_says_what_it_is(released):
    card = released.path(f"{FOLDER}/README.md").read_text()
    metrics = released.metrics()["scores"]["zero"]["combined"]
    assert f"| combined | zero | {100 * metrics['micro']:.1f} |" in card
    assert f"snakemake --cores all {RELEASE}/README.md" in card
    assert "cubes_seen: 64" in card and "Random teacher" in card
    assert str(released.folder) not in card


def test_all_models_of_its_data_set_must_be_released(released, tmp_path):
    project = released.copied(tmp_path / "project")
    project.change({}, "models", "paper")
    project.change(["tiny", "paper"], "datasets", "taken", "models")
    done = project.snakemake("--dry-run", METRICS)
    assert "datasets.taken.models names 'paper', which has no folder" in done.stdout
