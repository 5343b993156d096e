"""What this machine has, found without importing torch."""

import ctypes
import math
import os
from functools import cache
from pathlib import Path

DEVICES = ("nvidia[0-9]*", "dxg", "kfd")  # NVIDIA's driver, the same in WSL, and AMD's


# What glibc's `mallopt` takes: how much free memory is kept at the end of the heap, and the size
# from which a block comes from the kernel alone.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
KEPT = (1 << 31) - 1


def cores(quota: Path = Path("/sys/fs/cgroup/cpu.max")) -> int:
    """Cores for this process: those that OMP_NUM_THREADS grants, as Snakemake sets it, or all.

    Of all, no more than the quota of the control group, which is how containers get their share.
    """
    granted = os.environ.get("OMP_NUM_THREADS", "")
    if granted.isdigit() and int(granted):
        return int(granted)
    found = len(os.sched_getaffinity(0))
    limit, _, period = quota.read_text().partition(" ") if quota.exists() else ("max", "", "")
    return found if limit == "max" else max(1, min(found, math.ceil(int(limit) / int(period))))


@cache
def keep_memory() -> bool:
    """Lets this process keep the memory of large arrays for the next ones; whether that is so.

    Else glibc gives the memory of every large activation back and asks for it anew, page by page:
    half of the time of some stages on a CPU. Other C libraries have no such call.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    return bool(mallopt(M_MMAP_THRESHOLD, KEPT) and mallopt(M_TRIM_THRESHOLD, KEPT))


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


def with_cache(folder: Path) -> dict[str, str]:
    """The environment for Snakemake, which keeps its cache in `folder` if the home takes none.

    Accounts of services and batch systems often have no home, or one that is read-only.
    """
    given = os.environ.get("XDG_CACHE_HOME")
    try:
        place = Path(given) if given else Path.home() / ".cache"
    except RuntimeError:  # neither HOME nor an entry in the list of users
        place = Path("/nowhere")
    while not place.exists():
        place = place.parent
    if place.is_dir() and place != Path("/") and os.access(place, os.W_OK | os.X_OK):
        return dict(os.environ)
    return {**os.environ, "XDG_CACHE_HOME": str(folder.resolve())}
