"""A run that is killed goes on where it was, and ends as if nothing had happened."""

import contextlib
import json
import os
import re
import shlex
import signal
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import pytest
import stopper
from forks import context
from toy import CONFIG, ONE_THREAD, TRAIN, Project

PATIENCE = 400  # seconds
SHARD = Path("results/toy/data/train/0")
RUN = Path("results/toy/models/tiny/seed0")


@dataclass
class Stage:
    """Where a stage is stopped: one clip, or one state of the training, is finished by then."""

    name: str
    output: Path  # a file, compared with that of an undisturbed run
    log: str
    stop: tuple[str, int]
    resumed: str  # what a rerun says of the work that is done already


STAGES = {
    stage.name: stage
    for stage in (
        Stage(
            "detect",
            SHARD / "detections.h5",
            "detect_train_0",
            ("train/0/.parts/detections.h5/", 2),
            "clip a is finished already",
        ),
        Stage(
            "cubes",
            SHARD / "cubes.h5",
            "cubes_train_0",
            ("train/0/.parts/cubes.h5/", 2),
            "clip a is finished already",
        ),
        Stage(
            "train",
            RUN / "model.safetensors",
            "train_tiny_0",
            (".state/state.pt", 3),
            "resuming at step 4 of",
        ),
    )
}


def wait_for(condition, what: str):
    """What `condition` returns once it is true."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if result := condition():
            return result
        time.sleep(0.02)
    raise AssertionError(f"{what}: not within {PATIENCE} s")


def same_bytes(project: Project, finished: Project, *names: Path) -> None:
    for name in names:
        assert project.path(name).read_bytes() == finished.path(name).read_bytes(), name


def no_leftovers(project: Project) -> None:
    names = {path.name for path in project.path("results").rglob(".*")}
    assert names <= {".snakemake_timestamp"}  # of a folder that is an output


# (a) The stage's process alone is killed; no Snakemake.


def run_stage(folder: Path, arguments: list[str], log: Path, stop: tuple[str, int] | None) -> None:
    """The body of a process: one command of the command line."""
    import torch

    from ssmtl.cli import main

    os.chdir(folder)
    sys.stderr = open(log, "w", buffering=1)  # noqa: SIM115
    torch.set_num_threads(1)
    if stop:
        stopper.stop_at(*stop)
    main(arguments)


def command(project: Project, rule: str, output: Path) -> list[str]:
    """The words that Snakemake would run for a file, after `python -m ssmtl`."""
    text = project.build("--dry-run", "--printshellcmds", "--force", str(output))
    line = re.search(rf"python .*-m ssmtl {rule} (.*) 2>&1", text)[1]
    return [rule, *shlex.split(line)]


# All clips are done, and their file is about to get its name.
AT_THE_END = replace(
    STAGES["detect"], stop=("detections.h5", len(TRAIN) + 1), resumed="clip c is finished already"
)


@pytest.mark.parametrize("stage", [*STAGES.values(), AT_THE_END], ids=[*STAGES, "end"])
def test_stage_killed(stage, project, finished, tmp_path):
    name = stage.name
    arguments = command(project, name, stage.output)
    output = project.path(stage.output)
    output.unlink()
    first = context.Process(
        target=run_stage, args=(project.folder, arguments, tmp_path / "first", stage.stop)
    )
    first.start()
    wait_for(lambda: is_stopped(first.pid), f"{name} stops")
    first.kill()
    first.join()
    assert not output.exists()
    second = context.Process(
        target=run_stage, args=(project.folder, arguments, tmp_path / "second", None)
    )
    second.start()
    second.join(PATIENCE)
    assert second.exitcode == 0
    assert stage.resumed in (tmp_path / "second").read_text()
    same_bytes(project, finished, stage.output)
    no_leftovers(project)


def is_stopped(pid: int) -> bool:
    return psutil.Process(pid).status() == psutil.STATUS_STOPPED


# (b) Snakemake alone is killed, its job goes on; (c) all of its process group is killed.


class Run:
    """A run of Snakemake that is not waited for."""

    def __init__(self, project: Project, stop: tuple[str, int] | None, *arguments: str):
        if stop:
            project.path("workflow/stop_plan").write_text(f"{stop[0]} {stop[1]}")
        self.text = project.output
        self.process = project.start(*arguments, *ONE_THREAD)

    def stopped_job(self) -> psutil.Process:
        """The job that stopped itself, as soon as there is one."""

        def find():
            assert self.process.is_alive(), self.text()
            for process in psutil.Process(self.process.pid).children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess):
                    if process.status() == psutil.STATUS_STOPPED:
                        return process
            return None

        return wait_for(find, "a job stops")

    def kill(self) -> None:
        self.process.kill()
        self.process.join()

    def kill_group(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.join()

    def succeed(self) -> None:
        self.process.join(PATIENCE)
        assert self.process.exitcode == 0, self.text()


def recovered(project: Project, stop: tuple[str, int] | None, *arguments: str) -> Run:
    """The documented way on after a kill: `--unlock`, then `--rerun-incomplete`."""
    project.build("--unlock", *arguments)
    return Run(project, stop, "--rerun-incomplete", *arguments)


def with_stopper(folder: Path, config: dict = CONFIG) -> Project:
    project = Project.make(folder, config)
    project.path("workflow/sitecustomize.py").write_text(Path(stopper.__file__).read_text())
    return project


def log_of(project: Project, stage: Stage) -> str:
    return project.path(f"results/toy/logs/{stage.log}.log").read_text()


def test_snakemake_killed_and_its_jobs_go_on(finished, tmp_path):
    project = with_stopper(tmp_path / "project")
    target = str(RUN / "model.safetensors")
    run = Run(project, ("train/0/clips.csv", 1), target)
    job = run.stopped_job()
    run.kill()
    job.resume()  # it completes a file that Snakemake takes for incomplete
    wait_for(project.path(SHARD / "clips.csv").exists, "the orphan ends")
    run = recovered(project, STAGES["detect"].stop, target)
    for following in (STAGES["cubes"].stop, STAGES["train"].stop, None):
        job = run.stopped_job()
        run.kill()
        run = recovered(project, following, target)
        wait_for(lambda r=run: "another process is working here" in r.text(), "the rerun waits")
        job.resume()
    run.succeed()
    for name in ("detect", "cubes"):
        for clip in TRAIN:
            assert f"clip {clip} is finished already" in log_of(project, STAGES[name])
    assert "trained already" in log_of(project, STAGES["train"])
    same_bytes(project, finished, *(stage.output for stage in STAGES.values()))
    no_leftovers(project)


def test_process_group_killed(finished, tmp_path):
    """Also: a run elsewhere, with other shards of test clips, gives the same numbers."""
    config = json.loads(json.dumps(CONFIG))
    config["datasets"]["toy"]["shards"] = {"test": 1}
    project = with_stopper(tmp_path / "project", config)
    stages = list(STAGES.values())
    target = str(RUN / "metrics.json")
    run = Run(project, stages[0].stop, target)
    for stage, following in zip(stages, [*stages[1:], None], strict=True):
        job = run.stopped_job()
        run.kill_group()
        wait_for(lambda j=job: not j.is_running(), "the job is killed")
        assert not project.path(stage.output).exists()
        run = recovered(project, following and following.stop, target)
    run.succeed()
    for stage in stages:
        assert stage.resumed in log_of(project, stage)
    same_bytes(project, finished, *(stage.output for stage in stages), RUN / "metrics.json")
    no_leftovers(project)
