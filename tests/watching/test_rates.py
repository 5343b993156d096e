"""A model says its rate: `learn --fps` and `watch` thin alike, and windows in seconds follow it."""

import logging
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from ssmtl.core.errors import InputError
from ssmtl.stages.settings import Detect
from ssmtl.watching import learn, watch
from ssmtl.watching.settings import Scoring, Watch
from ssmtl.watching.sources import Frame, Segment


def test_watch_thins_to_the_rate_of_the_model_and_counts_the_source_s_frames(monkeypatch):
    monkeypatch.setattr(
        watch, "scored_frames", lambda frames, _: ((f.picture, 0.1, 0.2) for f in frames)
    )
    times = np.arange(50) / 25
    frames = (Frame(np.full((2, 2, 3), n, np.uint8), float(t), 9 + t) for n, t in enumerate(times))
    scorer = SimpleNamespace(settings=Scoring.parse({"frames": {"fps": 5}}), radius=3)
    found = list(watch.watched(Segment("gate", 25, frames, first=100), scorer))
    assert [number for number, *_ in found] == list(range(100, 150, 5))
    for number, picture, *_, time, clock in found:
        assert picture[0, 0, 0] == number - 100 and clock == pytest.approx(9 + time)
        assert time == pytest.approx((number - 100) / 25)


@pytest.mark.parametrize(
    ("rate", "sigma", "side"), [(25, 10, 9), (10, 4, 3), (5, 2, 1), (1, 0.4, 1), (100, 40, 37)]
)
def test_windows_in_seconds_are_so_many_frames_at_the_rate(rate, sigma, side):
    made = learn.configuration(Detect.parse({}), None, None, None, 25.0, rate)
    evaluate = made["models"]["own"]["evaluate"]
    assert evaluate["sigma"] == pytest.approx(sigma) and evaluate["filter_size"] == side


def test_radii_may_be_seconds_too_and_frames_stay_frames(tmp_path):
    changes = tmp_path / "changes.yaml"
    changes.write_text(
        "cubes: {radius: 0.4s, max_gap: 0.01s}\nevaluate: {sigma: 7, follow: 0.5s}\n"
    )
    made = learn.configuration(Detect.parse({}), changes, None, 5.0, 25.0, 5.0)
    footage, evaluate = made["datasets"]["footage"], made["models"]["own"]["evaluate"]
    assert footage["cubes"]["radius"] == 2 and footage["cubes"]["max_gap"] == 2
    assert evaluate["sigma"] == 7 and evaluate["follow"] == 2 and footage["frames"] == {"fps": 5.0}
    changes.write_text("evaluate: {sigma: soon}\n")
    with pytest.raises(InputError, match=r"evaluate\.sigma: 'soon' is neither frames nor such as"):
        learn.configuration(Detect.parse({}), changes, None, None, 25.0, 25.0)


def test_learn_says_what_there_is_to_learn_from(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    for clip, count in (("a", 100), ("b", 50), ("c", 50), ("d", 10)):
        (tmp_path / clip).mkdir()
        for number in range(count):
            cv2.imwrite(str(tmp_path / clip / f"{number:03d}.png"), np.zeros((8, 8, 3), np.uint8))
    (tmp_path / "e.mp4").write_bytes(b"no video")
    found = learn.usable(tmp_path, 10.0, 5.0)
    assert [(each.clip.name, each.frames) for each in found] == [
        *(("a", 50), ("b", 25), ("c", 25), ("d", 5)),
    ]
    assert "e.mp4" in caplog.text and "passed over" in caplog.text
    long = [each for each in found if learn.long_enough(each, 7)]
    assert len(long) == 3 and "5 frames are fewer than the 7 of one cube" in caplog.text
    learn.say_footage(tmp_path, long, [long[1].clip], tmp_path / "work")
    assert (
        "0.01 hours in 3 clips, 100 frames used at 5 a second; 1 clips (0.00 hours)" in caplog.text
    )
    assert [each.frames for each in learn.usable(tmp_path, 10.0, None)] == [100, 50, 50, 10]
    with pytest.raises(InputError, match=r"since version 0\.2 it is image_fps"):
        Watch.parse({"fps": 5.0}, "watch")
