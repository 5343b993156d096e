"""Frame-level AUC: known answers, worked by hand, and scikit-learn's."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from ssmtl.evaluation.metrics import auc


def by_pairs(labels, scores) -> float:
    """The share of (anomalous, normal) pairs in the right order; equal scores count half."""
    labels, scores = np.asarray(labels, bool), np.asarray(scores)
    difference = scores[labels][:, None] - scores[~labels][None]
    return ((difference > 0) + (difference == 0) / 2).mean()


@pytest.mark.parametrize("seed", range(5))
def test_auc_is_that_of_its_definition_ties_included(seed):
    rng = np.random.default_rng(seed)
    labels = rng.random(200) < 0.3
    scores = rng.integers(0, 12, 200) / 12 + 0.2 * labels
    assert auc.auc(labels, scores) == pytest.approx(by_pairs(labels, scores))
    assert auc.auc(labels, scores) == pytest.approx(roc_auc_score(labels, scores))
    assert auc.auc(labels.astype(int), scores.astype(np.float32)) == pytest.approx(
        by_pairs(labels, scores), abs=1e-6
    )


def test_known_answers():
    assert auc.auc([0, 0, 1, 1], [0.1, 0.2, 0.3, 0.4]) == 1
    assert auc.auc([1, 1, 0, 0], [0.1, 0.2, 0.3, 0.4]) == 0
    assert auc.auc([0, 1, 0, 1], [0.5, 0.5, 0.5, 0.5]) == 0.5
    assert auc.auc([0, 1, 0, 1], [0.1, 0.3, 0.2, 0.15]) == 0.75


@pytest.mark.parametrize("labels", [[0, 0, 0], [1, 1, 1]])
def test_a_single_class_has_no_auc(labels):
    assert auc.auc(labels, [0.1, 0.2, 0.3]) is None


def test_padding_by_hand():
    """Clip 0 1 with scores .6 .4; with (0, 0) and (1, 1): three of the four pairs are right."""
    assert auc.padded(np.array([0, 1]), np.array([0.6, 0.4])) == 0.75
    # All normal: the added 1 scores highest, whatever the others score.
    assert auc.padded(np.array([0, 0, 0]), np.array([0.9, 0.1, 0.5])) == 1
    # All anomalous: the added 0 scores lowest ...
    assert auc.padded(np.array([1, 1]), np.array([0.2, 0.3])) == 1
    # ... or ties with what scores 0: pairs (0, 0) half, (0.3, 0) and (1, 0) right.
    assert auc.padded(np.array([1, 1]), np.array([0.0, 0.3])) == pytest.approx(2.5 / 3)


def test_macro_conventions_by_hand():
    labels = [np.array([0, 1]), np.array([0, 0]), np.array([1, 1]), np.array([0, 1])]
    scores = [
        np.array([0.6, 0.4]),
        np.array([0.9, 0.1]),
        np.array([0.0, 0.3]),
        np.array([0.1, 0.2]),
    ]
    assert auc.macro_strict(labels, scores) == 0.5  # clips 0 and 3: 0 and 1
    assert auc.macro_padded(labels, scores) == pytest.approx((0.75 + 1 + 2.5 / 3 + 1) / 4)
    joined = np.concatenate(labels), np.concatenate(scores)
    assert auc.micro(labels, scores) == pytest.approx(by_pairs(*joined))
    assert auc.micro(labels, scores) == pytest.approx(roc_auc_score(*joined))


def test_macro_weighs_clips_and_micro_weighs_frames():
    rng = np.random.default_rng(3)
    labels = [rng.random(n) < 0.4 for n in (400, 10)]
    scores = [labels[0] + 0.1 * rng.random(400), rng.random(10) - labels[1]]
    assert auc.macro_strict(labels, scores) == pytest.approx(0.5)
    assert auc.micro(labels, scores) > 0.9


def test_no_clip_with_both_classes():
    labels = [np.array([0, 0]), np.array([1, 1])]
    scores = [np.array([0.1, 0.2]), np.array([0.3, 0.4])]
    assert auc.macro_strict(labels, scores) is None
    assert auc.micro(labels, scores) == 1
    assert auc.macro_padded(labels, scores) == 1


def test_clips_and_scores_must_pair_up():
    with pytest.raises(ValueError):
        auc.macro_strict([np.array([0, 1])], [])


def test_normal_added_by_hand():
    labels = [np.array([0, 1]), np.array([0, 0]), np.array([1, 1]), np.array([0, 1])]
    scores = [
        np.array([0.6, 0.4]),  # both classes: as it is, 0
        np.array([0.9, 0.1]),  # no anomalous frame: no AUC, left out
        np.array([0.0, 0.3]),  # no normal frame: one of score 0, which ties with the first, 3/4
        np.array([0.1, 0.2]),  # both classes: 1
    ]
    assert auc.macro_normal_added(labels, scores) == pytest.approx((0 + 0.75 + 1) / 3)
    assert auc.macro_normal_added(labels[1:2], scores[1:2]) is None
    found = auc.frame_metrics(labels, scores)
    assert found["macro_normal_added"] == auc.macro_normal_added(labels, scores)
    assert found["macro_strict"] == auc.macro_strict(labels, scores)


def test_a_test_set_of_one_class_has_no_figure():
    for label in (False, True):
        labels = [np.full(5, label), np.full(3, label)]
        found = auc.frame_metrics(labels, [np.linspace(0, 1, 5), np.linspace(0, 1, 3)])
        assert found and all(value is None for value in found.values())
