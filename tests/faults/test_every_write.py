"""Every write, rename and new folder of every stage fails once, as SQLite tests itself.

Whatever fails, a stage ends with one line and status 2, or goes on where nothing is lost; nothing
half-written stands under a final name; and a run without failures then gives the same bytes.
`make test-faults` runs it; FAULTS=all tries every call instead of some from all over.
"""

import hashlib
import os
import shutil
from functools import partial
from pathlib import Path

import pytest
from footage import Pipeline, leftovers, write_dataset
from injector import points, run_once, spread, traced

MOST = 12  # calls of a stage that fail, unless all do

STAGES = {
    "manifest": "make_manifest",
    "frames": "make_frames",
    "detect": "make_detections",
    "cubes": "make_cubes",
    "teachers": "make_teachers",
    "train": "make_model",
    "calibrate": "make_calibration",
    "score": "make_scores",
    "evaluate": "make_metrics",
}


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory) -> Pipeline:
    if not shutil.which("strace"):
        demanded = "strace" in os.environ.get("SSMTL_REQUIRE", "").split()
        (pytest.fail if demanded else pytest.skip)("no strace: apt-get install strace")
    root = tmp_path_factory.mktemp("tiny")
    write_dataset(root)
    return Pipeline(root, tmp_path_factory.mktemp("results")).make_all()


def stage(root: Path, results: Path, method: str) -> None:
    """A stage in a process of its own."""
    getattr(Pipeline(root, results), method)()


def contents(folder: Path) -> dict[str, str]:
    """The hash of every file under a folder."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "lock"
    }


def outputs(before: Path, after: Path) -> dict[str, str]:
    """What a run added to or changed in a folder."""
    old = contents(before)
    return {name: digest for name, digest in contents(after).items() if old.get(name) != digest}


@pytest.mark.parametrize("name", STAGES)
def test_every_call_fails_once(pipeline, tmp_path, name, record_property):
    inputs = tmp_path / "inputs"
    shutil.copytree(pipeline.results, inputs)
    remove_outputs(name, Pipeline(pipeline.root, inputs))
    reference, folder = tmp_path / "reference", tmp_path / "folder"
    shutil.copytree(inputs, reference)
    job = partial(stage, pipeline.root, reference, STAGES[name])
    status, said, log = traced(job, tmp_path)
    assert status == 0, said
    expected = outputs(inputs, reference)
    assert expected
    found = points(log, reference)
    chosen = found if os.environ.get("FAULTS") == "all" else spread(found, MOST)
    shutil.copytree(inputs, folder)
    job = partial(stage, pipeline.root, folder, STAGES[name])
    refused = 0
    for number, point in enumerate(chosen):
        outcome = run_once(job, tmp_path, point, number)
        what = f"{point} {point.error(number)}: {outcome.status} {outcome.said}"
        assert outcome.status in (0, 2), what
        assert "Traceback" not in outcome.said, what
        if outcome.status == 2:
            refused += 1
            assert outcome.said.count("error: ") == 1, what
        made = outputs(inputs, folder)
        whole = {key: digest for key, digest in made.items() if ".parts" not in key}
        whole = {key: digest for key, digest in whole.items() if ".state" not in key}
        assert whole.items() <= expected.items(), what
        assert not leftovers(folder), what
    assert refused or not any(point.name in ("pwrite64", "rename") for point in chosen)
    status, said, _ = traced(job, tmp_path)
    assert status == 0, said
    assert outputs(inputs, folder) == expected
    record_property("calls", len(found))
    print(f"{name}: {len(chosen)} of {len(found)} calls failed, {refused} runs refused")


def remove_outputs(name: str, pipeline: Pipeline) -> None:
    """Takes away what a stage makes, so that it has work to do."""
    made = {
        "manifest": [pipeline.manifest],
        "frames": [pipeline.path("frames")],
        "detect": [pipeline.path("detections")],
        "cubes": [pipeline.path("cubes")],
        "teachers": [pipeline.path("teachers")],
        "train": [
            pipeline.weights,
            pipeline.weights.with_suffix(".json"),
            pipeline.model / "history.csv",
        ],
        "calibrate": [pipeline.model / "calibration.h5"],
        "score": pipeline.scores(range(1)),
        "evaluate": list(pipeline.metrics),
    }
    for path in made[name]:
        path.unlink()
