"""Every write, rename and new folder of `watch` fails once: a clip or picture may be lost, no line.

Watching goes on to its end, and a later watcher goes on in the same folder.
"""

import csv
import json
import os
import shutil
from functools import partial
from pathlib import Path

import cv2
import pytest
from injector import Outcome, points, run_once, spread, started, traced
from streams import write_lossless
from toy import FRAMES, TEST, WATCHER
from whole import run

from ssmtl.watching.journal import LINES, TABLE

MOST = 12  # calls that fail, unless all do
WORDS = ["watch", "segments", "--model", WATCHER, "--output", "found", "--scores"]
WORDS += ["--threshold", "0.05", "--before", "0.2", "--after", "0.2"]
SEGMENTS = 2
# The files of an event, which may be lost, and what is said then.
FILES = {
    "clip": "no clip of this event",
    "snapshot": "no snapshot of this event",
    "crops": "no crops",
    "middle": "no crops",
}


@pytest.fixture
def place(project, tmp_path) -> Path:
    """A folder with a watcher, and two segments of video to watch, each of which is an event."""
    whole, _ = project
    folder = tmp_path / "place"
    shutil.copytree(whole / WATCHER, folder / WATCHER)
    shutil.copytree(whole / "detector", folder / "detector")
    (folder / "segments").mkdir()
    for clip in TEST[:SEGMENTS]:
        files = sorted((whole / "data/toy/test" / clip).glob("*.png"))
        pictures = [cv2.imread(str(file))[..., ::-1].copy() for file in files]
        write_lossless(folder / "segments" / f"{clip}.mkv", pictures)
    return folder


def lines(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "found" / LINES).read_text().splitlines()]


def told(folder: Path) -> list[dict]:
    """The events of a folder, without their files."""
    return [
        {key: value for key, value in event.items() if key not in FILES} for event in lines(folder)
    ]


def lost(folder: Path) -> int:
    """How many files the events of a folder lack."""
    return sum(event.get(key) is None for event in lines(folder) for key in FILES)


def check(folder: Path, outcome: Outcome, expected: list[dict], what: str) -> bool:
    """What a watcher has left; whether it was refused, which it may be before it begins only."""
    assert "Traceback" not in outcome.said, what
    if outcome.status == 2:
        assert outcome.said.count("error: ") == 1, what
        assert not (folder / "found" / LINES).exists() or lines(folder) == [], what
        return True
    assert outcome.status == 0, what
    assert told(folder) == expected, what
    rows = list(csv.DictReader((folder / "found" / TABLE).open()))
    assert [row["event"] for row in rows] == [str(event["event"]) for event in expected], what
    for event, row in zip(lines(folder), rows, strict=True):
        assert row["clip"] == (event["clip"] or ""), what
        for key, said in FILES.items():
            name = event.get(key)
            assert (folder / "found" / name).is_file() if name else said in outcome.said, what
    assert not [p for p in folder.rglob("*") if ".tmp" in p.name], what
    return False


def test_every_call_of_watch_fails_once(place, tmp_path):
    reference = shutil.copytree(place, tmp_path / "reference")
    status, said, log = traced(partial(run, reference, WORDS), tmp_path)
    assert status == 0, said
    expected = told(reference)
    assert len(expected) >= SEGMENTS and not lost(reference)
    assert f"{SEGMENTS * FRAMES} frames in" in said
    found = points(log, reference)
    chosen = found if os.environ.get("FAULTS") == "all" else spread(found, MOST)
    refused = missing = 0
    for number, point in enumerate(chosen):
        folder = shutil.copytree(place, tmp_path / f"run-{number}")
        outcome = run_once(partial(run, folder, WORDS), tmp_path, point, number)
        what = f"{point} {point.error(number)}: {outcome.status} {outcome.said[-2000:]}"
        if check(folder, outcome, expected, what):
            refused += 1
        else:
            missing += lost(folder)
        status, said = started(partial(run, folder, WORDS), tmp_path)
        assert status == 0, what + said
        before = 0 if outcome.status == 2 else len(expected)
        numbers = [event["event"] for event in lines(folder)]
        assert len(numbers) == before + len(expected), what + said
        assert numbers == sorted(set(numbers)), what + said
        shutil.rmtree(folder)
    print(
        f"watch: {len(chosen)} of {len(found)} calls failed, {refused} refused to begin, "
        f"{missing} files and no line lost"
    )
