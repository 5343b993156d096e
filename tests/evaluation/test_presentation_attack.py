"""Error rates of presentation attack detection, by hand-worked cases."""

import numpy as np
import pytest

from ssmtl.core.errors import InputError
from ssmtl.evaluation.metrics import presentation_attack as pa


def rates(bona_fide, attacks, threshold=None):
    return pa.measures(np.array(bona_fide, float), np.array(attacks, float), threshold)


def test_perfect_classifier():
    found = rates([0.1, 0.2, 0.3], [0.7, 0.8], threshold=0.5)
    assert found == dict.fromkeys(pa.MEASURES, 0.0)


def test_reversed_classifier():
    found = rates([0.7, 0.8], [0.1, 0.2, 0.3], threshold=0.5)
    assert found == dict.fromkeys(pa.MEASURES, 1.0)


def test_all_scores_equal():
    """Nothing can be told apart: the equal error is a half, and at 5 % BPCER all attacks pass."""
    found = rates([0.4] * 8, [0.4] * 3)
    assert found["eer"] == 0.5
    assert found["apcer_at_bpcer5"] == 1.0


def test_eer_at_a_threshold():
    # Between 0.4 and 0.5 one of four bona fide (0.6) is rejected, one of four attacks accepted.
    assert rates([0.1, 0.2, 0.3, 0.6], [0.4, 0.5, 0.7, 0.8])["eer"] == 0.25


def test_eer_between_thresholds():
    # Thresholds and (APCER, BPCER): 0.2 (0, 2/3), 0.3 (1/2, 2/3), 0.5 (1/2, 1/3). From the second
    # to the third BPCER falls through 1/2, which APCER is at.
    assert rates([0.2, 0.5, 0.9], [0.3, 0.95])["eer"] == pytest.approx(1 / 2)
    # 0.2 (0, 1/2), 0.6 (1/3, 0): two lines, 1/3 w = 1/2 (1 - w) at w = 3/5. Both tie at 0.6.
    assert rates([0.2, 0.6], [0.6, 0.7, 0.8])["eer"] == pytest.approx(1 / 5)


def test_five_per_cent_of_bona_fide_may_be_rejected():
    """3 of 60 are 5 % and allowed, though one minus 57/60 is a little more in floating point."""
    bona_fide = np.arange(60) / 100
    assert pa.threshold_at_bpcer(bona_fide) == 0.56
    # Attacks at 0.56 are accepted, those above are not.
    assert pa.apcer_at_bpcer(bona_fide, np.array([0.1, 0.56, 0.565, 0.57])) == 0.5
    assert pa.threshold_at_bpcer(bona_fide[:59]) == 0.56  # 3 of 59 are more than 5 %


def test_few_bona_fide_none_may_be_rejected():
    assert rates([0.1, 0.9], [0.5, 0.9, 0.95])["apcer_at_bpcer5"] == pytest.approx(2 / 3)


def test_a_tie_across_the_limit_is_rejected_whole():
    # Of 20, three share 0.8: one could be rejected, three may not.
    bona_fide = [0.1] * 17 + [0.8] * 3
    assert rates(bona_fide, [0.7, 0.8, 0.9])["apcer_at_bpcer5"] == pytest.approx(2 / 3)


def test_acer_is_at_the_given_threshold():
    found = rates([0.1, 0.2, 0.5, 0.6], [0.3, 0.5, 0.7, 0.8, 0.9], threshold=0.5)
    assert found["apcer"] == pytest.approx(2 / 5)  # a score at the threshold is accepted
    assert found["bpcer"] == pytest.approx(1 / 4)
    assert found["acer"] == pytest.approx((2 / 5 + 1 / 4) / 2)


def test_without_a_threshold_there_is_no_acer():
    found = rates([0.1], [0.2])
    assert np.isnan([found["apcer"], found["bpcer"], found["acer"]]).all()
    assert found["eer"] == 0


def test_by_trying_every_threshold():
    """Against a plain loop over thresholds, on scores with many ties."""
    rng = np.random.default_rng(0)
    for _ in range(50):
        bona_fide = rng.integers(0, 12, rng.integers(1, 30)) / 12
        attacks = rng.integers(4, 16, rng.integers(1, 30)) / 16
        allowed, gaps = [], []
        for threshold in [-1, *sorted({*bona_fide, *attacks})]:
            apcer = sum(score <= threshold for score in attacks) / len(attacks)
            bpcer = sum(score > threshold for score in bona_fide) / len(bona_fide)
            allowed += [apcer] if bpcer <= 0.05 else []
            gaps.append((apcer, bpcer))
        assert pa.apcer_at_bpcer(bona_fide, attacks) == min(allowed)
        eer = pa.equal_error_rate(bona_fide, attacks)
        # Lower than both rates nowhere, and above both nowhere.
        assert all(min(pair) <= eer + 1e-12 and max(pair) >= eer - 1e-12 for pair in gaps)


def test_random_scores():
    rng = np.random.default_rng(1)
    found = rates(rng.random(20_000), rng.random(20_000), threshold=0.95)
    assert found["eer"] == pytest.approx(0.5, abs=0.01)
    assert found["apcer_at_bpcer5"] == pytest.approx(0.95, abs=0.01)
    assert found["acer"] == pytest.approx(0.5, abs=0.01)


def test_one_kind_only():
    with pytest.raises(InputError, match="2 bona fide presentations and 0 attacks"):
        rates([0.1, 0.2], [])
