"""What a job may use of a machine."""

import math
import os
import shutil
import subprocess
import sys

import pytest

from ssmtl.core import machine
from ssmtl.core.machine import cores, memory_limit

GB = 2**30


@pytest.mark.parametrize(
    ("own", "files", "limit"),
    [
        # Version 2: the tightest of a group and those around it.
        ("0::/slurm/job_7/step_0\n", {"slurm/job_7": 4 * GB, "slurm/job_7/step_0": "max"}, 4 * GB),
        ("0::/slurm/job_7\n", {"slurm": 2 * GB, "slurm/job_7": 4 * GB}, 2 * GB),
        # Version 1, beside other controllers; in a container the path starts outside.
        ("5:devices:/a\n4:memory:/slurm/job_7\n", {"memory/slurm/job_7": 3 * GB}, 3 * GB),
        ("4:memory:/host/of/this\n0::/\n", {"memory": 5 * GB}, 5 * GB),
        ("0::/\n", {}, math.inf),
    ],
)
def test_memory_limit_of_the_control_group(tmp_path, own, files, limit):
    (tmp_path / "own").write_text(own)
    for folder, value in files.items():
        name = "memory.limit_in_bytes" if folder.startswith("memory") else "memory.max"
        place = tmp_path / "cgroup" / folder
        place.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(f"{value}\n")
    assert memory_limit(tmp_path / "cgroup", tmp_path / "own") == limit


def test_ultralytics_leaves_the_number_of_cores_alone():
    code = (
        "from ssmtl.core.machine import cores; before = cores(); "
        "import ssmtl.detection.ultralytics; assert cores() == before"
    )
    environment = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)


@pytest.mark.parametrize(("quota", "expected"), [("max 100000", 2), ("50000 100000", 1)])
def test_cores_of_a_container_are_its_share(tmp_path, monkeypatch, quota, expected):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    (tmp_path / "cpu.max").write_text(f"{quota}\n")
    assert cores(tmp_path / "cpu.max") == expected


FAULTS = """
import resource, sys, numpy as np
from ssmtl.core.machine import keep_memory
assert sys.argv[1] == "plain" or keep_memory()
for _ in range(12): np.ones(1 << 22)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5): np.ones(1 << 22)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def test_the_process_keeps_its_memory_by_itself():
    """Without any variable in its environment; page faults tell memory that was asked for anew."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MALLOC_")}

    def faults(how: str) -> int:
        command = [sys.executable, "-c", FAULTS, how]
        return int(subprocess.run(command, env=environment, capture_output=True, check=True).stdout)

    assert faults("kept") < faults("plain") / 2


# Without its privileges root is a user as any other.
AS_A_USER = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"]


def test_a_home_that_takes_no_cache_is_left_alone(tmp_path):
    """Snakemake itself would end with a traceback about ~/.cache."""
    if os.geteuid() == 0 and not shutil.which("setpriv"):
        pytest.skip("root may write anywhere, and there is no setpriv")
    (tmp_path / "home").mkdir(mode=0o555)
    (tmp_path / "here").mkdir()
    user = AS_A_USER if os.geteuid() == 0 else []
    environment = {k: v for k, v in os.environ.items() if k != "XDG_CACHE_HOME"}
    done = subprocess.run(
        [*user, sys.executable, "-m", "ssmtl", "run", "data/nothing.csv", "-n"],
        env=environment | {"HOME": str(tmp_path / "home")},
        cwd=tmp_path / "here",
        capture_output=True,
        text=True,
    )
    said = done.stdout + done.stderr
    assert done.returncode and "Traceback" not in said and "Permission" not in said, said
    assert "data/nothing.csv" in said, said
    assert (tmp_path / "here/.snakemake/cache").is_dir()


def test_the_cache_lies_where_it_may(tmp_path, monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", "/proc/nowhere")
    monkeypatch.setattr(os, "access", lambda path, mode: "proc" not in str(path))
    assert machine.with_cache(tmp_path / "c")["XDG_CACHE_HOME"] == str(tmp_path / "c")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert "XDG_CACHE_HOME" not in machine.with_cache(tmp_path / "c")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "own"))
    assert machine.with_cache(tmp_path / "c")["XDG_CACHE_HOME"] == str(tmp_path / "own")
