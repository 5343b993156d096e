"""One undisturbed run of the toy pipeline; every test works on a copy of it."""

import fcntl
import subprocess
import sys

import pytest
import torch
from toy import ONE_THREAD, VIDEOS, WATCHER, Project


@pytest.fixture(scope="session")
def finished(tmp_path_factory, worker_id) -> Project:
    """A toy project with everything built; not to be changed. The workers share one."""
    folder = tmp_path_factory.getbasetemp()
    if worker_id != "master":
        folder = folder.parent
    project, done = Project(folder / "toy/finished"), folder / "toy_is_finished"
    with open(folder / "toy.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            Project.make(project.folder)
            command = [sys.executable, "-m", "snakemake", "--cores", "2", *ONE_THREAD]
            subprocess.run(command, cwd=project.folder, check=True)
            done.touch()
    return project


@pytest.fixture
def project(finished, tmp_path) -> Project:
    """A copy of the finished project."""
    return finished.copied(tmp_path / "project")


@pytest.fixture(scope="session")
def built(finished, tmp_path_factory) -> Project:
    """The finished project with a watcher and the annotated videos; only read."""
    torch.set_num_threads(1)
    project = finished.copied(tmp_path_factory.mktemp("watch") / "project")
    project.build(f"{WATCHER}/watcher.json", VIDEOS)
    return project
