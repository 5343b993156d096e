"""How a command ends: bad input and a bad environment are one line, and only a bug a traceback."""

import contextlib
import errno
import os
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager
from types import FrameType
from typing import TextIO

from ssmtl.core.errors import FULL, InputError, environment

BAD_INPUT = 2
OUT_OF_MEMORY = ("DefaultCPUAllocator", "std::bad_alloc", "Insufficient memory", "start new thread")
LONGEST = 600  # characters of a line
# As a shell gives for a program that a signal ended.
INTERRUPTED, TERMINATED, CLOSED_PIPE = (
    128 + number for number in (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE)
)


@contextmanager
def ending() -> Iterator[None]:
    """Within, whatever is no bug ends the program with a status and at most one line."""
    before = signal.signal(signal.SIGTERM, terminated)
    try:
        yield
        if sys.stdout:
            sys.stdout.flush()
    except BrokenPipeError:
        sys.exit(CLOSED_PIPE)  # whoever read our output has enough, as `head` does
    except KeyboardInterrupt:
        stop("interrupted; what is finished is kept, run it again to go on", INTERRUPTED)
    except Exception as error:
        line = line_of(error)
        if line is None:
            raise
        stop(f"error: {line}", BAD_INPUT)
    finally:
        drain(sys.stdout)
        drain(sys.stderr)
        signal.signal(signal.SIGTERM, before)


def terminated(number: int, frame: FrameType | None) -> None:
    """Ends as an exception does, so that nothing half-written is left behind."""
    sys.exit(TERMINATED)


def stop(line: str, status: int) -> None:
    with contextlib.suppress(OSError):  # where the device is full, the status alone tells
        if sys.stderr:
            print(line, file=sys.stderr)
    sys.exit(status)


def drain(stream: TextIO | None) -> None:
    """Writes what waits. Where that fails nothing is written any more, not even by Python as it
    ends, which would change the status."""
    if stream is None:  # closed from the start
        return
    try:
        stream.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def shortened(line: str) -> str:
    """A line without the middle of what is far too long to be read, as a damaged file's content."""
    return line if len(line) <= LONGEST else f"{line[: LONGEST // 2]} ... {line[-LONGEST // 4 :]}"


def is_out_of_memory(error: Exception) -> bool:
    """Whether the machine's memory is at an end: what Python, torch, OpenCV, C++, the system and a
    pool whose process was killed say then."""
    short = getattr(error, "errno", None) == errno.ENOMEM
    return (
        isinstance(error, MemoryError | BrokenExecutor)
        or short
        or any(words in str(error) for words in OUT_OF_MEMORY)
    )


def line_of(error: Exception) -> str | None:
    """What is said of an error, in one line; None where it is a bug."""
    if isinstance(error, InputError):
        return shortened(" ".join(str(error).split()))
    if is_out_of_memory(error):
        reason = str(error).split("\n")[0].rpartition("DefaultCPUAllocator: ")[2]
        return (
            f"out of memory{f' ({reason})' if reason else ''}; lower the stage's batch, close "
            "other programs, or give the job more memory"
        )
    if isinstance(error, OSError):
        # Standard output has no name, and a full disk is no bug.
        unnamed = "standard output, or a file" if error.errno in FULL else None
        if found := environment(error, error.filename or unnamed):
            return str(found)
    return None
