"""Values of the configuration are words of a shell line, whatever stands in them."""

import csv
import shutil

import pytest
from toy import FRAMES, SIDE, TEST

from ssmtl.core import store

NASTY = 'it\'s "new" $(touch pwned) `touch pwned`; touch pwned & é'
SHARD = "results/toy/data/test/0"
CLIPS = {"01", "05"}  # of that shard


def nothing_ran(project) -> bool:
    return not list(project.folder.rglob("pwned*"))


def fresh(project) -> None:
    """Forgets what was built."""
    shutil.rmtree(project.path("results"))


def test_footage_and_a_detector_in_folders_of_any_name(project):
    fresh(project)
    project.path("data/toy").rename(project.path(f"data/{NASTY}"))
    project.path("detector").rename(project.path(NASTY))
    project.change(f"data/{NASTY}", "datasets", "toy", "path")
    for *key, file in (
        ("weights", "toy.weights"),
        ("backend_options", "cfg", "toy.cfg"),
        ("names", "toy.names"),
    ):
        project.change(f"{NASTY}/{file}", "datasets", "toy", "detect", *key)
    project.build(f"{SHARD}/detections.h5", "results/toy/manifest.csv")
    with store.read(project.path(f"{SHARD}/detections.h5"), "detections") as file:
        assert set(file) == CLIPS and all(len(group["frame"]) for group in file.values())
    assert nothing_ran(project)


def test_a_file_of_boxes_of_any_name(project):
    fresh(project)
    with project.path(f"{NASTY}.csv").open("w") as file:
        writer = csv.writer(file)
        writer.writerow(["clip", "frame", "x1", "y1", "x2", "y2", "confidence", "p_red", "p_blue"])
        writer.writerows(
            [clip, frame, 3, 3, 3 + SIDE, 3 + SIDE, 0.9, 0.7, 0.3]
            for clip in TEST
            for frame in range(FRAMES)
        )
    project.change({"test": f"{NASTY}.csv"}, "datasets", "toy", "boxes")
    project.change({"backend": "imported"}, "datasets", "toy", "detect")
    project.build(f"{SHARD}/detections.h5")
    with store.read(project.path(f"{SHARD}/detections.h5"), "detections") as file:
        assert all(len(group["frame"]) == FRAMES for group in file.values())
    assert nothing_ran(project)


def test_a_released_model_in_a_folder_of_any_name(project):
    run = "results/toy/models/tiny/seed0"
    shutil.copytree(project.path(run), project.path(NASTY))
    project.change({"tiny": NASTY}, "datasets", "toy", "released")
    project.build(f"{run}/model.safetensors", "--force")
    assert project.path(f"{run}/model.json").read_bytes() == (
        project.path(f"{NASTY}/model.json").read_bytes()
    )
    assert nothing_ran(project)


@pytest.mark.parametrize("target", ["results/toy/manifest.csv", "data/toy/fetched.json"])
def test_a_reader_of_no_known_name_is_one_line(project, target):
    project.change(NASTY, "datasets", "toy", "reader")
    done = project.snakemake("--", target)
    assert done.returncode != 0
    assert "no data set reader" in done.stdout and "Traceback (most" not in done.stdout
    assert nothing_ran(project)
