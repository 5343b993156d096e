"""What a job may use of a machine."""

import math
import os
import subprocess
import sys

import pytest

from ssmtl.core.machine import memory_limit

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
