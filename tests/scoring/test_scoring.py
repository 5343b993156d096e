"""Fusion of task scores, calibration and the box-speed baseline."""

import numpy as np
import pytest

from ssmtl.scoring import fusion
from ssmtl.scoring import stage as scoring

LEVELS = fusion.QUANTILES


def test_mean_is_the_plain_mean():
    found = fusion.combine({"a": np.array([0.2, 1.0]), "b": np.array([0.4, 0.0])}, "mean")
    np.testing.assert_allclose(found, [0.3, 0.5], atol=1e-7)


def test_summed_weighs_a_task_by_its_views():
    """As if the probabilities of its transformations were summed: rotation has 4 parts of 13."""
    rng = np.random.default_rng(0)
    counts = {"vertical": 3, "horizontal": 3, "rotation": 4, "jigsaw": 3}
    true = {name: rng.random((5, count)) for name, count in counts.items()}  # probabilities
    scores = {name: 1 - found.mean(1) for name, found in true.items()}
    expected = 1 - np.sum([found.sum(1) for found in true.values()], axis=0) / 13
    found = fusion.combine(scores, "summed", fusion.Calibration({}, counts=counts))
    np.testing.assert_allclose(found, expected, atol=1e-6)
    shares = fusion.contributions(dict.fromkeys(counts, np.ones(1)), "summed",
                                  fusion.Calibration({}, counts=counts))  # fmt: skip
    assert shares["rotation"] == pytest.approx(4 / 13)
    np.testing.assert_allclose(
        fusion.combine(scores, "summed"), fusion.combine(scores, "mean"), atol=1e-7
    )


def test_both_plain_scores_are_written_where_they_differ():
    known = fusion.Calibration({}, counts={"rotation": 4, "jigsaw": 3})
    assert scoring.plain_beside("mean", known) == ["summed"]
    assert scoring.plain_beside("summed", known) == ["mean"]
    assert scoring.plain_beside("evidence", known) == []
    assert scoring.plain_beside("mean", fusion.Calibration({}, counts={"a": 3, "b": 3})) == []


def test_calibration_is_the_share_of_normal_objects_below():
    rng = np.random.default_rng(0)
    normal = rng.beta(1, 20, 5000)
    quantiles = np.quantile(normal, np.linspace(0, 1, LEVELS))
    values = rng.uniform(0, normal.max(), 200)
    share = (normal[None] < values[:, None]).mean(1)
    np.testing.assert_allclose(fusion.calibrated(values, quantiles), share, atol=2e-3)


def test_beyond_the_normal_scores_the_order_is_kept():
    quantiles = np.linspace(0.1, 0.3, LEVELS)
    found = fusion.calibrated(np.array([0.0, 0.3, 0.4, 0.9, 1.0]), quantiles)
    assert found[0] == 0
    assert (np.diff(found) > 0).all()
    assert found[-1] == 1


def test_constant_calibration_scores_do_not_divide_by_zero():
    found = fusion.calibrated(np.array([0.0, 1.0]), np.ones(LEVELS))
    assert np.isfinite(found).all()
    assert ((found >= 0) & (found <= 1)).all()


@pytest.mark.parametrize("rule", ["ecdf", "fisher", "evidence"])
def test_fusion_is_monotone_in_every_task_and_in_range(rule):
    rng = np.random.default_rng(1)
    names = ["a", "b", "c"]
    quantiles = {n: np.sort(rng.random(LEVELS)) ** 3 for n in names}
    calibration = fusion.Calibration(quantiles, {"a": 0.9, "b": 0.2, "c": 0})
    scores = {n: rng.random(300) for n in names}
    before = fusion.combine(scores, rule, calibration)
    assert before.min() >= 0 and before.max() <= 1
    for name in names:
        more = scores | {name: np.minimum(scores[name] + 0.1, 1)}
        assert (fusion.combine(more, rule, calibration) >= before).all()


