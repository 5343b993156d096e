"""Scores straight from the frames: those that come through cubes.h5 and teachers.h5."""

import json
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from footage import TEST_SHARDS, X_SHARD, Pipeline, run

from ssmtl.formats.explained import EXPLAINED, read_explained

sys.path.append(str(Path(__file__).parents[1] / "workflow"))
from toy import write_detector

CUBES = ("--cubes-size", Pipeline.cubes[1])


def score_directly(ours: Pipeline, output: Path, shard: int, *options):
    files = [(f"--{s}", ours.path(s, "test", shard)) for s in ("frames", "detections")]
    where = ("--model", ours.weights, "--calibration", ours.model / "calibration.h5")
    run("score-frames", output, *where, *sum(files, ()), *options)


def assert_equal(first: Path, second: Path) -> int:
    """All columns of two files of scores, to 1e-5; returns the number of objects."""
    with h5py.File(first) as a, h5py.File(second) as b:
        assert list(a) == list(b) and a.attrs["columns"] == b.attrs["columns"]
        for clip in a:
            for name in ("frames", "width", "height"):
                assert a[clip].attrs[name] == b[clip].attrs[name]
            for name in a[clip]:
                np.testing.assert_allclose(a[clip][name][:], b[clip][name][:], atol=1e-5, rtol=0)
        return sum(len(group["frame"]) for group in a.values())


@pytest.mark.parametrize("batch", [3, 256])
def test_scores_are_those_of_stored_cubes(done, tmp_path, batch):
    objects = 0
    for shard, stored in enumerate(done.scores()):
        output = tmp_path / f"{shard}.h5"
        score_directly(done, output, shard, *CUBES, "--batch", batch)
        objects += assert_equal(stored, output)
    assert objects > 20


def test_class_probabilities_come_from_the_crops_where_boxes_have_none(copy, tmp_path):
    write_detector(tmp_path / "detector")
    given = {
        "backend": "darknet",
        "weights": str(tmp_path / "detector/toy.weights"),
        "backend-options.cfg": str(tmp_path / "detector/toy.cfg"),
        "names": str(tmp_path / "detector/toy.names"),
        "image_size": 64,
        "resnet": "random",
        "resnet_size": 32,
        "batch": 5,
    }
    options = sum(((f"--{k.replace('_', '-')}", v) for k, v in given.items()), ())
    teachers = (str(word).replace("--", "--teachers-") for word in options)
    for split in ("train", "test"):
        # The boxes alone, without their class vectors.
        table = (copy.root / f"{split}.csv").read_text().splitlines()
        (copy.root / f"{split}.csv").write_text(
            "".join(",".join(line.split(",")[:7]) + "\n" for line in table)
        )
        shard = X_SHARD if split == "test" else 0
        copy.make_detections(split, shard)
        copy.make_cubes(split, shard)
        copy.make_teachers(split, shard, *options)
    copy.make_model()
    copy.make_calibration()
    copy.make_scores(X_SHARD)
    output = tmp_path / "direct.h5"
    score_directly(copy, output, X_SHARD, *CUBES, *teachers, "--batch", 7)
    assert assert_equal(copy.scores()[X_SHARD], output)


def test_objects_are_explained_the_same_both_ways(done, tmp_path):
    files = {
        kind: [done.path(kind, "test", shard) for shard in range(TEST_SHARDS)]
        for kind in ("frames", "detections", "cubes", "teachers")
    }
    where = ("--model", done.weights, "--table", done.metrics[1], "--scores", *done.scores())
    for name, kinds in (("stored", 4), ("made", 2)):
        given = sum(((f"--{kind}", *paths) for kind, paths in list(files.items())[:kinds]), ())
        run("explain", tmp_path / f"{name}.h5", *where, *given, *Pipeline.cubes)
    with (
        read_explained(tmp_path / "stored.h5") as stored,
        read_explained(tmp_path / "made.h5") as made,
    ):
        assert list(stored) == list(made) and stored.attrs["classes"] == made.attrs["classes"]
        objects = 0
        for clip in stored:
            assert set(stored[clip]) == set(made[clip]) == set(EXPLAINED.columns)
            for name in ("row", "cube", "middle_box", "class_probs", "student"):
                ours, theirs = stored[clip][name][:], made[clip][name][:]
                np.testing.assert_allclose(ours.astype(float), theirs, atol=1e-5)
            objects += len(stored[clip]["row"])
    assert objects > 0


FEATURES = {"network": "random", "size": 32, "batch": 5, "flow_size": 64}


def test_tasks_without_training_score_the_same_both_ways(copy, tmp_path):
    """Velocity and appearance, beside a learnt task, through features.h5 and from the frames."""
    options = sum(((f"--{k.replace('_', '-')}", v) for k, v in FEATURES.items()), ())
    copy.make_features("train", 0, *options)
    tasks = ("--tasks", "velocity,arrow_of_time,appearance")
    copy.make_model(*copy.train, *tasks, "--features", copy.path("features"))
    copy.make_calibration("--features", copy.path("features"))
    given = sum(((f"--features-{k.replace('_', '-')}", v) for k, v in FEATURES.items()), ())
    output, objects = tmp_path / "direct.h5", 0
    for shard, stored in enumerate(copy.scores()):
        copy.make_features("test", shard, *options)
        copy.make_scores(shard, "--features", copy.path("features", "test", shard))
        score_directly(copy, output, shard, *CUBES, "--batch", 7, *given)
        objects += assert_equal(stored, output)
    assert objects > 20
    with h5py.File(copy.scores()[X_SHARD]) as file:
        assert json.loads(file.attrs["columns"])[:3] == ["velocity", "arrow_of_time", "appearance"]
        velocity = np.concatenate([group["velocity"][:] for group in file.values()])
        assert len(np.unique(velocity)) > 1


def test_a_model_of_nothing_to_learn(copy, refused):
    """It is fitted, not trained; without what is measured of its objects it says so."""
    only = ("--tasks", "velocity")
    line = refused(copy.make_model, *copy.train, *only)
    assert "velocity need --features, made by `ssmtl features`" in line
    copy.make_features("train", 0, "--network", "random", "--size", 32)
    copy.make_model(*copy.train, *only, "--features", copy.path("features"))
    copy.make_calibration("--features", copy.path("features"))
    line = refused(copy.make_scores, X_SHARD)
    assert "the model has tasks that need --features" in line


def test_other_settings_than_the_models_are_refused(done, tmp_path, refused):
    output = tmp_path / "scores.h5"
    line = refused(
        score_directly, done, output, 0, "--cubes-size", 24, absent=[output], within=tmp_path
    )
    assert "cubes.size 16" in line and "24" in line
    line = refused(score_directly, done, output, 0, "--cubes-sise", 16, absent=[output])
    assert "--cubes-sise" in line and "Did you mean --cubes-size" in line
