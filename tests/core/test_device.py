"""Which GPU a process takes, and how much memory it may fill."""

import tempfile

import psutil
import pytest
import torch
from forks import context

from ssmtl.core import device
from ssmtl.core.errors import InputError


def take(queue, folder: str, go) -> None:
    """The body of a process that takes one of two GPUs and has it until `go`."""
    tempfile.tempdir = folder
    queue.put(device.own_gpu(2))
    go.wait()


def test_processes_of_one_machine_take_different_gpus(tmp_path):
    queue, go = context.Queue(), context.Event()
    processes = [context.Process(target=take, args=(queue, str(tmp_path), go)) for _ in range(2)]
    for process in processes:
        process.start()
    assert {queue.get(timeout=60), queue.get(timeout=60)} == {0, 1}
    go.set()
    for process in processes:
        process.join()
    later = context.Process(target=take, args=(queue, str(tmp_path), go))
    later.start()
    assert queue.get(timeout=60) == 0
    later.join()


def test_locks_lie_in_a_folder_of_one_s_own(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder = device.private_folder()
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o777)  # by an older version
    assert device.private_folder().stat().st_mode & 0o777 == 0o700
    folder.rmdir()
    folder.symlink_to(tmp_path)
    with pytest.raises(InputError, match="belongs to somebody else"):
        device.private_folder()


@pytest.mark.parametrize("limit", [2**30, float("inf")])
def test_free_memory_is_that_of_the_job_not_of_the_machine(monkeypatch, limit):
    used = psutil.Process().memory_info().rss
    monkeypatch.setattr(device, "memory_limit", lambda: used + limit)
    free = device.free_memory(torch.device("cpu"))
    assert 0.9 * min(limit, psutil.virtual_memory().available) < free <= limit * 1.1


def test_numbers_that_processors_are_slow_with_count_as_zero():
    device.chosen_device()
    assert (torch.tensor([1e-30]) * 1e-9).item() == 0
