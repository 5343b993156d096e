"""The whole pipeline on the toy data, and the checks that Snakemake's own tools make."""

import json
import subprocess
import sys

import pandas as pd
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


def test_frame_scores_cover_every_frame(finished):
    table = pd.read_csv(finished.path(f"{RUN}/frame_scores.csv"), dtype={"clip": str})
    expected = [(clip, frame) for clip in TEST for frame in range(FRAMES)]
    assert sorted(zip(table["clip"], table["frame"], strict=True)) == expected
    assert table.drop(columns="kind").notna().all(axis=None)


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
