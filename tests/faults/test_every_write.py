"""Every write, rename and new folder of every stage fails once, as SQLite tests itself.

Whatever fails, a stage ends with one line and status 2, or has lost nothing; nothing half-written
stands under a final name; and a run without failures then gives the same bytes.
`make test-faults` runs it; FAULTS=all tries every call instead of some from all over.
"""

import hashlib
import os
import shutil
from functools import partial
from pathlib import Path

import pytest
from injector import Point, points, run_once, spread, started, traced
from whole import copied, run

from ssmtl.planning.registry import STAGES

MOST = 4  # calls of a stage that fail, unless all do
HIDDEN = (".parts", ".state")  # what an unfinished stage may keep for the next run
# One program on other files: their rules are those of video.
SAME = {"train_images": "train", "score_images": "score", "seen_images": "images"}
EXTRA = ("use_released",)  # commands of rules that are no stages


def contents(folder: Path) -> dict[str, str]:
    """The hash of every file under a folder."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "lock"
    }


def remove_outputs(folder: Path, words: list[str]) -> None:
    """Takes away the files and folders that a command writes: its arguments without a name."""
    first = next(i for i, word in enumerate(words) if word.startswith("--"))
    for path in (folder / word for word in words[1:first]):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def fits(made: dict[str, str], expected: dict[str, str]) -> bool:
    """Whether every file that has its final name is as it should be."""
    whole = {name: mark for name, mark in made.items() if not set(HIDDEN) & {*Path(name).parts}}
    return whole.items() <= expected.items()


def check(
    point: Point, number: int, folder: Path, words: list[str], expected: dict, scratch: Path
) -> bool:
    """Makes one call of a job fail, and runs it again; whether it was refused."""
    outcome = run_once(partial(run, folder, words), scratch, point, number)
    what = f"{point} {point.error(number)}: {outcome.status} {outcome.said[-2000:]}"
    assert outcome.status in (0, 2), what
    assert "Traceback" not in outcome.said, what
    made = contents(folder)
    assert fits(made, expected), what
    assert not [name for name in made if ".tmp" in name], what
    if outcome.status == 0:
        assert made == expected, what
        return False
    assert outcome.said.count("error: ") == 1, what
    status, said = started(partial(run, folder, words), scratch)
    assert status == 0, said
    assert contents(folder) == expected, what
    return True


def test_every_stage_has_a_command(project):
    assert {SAME.get(rule, rule) for rule in project[1]} == {*STAGES, *EXTRA}


@pytest.mark.parametrize("stage", [*STAGES, *SAME, *EXTRA])
def test_every_call_fails_once(project, tmp_path, stage):
    whole, commands = project
    words = commands[stage]
    inputs, reference = tmp_path / "inputs", tmp_path / "reference"
    remove_outputs(copied(whole, inputs), words)
    shutil.copytree(inputs, reference, symlinks=True)
    status, said, log = traced(partial(run, reference, words), tmp_path)
    assert status == 0, said
    expected = contents(reference)
    assert expected != contents(inputs)
    assert expected.items() <= contents(whole).items(), "a second run gives other bytes"
    found = points(log, reference)
    chosen = found if os.environ.get("FAULTS") == "all" else spread(found, MOST)
    assert chosen
    refused = 0
    for number, point in enumerate(chosen):
        folder = tmp_path / f"run-{number}"
        shutil.copytree(inputs, folder, symlinks=True)
        refused += check(point, number, folder, words, expected, tmp_path)
        shutil.rmtree(folder)
    print(f"{stage}: {len(chosen)} of {len(found)} calls failed, {refused} runs refused")
    assert refused
