"""Where tensors live, and how a device's limits are reported."""

import fcntl
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import psutil
import torch
from torch import distributed as dist

from ssmtl.core.errors import InputError
from ssmtl.core.machine import cores, keep_memory, memory_limit


def chosen_device() -> torch.device:
    """The GPU if there is one, else the CPU; of several GPUs one that no other process has.

    Whoever asks is about to compute, so the process is made ready for it.
    """
    make_ready()
    if torch.cuda.device_count() > 1 and not dist.is_torchelastic_launched():
        torch.cuda.set_device(own_gpu(torch.cuda.device_count()))
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@cache
def make_ready() -> None:
    """Memory, threads and rounding of this process as computing on a CPU needs them.

    Threads that begin later take over that numbers below 1e-38 count as 0: processors are slow
    with these, and they change no result that is printed.
    """
    keep_memory()
    torch.set_num_threads(cores())
    torch.set_flush_denormal(True)


@cache
def own_gpu(gpus: int) -> int:
    """The number of a GPU that this process has to its end; with all taken, any of them.

    Jobs of one machine see all of its GPUs, unless a batch system gives each its own.
    """
    folder = private_folder()
    for number in range(gpus):
        # Left open on purpose.
        lock = os.open(folder / f"gpu-{number}", os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return number
        except OSError:
            os.close(lock)
    return os.getpid() % gpus


def private_folder() -> Path:
    """This user's folder for locks of the machine, which nobody else can look or write into."""
    path = Path(tempfile.gettempdir(), f"ssmtl-{os.getuid()}")
    path.mkdir(mode=0o700, exist_ok=True)
    state = path.lstat()
    if not stat.S_ISDIR(state.st_mode) or state.st_uid != os.getuid():
        raise InputError(f"{path}: belongs to somebody else; set TMPDIR to a folder of your own")
    path.chmod(0o700)
    return path


def precision(device: torch.device, wanted: str, *, bounded: bool = False) -> str:
    """What networks are computed in: `wanted`, or, for `auto`, the fastest on the device that keeps
    scores within 1e-3 of float32.

    That is bfloat16 on a GPU and on a CPU with instructions for it, else float32. bounded: whether
    all values stay far below 65,504, so that a GPU may take float16, as fast and with three more
    bits.
    """
    if wanted != "auto":
        return wanted
    if device.type == "cuda":
        return "float16" if bounded else "bfloat16"
    # torch has no public question for this; these two are in 2.11 to 2.15.
    has_bfloat16 = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return "bfloat16" if has_bfloat16 else "float32"


def free_memory(device: torch.device) -> int:
    """Bytes free on a device; on the host, those that this process may use."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    used = psutil.Process().memory_info().rss
    return int(min(psutil.virtual_memory().available, memory_limit() - used))


def seed_everything(seed: int) -> None:
    """Seeds torch and asks for deterministic kernels where there are any."""
    torch.manual_seed(seed)
    torch.backends.cudnn.benchmark = False
    torch.use_deterministic_algorithms(True, warn_only=True)
    # Else torch fills all memory that it is given before it is used, a tenth of a step's time.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Within, torch computes in the thread that calls it, so that several may at the same time.

    Threads that begin within keep to that.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def memory_errors(what: str, remedy: str) -> Iterator[None]:
    """Turns an out-of-memory error into an InputError that names a remedy."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise InputError(f"{what}: out of GPU memory; {remedy}") from error