def test_fisher_is_the_mean_log_tail_probability():
    quantiles = np.linspace(0, 1, LEVELS)
    values = {"a": np.array([0.5]), "b": np.array([0.9])}
    shares = [0.5 * LEVELS / (LEVELS + 1), 0.9 * LEVELS / (LEVELS + 1)]
    expected = np.mean([-np.log(1 - s) for s in shares]) / np.log(LEVELS + 1)
    found = fusion.combine(values, "fisher", fusion.Calibration({"a": quantiles, "b": quantiles}))
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_one_very_unlikely_task_outweighs_three_mild_ones():
    quantiles = np.linspace(0, 0.5, LEVELS)
    calibration = fusion.Calibration(dict.fromkeys("abcd", quantiles))
    scores = {n: np.array([0.30, 0.36]) for n in "abc"} | {"d": np.array([1.0, 0.36])}
    ecdf = fusion.combine(scores, "ecdf", calibration)
    fisher = fusion.combine(scores, "fisher", calibration)
    assert ecdf[0] < ecdf[1]
    assert fisher[0] > fisher[1]


def test_box_speed_by_hand():
    frame = np.array([0, 0, 1, 1, 3])
    box = np.array(
        [[0, 0, 10, 20], [50, 0, 60, 20], [3, 4, 13, 24], [50, 0, 60, 40], [0, 0, 10, 20]], float
    )
    # frame 1: moved by (3, 4) at height 20; centre moved by 10 at height 40; frame 2 is empty
    speed = np.array([0, 0, 5 / 20, 10 / 40, 0])
    even = np.arange(5) / 25
    np.testing.assert_allclose(scoring.box_speed(frame, box, even), speed / (1 + speed), atol=1e-6)


def test_box_speed_at_a_variable_rate():
    """A box of constant speed has one score; at a constant rate, rounded, no bit changes."""
    time = np.array([0, 0.04, 0.08, 0.1, 0.2, 0.24, 0.25])
    frame, left = np.arange(7), 100 * time
    box = np.stack((left, 0 * left, left + 10, 0 * left + 20), 1)
    found = scoring.box_speed(frame, box, time)
    usual = 100 * 0.04 / 20  # heights of the box within the median step
    np.testing.assert_allclose(found[1:], usual / (1 + usual), rtol=1e-5)
    box[:, ::2] = np.random.default_rng(0).random((7, 1)) * 50 + [0, 10]
    rounded = np.round(np.arange(7) / 30, 3)  # 33 and 34 ms
    assert (scoring.box_speed(frame, box, rounded) == scoring.box_speed(frame, box, frame)).all()


def test_tail_is_the_share_of_normal_objects_that_score_as_high():
    normal = np.random.default_rng(2).gamma(1, 0.05, 20_000).clip(0, 1)  # an exponential tail
    quantiles = fusion.quantiles_of(normal)
    values = np.linspace(0, 0.6, 50)
    share = (normal[None] >= values[:, None]).mean(1)
    expected = np.log(share.clip(fusion.LEAST, 1)) / np.log(fusion.LEAST)
    found = fusion.tail(values, quantiles)
    np.testing.assert_allclose(found, expected, atol=0.07)
    assert found[0] == 0 and found[-1] == 1 and (np.diff(found) >= -1e-9).all()


def test_a_task_that_saturates_on_normal_objects_tells_nothing_there():
    """Every fifth normal object has the highest score: a fifth is not unlikely."""
    quantiles = fusion.quantiles_of(np.repeat([0.1, 1.0], [80, 20]))
    found = fusion.tail(np.array([0.1, 1.0]), quantiles)
    np.testing.assert_allclose(found, [0, np.log(0.2) / np.log(fusion.LEAST)], atol=0.01)


def test_evidence_is_a_weighted_quadratic_mean():
    quantiles = dict.fromkeys("ab", np.linspace(0, 1, LEVELS))
    values = {"a": np.array([0.9, 0.5]), "b": np.array([0.5, 0.9])}
    one, other = (fusion.tail(np.array([v]), quantiles["a"])[0] for v in (0.9, 0.5))
    found = fusion.combine(values, "evidence", fusion.Calibration(quantiles, {"a": 3, "b": 1}))
    expected = np.sqrt(np.array([3 * one**2 + other**2, 3 * other**2 + one**2]) / 4)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    without = fusion.combine(values, "evidence", fusion.Calibration(quantiles, {"a": 1, "b": 0}))
    np.testing.assert_allclose(without, fusion.tail(values["a"], quantiles["a"]), rtol=1e-6)
    nothing = fusion.Calibration(quantiles, dict.fromkeys("ab", 0))
    assert np.isfinite(fusion.combine(values, "evidence", nothing)).all()
