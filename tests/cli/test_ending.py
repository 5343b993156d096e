"""What is no bug ends with a status and one line at most: no traceback, whatever happens."""

import errno
import multiprocessing
import os
import signal
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import cv2
import numpy as np
import pytest
import torch

from ssmtl.cli.ending import ending
from ssmtl.core.errors import REMEDIES, InputError

PROGRAM = """
import sys, time
from ssmtl.cli.ending import ending
with ending():
    {}
"""


def run(body: str, **options) -> subprocess.Popen:
    """A program that does something within `ending`, and heeds Ctrl-C even where the tests run in
    the background."""
    command = [sys.executable, "-c", PROGRAM.format(body)]
    pipe, heed = subprocess.PIPE, partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    return subprocess.Popen(
        command, stdout=pipe, stderr=pipe, text=True, preexec_fn=heed, **options
    )


def too_much_for_numpy():
    np.zeros(1 << 50)


def too_much_for_torch():
    torch.zeros(1 << 50)


def too_much_for_opencv():
    cv2.copyMakeBorder(np.zeros((9, 9), np.uint8), *[1 << 28] * 4, cv2.BORDER_CONSTANT)


def too_much_for_the_system():
    raise OSError(errno.ENOMEM, "Cannot allocate memory")


def killed_in_a_pool():
    with ProcessPoolExecutor(1, multiprocessing.get_context("fork")) as pool:
        pool.submit(os._exit, 137).result()


@pytest.mark.parametrize(
    ("work", "words"),
    [
        (too_much_for_opencv, "out of memory ("),
        (too_much_for_the_system, "out of memory ([Errno 12] Cannot allocate memory)"),
        (killed_in_a_pool, "out of memory (A process in the process pool was terminated"),
        (too_much_for_numpy, "out of memory (Unable to allocate"),
        (too_much_for_torch, "out of memory (can't allocate memory"),
    ],
)
def test_a_lack_of_memory_is_one_line(capsys, work, words):
    with pytest.raises(SystemExit) as stop, ending():
        work()
    said = capsys.readouterr().err
    assert stop.value.code == 2 and said.count("\n") == 1
    assert said.startswith(f"error: {words}") and "give the job more memory" in said


@pytest.mark.parametrize("number", REMEDIES)
def test_what_the_system_refuses_names_the_thing_and_a_remedy(capsys, number):
    with pytest.raises(SystemExit) as stop, ending():
        raise OSError(number, os.strerror(number), "some/file.h5")
    said = capsys.readouterr().err
    assert stop.value.code == 2
    assert said == f"error: some/file.h5: {REMEDIES[number]}\n"
    assert "truncated" not in said and "delete" not in said


def test_a_bug_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError), ending():
        raise ZeroDivisionError
    with pytest.raises(OSError), ending():  # of what, it does not say
        raise OSError(errno.EACCES, "no")


def test_an_input_error_of_several_lines_is_one(capsys):
    with pytest.raises(SystemExit), ending():
        raise InputError("first\n  second")
    assert capsys.readouterr().err == "error: first second\n"


@pytest.mark.parametrize(
    ("number", "status", "words"),
    [(signal.SIGINT, 130, "interrupted; what is finished is kept"), (signal.SIGTERM, 143, "")],
)
def test_signals_end_without_a_traceback(number, status, words):
    with run("print('ready', flush=True); time.sleep(60)") as program:
        assert program.stdout.readline() == "ready\n"
        program.send_signal(number)
        said = program.communicate(timeout=10)[1]
    assert program.returncode == status
    assert "Traceback" not in said and words in said and said.count("\n") <= 1


ANSWERS = [
    ("pass", 0),
    ("print('line')", 0),
    ("raise InputError('no such thing')", 2),
    ("raise KeyboardInterrupt", 130),
    ("print('line'); raise InputError('no such thing')", 2),
]


@pytest.mark.parametrize(("body", "status"), ANSWERS)
@pytest.mark.parametrize("closed", ["2>/dev/full", "2>&-"])
def test_the_status_needs_no_standard_error(body, status, closed):
    program = PROGRAM.format(f"from ssmtl.core.errors import InputError; {body}")
    command = f'exec "$0" -c "$1" {closed}'
    done = subprocess.run(
        ["sh", "-c", command, sys.executable, program], capture_output=True, text=True, timeout=60
    )
    printed = "line\n" if "print" in body else ""
    assert (done.returncode, done.stdout, done.stderr) == (status, printed, "")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("print('line')", f"error: standard output, or a file: {REMEDIES[errno.ENOSPC]}\n"),
        ("raise InputError('no such thing')", "error: no such thing\n"),
    ],
)
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_standard_output_that_is_full_is_one_line(body, said, unbuffered):
    program = PROGRAM.format(f"from ssmtl.core.errors import InputError; {body}")
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-c", program],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
        )
    assert (done.returncode, done.stderr) == (2, said)


def test_a_closed_pipe_ends_in_silence():
    with run("[print('line') for _ in range(100_000)]") as program:
        program.stdout.readline()
        program.stdout.close()
        said = program.stderr.read()
        program.wait(timeout=10)
    assert said == "" and program.returncode == 141
