"""How long stages took, as it is printed."""

import os

import pytest

from ssmtl.progress import clock, stage_times


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
