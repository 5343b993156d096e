"""What this machine has, found without importing torch."""

import os
from pathlib import Path

DEVICES = ("nvidia[0-9]*", "dxg", "kfd")  # NVIDIA's driver, the same in WSL, and AMD's


def has_gpu() -> bool:
    """Whether the driver of a GPU is at work here, and its GPUs are not hidden."""
    if os.environ.get("CUDA_VISIBLE_DEVICES") == "":
        return False
    return any(any(Path("/dev").glob(name)) for name in DEVICES)
