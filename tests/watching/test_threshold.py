"""The threshold of events and what it promises."""

import logging

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d
from scipy.special import expit

from ssmtl.datasets.clips import Clip
from ssmtl.watching import threshold
from ssmtl.watching.normal import kept_back
from ssmtl.watching.threshold import NormalClip, choose, count_events, fitted, runs_above

FPS, AFTER = 5, 3.0


def normal(rng, minutes: float, seconds: float) -> list[NormalClip]:
    """Clips of `seconds` with scores that wander fast, slowly, and from clip to clip."""
    clips = []
    for number in range(round(60 * minutes / seconds)):
        noise = rng.standard_normal((2, round(seconds * FPS) + 800))
        fast, slow = (
            gaussian_filter1d(n, s)[400:-400] for n, s in zip(noise, (2, 60), strict=True)
        )
        curve = 2.1 * fast + 8.7 * slow + 0.2 * rng.standard_normal() - 2
        clips.append(NormalClip(str(number), FPS, expit(curve)))
    return clips


def test_runs_over_small_gaps_are_one():
    score = np.array([0, 1, 1, 0, 1, 0, 0, 0, 1], float)
    assert [len(runs_above(score, 0.5, gap)) for gap in (1, 2, 3, 4)] == [3, 2, 2, 1]
    assert runs_above(score, 0.5, 2)[0] == slice(1, 5)
    assert runs_above(np.zeros(5), 0.5, 1) == []


@pytest.mark.parametrize("shape", [0.0, 0.2])
def test_the_tail_of_a_known_distribution_is_found(shape):
    rng = np.random.default_rng(0)
    uniform = rng.random(20000)
    values = -np.log(uniform) if shape == 0 else (uniform**-shape - 1) / shape
    assert fitted(0.7 * values) == pytest.approx((0.7, shape), abs=0.03)
    assert fitted(np.zeros(0)) == (1e-6, 0.0)


def test_normal_video_keeps_the_promise():
    inside, rates = 0, []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        promise = choose(normal(rng, 40, 60), 1.0, AFTER)
        found = count_events(normal(rng, 120, 60), promise.threshold, AFTER)
        low, high = promise.expected(2)
        inside += low <= found / 2 <= high
        rates.append(found / 2)
    assert promise.enough and not promise.ceiling
    assert inside >= 9 and 0.1 < np.mean(rates) < 2


@pytest.mark.parametrize(("minutes", "seconds"), [(0.6, 18), (3, 30)])
def test_little_video_is_on_the_safe_side(minutes, seconds):
    kept = 0
    for seed in range(10):
        rng = np.random.default_rng(seed)
        promise = choose(normal(rng, minutes, seconds), 1.0, AFTER)
        kept += count_events(normal(rng, 120, 60), promise.threshold, AFTER) <= 2
    assert kept >= 9


def test_too_little_video_is_said(caplog):
    promise = choose(normal(np.random.default_rng(9), 3, 30), 1.0, AFTER)
    assert not promise.enough and promise.missing == pytest.approx(27)
    with caplog.at_level(logging.INFO):
        threshold.say(promise)
    assert "TOO LITTLE NORMAL VIDEO: 3 minutes were held out, 27 more are needed" in caplog.text
    assert "1 an hour asked; expect 0.0 to" in caplog.text


def test_fewer_alarms_asked_are_a_higher_threshold():
    clips = normal(np.random.default_rng(1), 30, 60)
    found = [choose(clips, per_hour, AFTER).threshold for per_hour in (0.2, 1, 5, 20)]
    assert found == sorted(found, reverse=True) and len(set(found)) == 4
    assert choose(clips, 1, AFTER).threshold == found[1]  # the same input, the same threshold


def test_what_no_threshold_can_keep_is_said(caplog):
    """Normal objects with the highest score there is, all the time."""
    curve = np.tile([1.0] * 20 + [0.1] * 30, 400)
    promise = choose([NormalClip("a", FPS, curve)], 1.0, AFTER)
    threshold.say(promise)
    assert promise.ceiling and "no threshold keeps 1 false" in caplog.text


@pytest.mark.parametrize(("clips", "count"), [(1, 0), (2, 0), (3, 1), (5, 1), (10, 2), (40, 8)])
def test_some_clips_are_kept_back_from_all_over(clips, count):
    names = [f"{n:02d}" for n in range(clips)]
    found = [clip.name for clip in kept_back([Clip("train", name, name) for name in names[::-1]])]
    assert len(found) == count and len(set(found)) == count
    places = np.array([names.index(name) for name in found])
    if count > 1:
        assert np.ptp(np.diff(places)) <= 1
