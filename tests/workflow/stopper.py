"""Stops a process at a known place: just before it renames a file for the n-th time.

A toy project has this file as `workflow/sitecustomize.py`, on the PYTHONPATH of every job: a
`stop_plan` beside it, `<part of a path> <n>`, makes the first job that gets there stop itself.
"""

import os
import signal
import sys
from pathlib import Path


def stop_at(part: str, count: int, done=lambda: None) -> None:
    """SIGSTOP to this process before the `count`-th rename to a path that holds `part`."""
    left = count

    def watch(event, arguments):
        nonlocal left
        if event == "os.rename" and part in os.fspath(arguments[1]):
            left -= 1
            if left == 0:
                done()
                os.kill(os.getpid(), signal.SIGSTOP)

    sys.addaudithook(watch)


plan = Path(__file__).with_name("stop_plan")
if plan.exists():
    words = plan.read_text().split()
    stop_at(words[0], int(words[1]), done=lambda: plan.unlink(missing_ok=True))
