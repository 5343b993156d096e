"""A cluster for the tests, and the toy pipeline of tests/workflow."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from demanded import give_up

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "workflow"))

# What must be there to start a cluster: Debian's slurm-wlm and munge.
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol", "squeue")


def obstacle() -> str | None:
    """Why no cluster can be started here."""
    if missing := [name for name in PROGRAMS if not shutil.which(name)]:
        return f"no {missing[0]}: apt-get install slurm-wlm munge"
    return None if os.geteuid() == 0 else "only root can start munge and Slurm"


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    """A Slurm cluster of one node; the environment is set so that its commands find it."""
    if reason := obstacle():
        give_up("slurm", reason)
    folder = tmp_path_factory.mktemp("cluster")
    script = HERE / "cluster.sh"
    try:
        subprocess.run([script, "start", folder], check=True)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SLURM_CONF", str(folder / "slurm.conf"))
            patch.setenv("PATH", f"{folder / 'bin'}:{os.environ['PATH']}")
            yield
    finally:
        subprocess.run([script, "stop", folder], check=True)
