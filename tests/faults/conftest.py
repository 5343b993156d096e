"""A finished project in which every stage has run, on the toy data of tests/workflow."""

import fcntl
import json
import shutil
import sys
from pathlib import Path

import pytest
from demanded import give_up

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow"))

from whole import make


@pytest.fixture(scope="session")
def project(tmp_path_factory, worker_id) -> tuple[Path, dict[str, list[str]]]:
    """A finished project, and the last command of every rule; the workers share one."""
    if not shutil.which("strace"):
        give_up("strace", "no strace: apt-get install strace")
    folder = tmp_path_factory.getbasetemp()
    folder = folder if worker_id == "master" else folder.parent
    done = folder / "faults_jobs.json"
    with open(folder / "faults.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            done.write_text(json.dumps(make(folder / "whole")))
    return folder / "whole", dict(json.loads(done.read_text()))
