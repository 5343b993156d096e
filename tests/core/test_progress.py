"""How long stages took, as it is printed."""

import logging
import os

import pytest

from ssmtl.core import progress as progress_module
from ssmtl.core.progress import clock, progress, progress_text, stage_times


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (12.34, "12.3 s"),
        (59.6, "1:00 min"),
        (245, "4:05 min"),
        (3723, "1:02:03 h"),
    ],
)
def test_clock(seconds, text):
    assert clock(seconds) == text


def test_stage_times_are_those_of_this_run(tmp_path):
    folder = tmp_path / "demo/benchmarks"
    folder.mkdir(parents=True)
    times = {"frames_train_0": 2.5, "frames_test_0": 1.5, "train_best_0": 100, "score_best_0_0": 9}
    for name, seconds in times.items():
        (folder / f"{name}.tsv").write_text(f"s\th:m:s\n{seconds}\t0:00:00\n")
    os.utime(folder / "score_best_0_0.tsv", (1000, 1000))  # of an earlier run
    lines = [line.split() for line in stage_times(tmp_path, since=2000).splitlines()]
    assert lines[1:] == [["train", "1", "1:40", "min"], ["frames", "2", "4.0", "s"]]
    assert stage_times(tmp_path / "nothing", since=0) == ""


def test_unreadable_benchmarks_end_nothing(tmp_path):
    folder = tmp_path / "demo/benchmarks"
    folder.mkdir(parents=True)
    (folder / "empty_0.tsv").write_text("")
    (folder / "short_0.tsv").write_text("s\th:m:s\n-\tNA\n\n")
    (folder / "binary_0.tsv").write_bytes(b"\xff\xfe\x00")
    (folder / "folder_0.tsv").mkdir()
    (folder / "lost_0.tsv").symlink_to(tmp_path / "nowhere")
    assert stage_times(tmp_path, since=0) == ""


class Clock:
    """A monotonic clock that a test moves on by itself."""

    def __init__(self):
        self.now = 100.0

    def monotonic(self):
        return self.now


def test_a_slow_first_item_is_waited_for(monkeypatch, caplog):
    time = Clock()
    monkeypatch.setattr(progress_module, "time", time)

    def slow():
        for item in range(3):
            time.now += 60
            yield item

    with caplog.at_level(logging.INFO):
        assert list(progress(slow(), "detect", "clip", total=3)) == [0, 1, 2]
    assert caplog.messages == [
        "detect: 0 of 3",
        "detect: 1 of 3, 240 s left, 120.0 s/clip",
        "detect: 2 of 3, 90 s left, 90.0 s/clip",
    ]


@pytest.mark.parametrize(
    ("done", "total", "seconds", "text"),
    [
        (0, 3, 20, "0 of 3"),
        (0, None, 20, "0"),
        (4, None, 2, "4, 2.0 frame/s"),
        (4, 8, 2, "4 of 8, 2 s left, 2.0 frame/s"),
        (9, 8, 2, "9 of 8, 0 s left, 4.5 frame/s"),  # a container may understate its frames
        (5, 8, 0, "5 of 8"),
    ],
)
def test_progress_text(done, total, seconds, text):
    assert progress_text(done, total, seconds, "frame") == text
