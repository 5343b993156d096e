"""What jobs ask a cluster for; Slurm itself is in tests/slurm."""

import os
import re

import pytest
from toy import Project

GB = 10**9


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Project:
    """A project of which nothing is built."""
    return Project.make(tmp_path_factory.mktemp("limits") / "project")


def limits(project: Project, rule: str, target: str, *arguments: str) -> dict[str, int]:
    """The memory in MB and the minutes of the one job of a rule, whose inputs are there."""
    done = project.snakemake("--dry-run", "--allowed-rules", rule, *arguments, "--", target)
    assert done.returncode == 0, done.stdout
    (line,) = re.findall(r"resources: (.*)", done.stdout)
    return {name: int(re.search(rf"\b{name}=(\d+)", line)[1]) for name in ("mem_mb", "runtime")}


@pytest.mark.parametrize("gigabytes", [0, 10])
def test_training_asks_for_memory_and_time_by_the_size_of_its_cubes(project, gigabytes):
    for name, size in (("cubes", gigabytes * GB), ("teachers", 0)):
        path = project.path(f"results/toy/data/train/0/{name}.h5")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        os.truncate(path, size)  # a hole: nothing is written
    found = limits(project, "train", "results/toy/models/tiny/seed0/model.safetensors")
    # Cubes are kept in memory if they fill no more than half of it.
    assert found["mem_mb"] >= 2000 * gigabytes
    assert found == {"mem_mb": 8000 + 2000 * gigabytes, "runtime": 60 + 30 * gigabytes}


def test_a_further_attempt_asks_for_twice_as_much(project):
    target = "results/toy/data/train/0/frames.h5"
    project.path("results/toy/data/train/0").mkdir(parents=True, exist_ok=True)
    project.path("results/toy/data/train/0/clips.csv").touch()
    first, third = (
        limits(project, "frames", target, "--attempt", str(attempt)) for attempt in (1, 3)
    )
    assert third["mem_mb"] == 4 * first["mem_mb"]
    assert third["runtime"] > 3 * first["runtime"]


PROBE = """
configfile: "config.yaml"
include: "rules/common.smk"

rule probe:
    default_target: True
    output: "given"
    resources: gpu=1
    shell: "echo {resources.gpu} > {output}"
"""


def test_a_job_of_a_cluster_keeps_its_gpus_on_a_node_that_has_some(project):
    project.path("Probe").write_text(PROBE)
    module = project.path("workflow/ssmtl/core/machine.py")
    module.write_text(module.read_text() + "\n\ndef has_gpu() -> bool:\n    return True\n")
    # As Snakemake is called within a job.
    remote = ("--mode", "remote", "--set-resources", "probe:gpu=4")
    done = project.snakemake("--snakefile", "Probe", *remote)
    assert done.returncode == 0, done.stdout
    assert project.path("given").read_text() == "4\n"
