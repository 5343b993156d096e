"""Commands in a process of their own, each under a limit of the system that must not touch ours."""

import json
import subprocess
import sys
from collections.abc import Sequence

PROGRAM = """
import contextlib, io, json, logging, sys

sys.dont_write_bytecode = True
from ssmtl import cli

{limited}

logging.disable()
answers = []
for limit, arguments in json.load(sys.stdin):
    said, status = io.StringIO(), 0
    with contextlib.redirect_stderr(said), limited(limit):
        try:
            cli.main(arguments)
        except SystemExit as stop:
            status = stop.code
        except Exception as error:
            status = repr(error)
    answers.append((status, said.getvalue()))
print(json.dumps(answers))
"""


def run_apart(
    limited: str, jobs: Sequence[tuple[object, Sequence]], prefix: Sequence[str] = ()
) -> list[tuple[int | str, str]]:
    """What each job ended with, a status or else an exception's text, and said on standard error.

    limited: source of a context manager `limited(limit)`, and what it needs; jobs: a limit and the
    arguments of a command each; prefix: of the process's own command.
    """
    words = [(limit, [str(word) for word in arguments]) for limit, arguments in jobs]
    done = subprocess.run(
        [*prefix, sys.executable, "-B", "-W", "ignore", "-c", PROGRAM.format(limited=limited)],
        input=json.dumps(words),
        capture_output=True,
        text=True,
        check=False,
    )
    # Nothing from HDF5 either, at the failures or when the interpreter ends.
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout.splitlines()[-1])
