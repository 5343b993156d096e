"""Text is text: clips whose names look like numbers or missing values go through every stage."""

import csv
import json

import h5py
import numpy as np
import pandas as pd
import pytest
from footage import Pipeline, boxes_of, run, write_boxes, write_folder

from ssmtl.formats import watcher
from ssmtl.formats.explained import read_explained
from ssmtl.formats.frame_scores import read_frame_scores
from ssmtl.formats.manifest import read_manifest
from ssmtl.formats.videos import read_about

TRAIN = ["None", "1e5"]
TEST = ["NA", "nan", "01", "True", "=1+1"]
FRAMES = 12


@pytest.fixture(scope="module")
def named(tmp_path_factory, one_thread):
    root, results = tmp_path_factory.mktemp("named"), tmp_path_factory.mktemp("results")
    for split, names in (("train", TRAIN), ("test", TEST)):
        for name in names:
            write_folder(root / split / name, name, FRAMES)
        write_boxes(root / f"{split}.csv", dict.fromkeys(names, FRAMES))
    lines = ["clip,first,last,kind", "NA,2,5,null", "nan,,,", "01,0,3,1e5", "True,,,"]
    lines.append("=1+1,0,3,@SUM(A1)")
    (root / "labels.csv").write_text("\n".join(lines) + "\n")
    made = Pipeline(root, results)
    made.make_manifest("--test-shards", 1)
    for split in ("train", "test"):
        made.make_frames(split)
        made.make_detections(split)
        made.make_cubes(split)
        made.make_teachers(split)
    made.make_model()
    made.make_calibration()
    made.make_scores()
    where = ("--manifest", made.manifest, "--dataset", "tiny", "--scores", made.scores()[0])
    run("evaluate", *made.metrics, *where)
    return made


def test_tables_keep_the_names(named):
    assert read_manifest(named.manifest)["clip"].tolist() == sorted(TRAIN) + sorted(TEST)
    table = read_frame_scores(named.metrics[1])
    assert list(dict.fromkeys(table["clip"])) == sorted(TEST)
    assert set(table["kind"]) == {"", "null", "1e5", "@SUM(A1)"}
    metrics = json.loads(named.metrics[0].read_text())
    assert set(metrics["clips"]) == set(TEST)
    assert set(metrics["kinds"]) == {"null", "1e5", "@SUM(A1)"}
    with h5py.File(named.scores()[0]) as scores:
        assert set(scores) == set(TEST)
        assert all(len(scores[name]["frame"]) > 0 for name in TEST)


def test_no_spreadsheet_runs_a_cell(named):
    for path in (named.manifest, named.metrics[1]):
        cells = {cell for row in csv.reader(path.open()) for cell in row}
        assert "'=1+1" in cells and not [cell for cell in cells if cell[:1] in ("=", "+", "@")]


def test_videos_and_pages_keep_the_names(named, tmp_path):
    calibration, frames = named.model / "calibration.h5", named.path("frames", "test")
    where = ("--frames", frames, "--scores", named.scores()[0], "--table", named.metrics[1])
    videos = tmp_path / "films"
    run("videos", videos, *where, "--calibration", calibration)
    own = json.loads(named.metrics[0].read_text())
    assert read_about(videos) == (own["model"], own["seed"])
    assert {path.stem for path in videos.glob("*.mp4")} == set(TEST)
    files = sum(
        (
            (f"--{kind}", named.path(kind, "train"), named.path(kind, "test"))
            for kind in ("frames", "detections", "cubes", "teachers")
        ),
        (),
    )
    test = [(f"--{kind}", named.path(kind, "test")) for kind in ("detections", "cubes", "teachers")]
    where += ("--model", named.weights, *sum(test, ()))
    run("explain", named.model / "explained.h5", *where, *named.cubes)
    with read_explained(named.model / "explained.h5") as file:
        assert set(file) <= set(TEST) and len(file)
    page, where = tmp_path / "report.html", ("--manifest", named.manifest, "--runs", named.model)
    run("report", page, "--dataset", "tiny", "--config", "{}", *where, *files, "--videos", videos)
    text = page.read_text()
    for name in TEST:
        assert f">{name}<" in text or f'"{name}"' in text, name


@pytest.mark.parametrize("clip", [*TRAIN, *TEST, "null"])
def test_a_watcher_keeps_the_names(tmp_path, clip):
    scores = pd.DataFrame({"clip": clip, "time": np.arange(4) / 25, "score": 0.5})
    scores.to_csv(tmp_path / watcher.NORMAL, index=False)
    about = {"settings": {stage: {} for stage in watcher.STAGES}}
    about["normal"] = {clip: {"fps": 25.0, "frames": 4}}
    (tmp_path / watcher.CARD).write_text(json.dumps(about))
    found = watcher.read_normal(tmp_path, watcher.read_about(tmp_path))
    assert found["clip"].tolist() == [clip] * 4


def test_boxes_are_of_their_clips(named):
    with h5py.File(named.path("detections", "test")) as file:
        for name in TEST:
            assert len(file[name]["frame"]) == sum(len(boxes_of(name, f)) for f in range(FRAMES))
