"""The whole pipeline on the toy data, and the checks that Snakemake's own tools make."""

import json
import subprocess
import sys

import pandas as pd
import pytest
import torch
from toy import FRAMES, ROOT, TEST

RUN = "results/toy/models/tiny/seed0"


def test_everything_is_there(finished):
    report = finished.path("results/toy/report.html").read_text()
    assert "</html>" in report
    metrics = json.loads(finished.path(f"{RUN}/metrics.json").read_text())
    assert metrics["frames"] == FRAMES * len(TEST)
    assert metrics["anomalous_frames"] == (12 - 5 + 1) + (20 - 8 + 1)
    # Two squares in every frame that has a whole cube around it.
    assert FRAMES * len(TEST) < metrics["objects"] <= 2.5 * FRAMES * len(TEST)
    assert set(metrics["kinds"]) == {"running"}
    for values in metrics["regions"].values():
        assert 0 <= values["rbdc"] <= 1 and 0 <= values["tbdc"] <= 1
    assert set(metrics["regions"]) == set(metrics["pixel_auc"]) == set(metrics["columns"])
    assert "RBDC" in report and "A dash" not in report


def test_frame_scores_cover_every_frame(finished):
    table = pd.read_csv(finished.path(f"{RUN}/frame_scores.csv"), dtype={"clip": str})
    expected = [(clip, frame) for clip in TEST for frame in range(FRAMES)]
    assert sorted(zip(table["clip"], table["frame"], strict=True)) == expected
    assert table.drop(columns="kind").notna().all(axis=None)


@pytest.mark.skipif(torch.cuda.device_count() == 1, reason="needs two GPUs or none")
def test_training_by_two_processes(finished, project):
    options = ("--forcerun", "train", "--printshellcmds", "--set-resources", "train:gpu=2")
    assert "nproc_per_node=2" in project.build(f"{RUN}/model.safetensors", *options)
    ours, alone = (pd.read_csv(p.path(f"{RUN}/history.csv")) for p in (project, finished))
    pd.testing.assert_frame_equal(ours, alone, rtol=0.1)
    assert not project.path(f"{RUN}/.state").exists()


def test_scoring_straight_from_the_frames(project):
    before, metrics = project.metrics(), f"{RUN}/metrics.json"
    project.change(True, "datasets", "toy", "from_frames")
    for name in ("cubes", "teachers"):
        for shard in range(2):
            project.path(f"results/toy/data/test/{shard}/{name}.h5").unlink()
    jobs = project.planned(metrics)
    assert {rule for rule, _ in jobs} == {"score_frames", "evaluate"}
    project.build("results/toy/report.html")  # which makes the cubes that it shows
    assert not project.path("results/toy/data/test/0/cubes.h5").exists()
    after = project.metrics()
    assert after["objects"] == before["objects"]
    for column, values in before["scores"]["zero"].items():
        assert after["scores"]["zero"][column] == pytest.approx(values, abs=1e-4)


def tool(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_snakemake_lint():
    done = tool("snakemake", "--lint")
    assert done.returncode == 0, done.stdout


def test_snakefmt():
    done = tool("snakefmt", "--check", "Snakefile", "rules")
    assert done.returncode == 0, done.stdout
