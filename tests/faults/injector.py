"""Makes one system call of a job fail: the k-th write, rename or folder that it makes.

The job runs in a process forked from one that has its imports behind it, stops itself, and goes on
under strace, which counts its calls in a first run and makes one of them fail in each later one. A
failure comes from the kernel's side, so that it meets HDF5, FFmpeg and Python alike.
"""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil
from forks import context

WRITES = ("write", "pwrite64", "writev", "pwritev", "ftruncate", "fsync")
NAMES = ("rename", "renameat", "renameat2", "mkdir", "mkdirat")
# In turn, so that every kind of call meets every error in the course of a loop.
ERRORS = {"writes": ("ENOSPC", "EIO", "EDQUOT"), "names": ("EACCES", "ENOSPC", "EROFS")}
PATIENCE = 120
CALL = re.compile(r"^(\d+) +(\w+)\((.*)$")


@dataclass(frozen=True)
class Point:
    """The call that fails: the `count`-th of this name in a thread, counted from 1."""

    name: str
    count: int

    def error(self, number: int) -> str:
        kind = "writes" if self.name in WRITES else "names"
        return ERRORS[kind][number % len(ERRORS[kind])]


@dataclass(frozen=True)
class Outcome:
    status: int | None
    said: str
    injected: bool


def child(job: Callable[[], None], said: Path) -> None:
    """Runs a job once it is continued; what it says goes to a file."""
    descriptor = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
    os.kill(os.getpid(), signal.SIGSTOP)
    job()


def traced(job: Callable[[], None], folder: Path, *options: str) -> tuple[int | None, str, str]:
    """Runs a job under strace: its exit code, what it said, and strace's log."""
    said, log = folder / "said", folder / "strace"
    process = context.Process(target=child, args=(job, said))
    process.start()
    wait_for(lambda: psutil.Process(process.pid).status() == psutil.STATUS_STOPPED)
    calls = ",".join((*WRITES, *NAMES))
    command = ["strace", "-f", "-y", "-o", str(log), "-e", f"trace={calls}", *options]
    strace = subprocess.Popen([*command, "-p", str(process.pid)], stderr=subprocess.PIPE, text=True)
    assert "attached" in strace.stderr.readline()
    os.kill(process.pid, signal.SIGCONT)
    process.join(PATIENCE)
    if process.exitcode is None:
        process.kill()
        process.join()
        strace.wait()
        return None, said.read_text(), log.read_text()
    strace.wait()
    return process.exitcode, said.read_text(), log.read_text()


def started(job: Callable[[], None], folder: Path) -> tuple[int | None, str]:
    """Runs a job as it is: its exit code and what it said."""
    process = context.Process(target=child, args=(job, folder / "said"))
    process.start()
    wait_for(lambda: psutil.Process(process.pid).status() == psutil.STATUS_STOPPED)
    os.kill(process.pid, signal.SIGCONT)
    process.join(PATIENCE)
    if process.exitcode is None:
        process.kill()
        process.join()
        return None, (folder / "said").read_text()
    return process.exitcode, (folder / "said").read_text()


def wait_for(done: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < end, "a process does not stop"
        time.sleep(0.01)


def points(log: str, folder: Path) -> list[Point]:
    """The calls of a traced run, which is in a folder, that touch it, by the log of the run."""
    counts: dict[tuple[str, str], int] = {}
    found: dict[Point, None] = {}
    for line in log.splitlines():
        if match := CALL.match(line):
            thread, name, arguments = match.groups()
            counts[thread, name] = counts.get((thread, name), 0) + 1
            # Paths that are relative are of the folder.
            here = name in NAMES and arguments.startswith('"') and arguments[1] != "/"
            if here or str(folder) in arguments:
                found[Point(name, counts[thread, name])] = None
    return list(found)


def spread(items: list, most: int) -> list:
    """At most so many items: the first and the last ones, and of the others evenly many."""
    if len(items) <= most:
        return items
    edge = most // 4
    middle = items[edge : len(items) - edge]
    step = len(middle) / (most - 2 * edge)
    return items[:edge] + [middle[int(i * step)] for i in range(most - 2 * edge)] + items[-edge:]


def run_once(job: Callable[[], None], scratch: Path, point: Point, number: int) -> Outcome:
    """Runs a job whose call at `point` fails."""
    inject = f"inject={point.name}:error={point.error(number)}:when={point.count}"
    status, said, log = traced(job, scratch, "-e", inject)
    return Outcome(status, said, "(INJECTED)" in log)
