"""What this machine has, found without importing torch."""

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
