"""What `learn` says while the pipeline runs."""

import os
import signal
import subprocess
import sys
import time

import pytest

from ssmtl.planning.volume import Footage
from ssmtl.stages.settings import Detect
from ssmtl.watching import learn, work
from ssmtl.watching.work import Stages

BANNER = """\
Assuming unrestricted shared filesystem usage.
SNAKEMAKE
=========
  Date: 2026-11-27 17:05:57
  Workflow ID: db22bf07-2d8a-4777-a428-a3fa27a92f27
  Snakemake version: 9.27.1
  Config file(s): ['config.yaml']
  Config MD5: 164f5f0d980fcb75b2ef306d93f17ffd
Building DAG of jobs...
Using shell: /usr/bin/bash
Conda environments: ignored
manifest: done in 6.0 s
stage          jobs          time
detect            1      1:32 min
watcher           1        54.5 s
Elapsed time: 0:07:27.331335""".splitlines()
SECONDS = {"frames": 10.0, "detect": 60.0, "train": 30.0, "threshold": 20.0}


@pytest.fixture
def watch(monkeypatch):
    """A clock that is set by hand."""
    now = [0.0]
    monkeypatch.setattr(work.time, "monotonic", lambda: now[0])
    return now


def test_one_time_left_for_all_stages_at_the_pace_of_the_run(watch):
    stages = Stages(SECONDS)
    watch[0] = 20.0  # twice as slow as expected
    assert stages.told("frames: done in 20.0 s") == "stage 1 of 4, frames: done; 3:40 min left"
    watch[0] = 80.0
    line = stages.told("detect (1560 frames): 5 of 10, 60 s left, 0.1 clip/s")
    assert line == "stage 2 of 4, detect: 5 of 10; 2:40 min left"
    watch[0] = 110.0  # and now as fast as expected
    assert stages.told("detect: done in 1:30 min") == "stage 2 of 4, detect: done; 1:19 min left"


def test_what_an_earlier_run_has_done_does_not_make_this_one_fast(watch):
    stages = Stages(SECONDS)
    watch[0] = 15.0
    assert (
        stages.told("train: 100 of 200, 15 s left")
        == "stage 3 of 4, train: 100 of 200; 35.0 s left"
    )


def test_snakemakes_lines_are_hidden_and_warnings_are_not():
    stages = Stages(SECONDS)
    for line in (
        "Select jobs to execute...",
        "Execute 1 jobs...",
        "",
        "Complete log(s): x.log",
        *BANNER,
    ):
        assert stages.told(line) is None
    for line in ("error: a.mp4: not a readable video", "cubes: 3 boxes", "MissingInputException"):
        assert stages.told(line) == line


def test_the_estimate_grows_with_the_video_and_shrinks_with_cores(monkeypatch):
    monkeypatch.setattr(work, "sampled", lambda *_: (0.05, 3.0))
    monkeypatch.setattr(work.volume, "device_and_units", lambda: ("cpu", 2))
    made = learn.configuration(Detect.parse({}), None, None, None, 25.0, 25.0)

    def expected(frames: int, held_out: int = 1000, cores: str = "all"):
        footage = Footage(4, frames, 10**6, 320 * 240, False)
        return work.expected(made, footage, held_out, "a.mp4", 25.0, cores)

    seconds, size = expected(10_000)
    order = ["frames", "detect", "cubes", "teachers", "train", "calibrate", "watcher", "threshold"]
    assert list(seconds) == order and all(value > 0 for value in seconds.values())
    assert seconds["detect"] == pytest.approx(10_000 * 0.05 / 2)
    assert 0.1 < size < 2
    assert expected(20_000)[0]["detect"] == 2 * seconds["detect"]
    assert expected(10_000, cores="1")[0]["detect"] == 2 * seconds["detect"]
    assert expected(10_000, held_out=2000)[0]["threshold"] == 2 * seconds["threshold"]
    # What is learnt from is bounded, so hours more do not train longer.
    assert expected(10**6)[0]["train"] == seconds["train"]


def test_a_pipeline_that_fails_ends(caplog):
    caplog.set_level("INFO")
    stages = Stages(SECONDS)
    command = [sys.executable, "-c", "print('detect: 1 of 2'); print('no such file'); exit(3)"]
    assert work.run(command, dict(os.environ), stages) == 3
    assert "stage 2 of 4, detect: 1 of 2" in caplog.text and "no such file" in caplog.text


@pytest.mark.parametrize("interrupt", [signal.SIG_DFL, signal.SIG_IGN])
def test_a_pipeline_that_is_stopped_ends_its_jobs(tmp_path, interrupt):
    """In the background, where shells let programs ignore Ctrl-C, too."""
    child = "import time, pathlib\ntry:\n print('frames: 1 of 2', flush=True)\n time.sleep(60)\n"
    child += f"finally:\n pathlib.Path({str(tmp_path / 'ended')!r}).touch()"
    program = "import logging, os, signal, sys\nfrom ssmtl.watching import work\n"
    program += "logging.basicConfig(level=20, format='%(message)s')\n"
    program += "signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))\n"
    program += f"stages = work.Stages({SECONDS!r})\n"
    program += f"work.run([sys.executable, '-c', {child!r}], dict(os.environ), stages)"
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, interrupt),
    )
    assert "stage 1 of 4, frames: 1 of 2" in process.stderr.readline()
    start = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(50) == 143 and time.monotonic() - start < 45
    assert (tmp_path / "ended").exists()
    process.stderr.close()
