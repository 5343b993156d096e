"""What this machine has, found without importing torch."""

import math
import os
from pathlib import Path

DEVICES = ("nvidia[0-9]*", "dxg", "kfd")  # NVIDIA's driver, the same in WSL, and AMD's


def cores() -> int:
    """Cores for this process: those that OMP_NUM_THREADS grants, as Snakemake sets it, or all."""
    granted = os.environ.get("OMP_NUM_THREADS", "")
    return int(granted) if granted.isdigit() else len(os.sched_getaffinity(0))


def has_gpu() -> bool:
    """Whether the driver of a GPU is at work here, and its GPUs are not hidden."""
    if os.environ.get("CUDA_VISIBLE_DEVICES") == "":
        return False
    return any(any(Path("/dev").glob(name)) for name in DEVICES)


def memory_limit(
    mounted: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")
) -> float:
    """Bytes that this process may use by its control groups, infinite where they set no limit.

    Slurm, Kubernetes and container engines limit a job so, in version 1 or 2 of control groups;
    what the machine has free says nothing of it.
    """
    limits = [math.inf]
    for line in own.read_text().splitlines() if own.exists() else ():
        _, controllers, path = line.split(":", 2)
        if controllers not in ("", "memory"):
            continue
        root = mounted / controllers / path.lstrip("/")
        name = "memory.limit_in_bytes" if controllers else "memory.max"
        # A limit of a group counts for those in it. In a container a path may start outside.
        for file in (folder / name for folder in (root, *root.parents)):
            if file.exists() and (text := file.read_text().strip()) != "max":
                limits.append(int(text))
    return min(limits)
