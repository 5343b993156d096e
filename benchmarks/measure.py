"""Measuring: the time of a case in a warm process, its peak memory, and the machine it was on."""

import importlib.metadata
import os
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True)
class Case:
    """One thing to measure.

    run: (folder of the prepared input) -> (items, seconds), in a process of its own.
    kind: `ours`; `limit`, what the machine allows: a rate that no program for the same job passes;
    `rival`, what one would do without this project; `check`, which returns a dict of figures by
    which a rival agrees with us, and raises where it does not; `profile`, which returns the shares
    of what takes our time. All of them run after ours and find what it wrote.
    about: which of a stage's cases of kind `ours` a limit or a rival belongs to.
    """

    kind: str
    about: str
    what: str
    run: Callable


def best(
    work: Callable[[], int], repeats: int = 2, before: Callable = lambda: None
) -> tuple[int, float]:
    """Items and the shortest time of several runs: other programs on the machine only add to it.

    work: returns its number of items; `before` runs before each of them and is not timed.
    """
    times = []
    for _ in range(repeats):
        before()
        start = time.perf_counter()
        items = work()
        synchronize()
        times.append(time.perf_counter() - start)
    return items, min(times)


def gpu():
    """`torch.cuda` where this process uses a GPU. Stages that need no torch do not load it here."""
    torch = sys.modules.get("torch")
    return torch.cuda if torch and torch.cuda.is_available() else None


def synchronize() -> None:
    if gpu():
        gpu().synchronize()


def peak_memory() -> int:
    """Bytes of the most host memory that this process has had.

    The kernel's own mark, not `ru_maxrss`, in which a child starts with its parent's.
    """
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024


def peak_cuda() -> int:
    """Bytes of the most GPU memory that this process's tensors have had; 0 without a GPU."""
    return gpu().max_memory_reserved() if gpu() else 0


def machine() -> dict:
    """What the figures depend on."""
    import torch

    with open("/proc/cpuinfo") as file:
        names = [line.split(":")[1].strip() for line in file if line.startswith("model name")]
    packages = ("torch", "torchvision", "ultralytics", "opencv-python-headless", "av", "h5py")
    return {
        "cpu": names[0] if names else platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in packages},
    }
