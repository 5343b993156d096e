"""Pixel AUC against every pixel by itself."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from ssmtl.evaluation.anomaly_map import LEVELS, levels
from ssmtl.evaluation.metrics.pixel import PixelRoc, anomalous_cells, cell_pixels

CASES = 210


def some_clip(rng):
    """A map, masks at the pictures' size, and the side of a cell."""
    cell, shape = int(rng.integers(1, 5)), tuple(rng.integers(3, 14, 2))
    frames = int(rng.integers(1, 5))
    grid = tuple(-(-side // cell) for side in shape)
    steps = rng.choice([1, 4, LEVELS])
    volume = (rng.integers(0, steps + 1, (frames, *grid)) / steps).astype(np.float32)
    volume[rng.random(volume.shape) < 0.4] = 0
    masks = rng.random((frames, *shape)) < rng.choice([0, 0.05, 0.5])
    return volume, masks, cell


def pixels_of(volume, masks, cell, repeats):
    """Score and label of every pixel, each frame as often as it counts."""
    height, width = masks.shape[1:]
    large = volume.repeat(cell, 1).repeat(cell, 2)[:, :height, :width]
    return large.repeat(repeats, 0).ravel(), masks.repeat(repeats, 0).ravel()


def area_slowly(score, label):
    """The ROC, threshold by threshold."""
    if label.all() or not label.any():
        return None
    total, before = 0.0, (0.0, 0.0)
    for threshold in sorted(set(score.tolist()), reverse=True):
        above = score >= threshold
        point = (above[~label].mean(), above[label].mean())
        total += (point[0] - before[0]) * (point[1] + before[1]) / 2
        before = point
    return total


def add(roc, volume, masks, cell, repeats):
    frame, row, column, count = anomalous_cells(masks, cell)
    index = np.ravel_multi_index((frame, row, column), volume.shape)
    roc.add(volume, repeats, cell_pixels(masks.shape[1:], cell), (index, count * repeats[frame]))


@pytest.mark.parametrize("start", range(0, CASES, 35))
def test_it_is_that_of_all_pixels(start):
    known = 0
    for seed in range(start, start + 35):
        rng = np.random.default_rng(seed)
        roc, scores, labels = PixelRoc(), [], []
        for _ in range(rng.integers(1, 3)):
            volume, masks, cell = some_clip(rng)
            repeats = rng.integers(1, 4, len(volume))
            add(roc, volume, masks, cell, repeats)
            score, label = pixels_of(volume, masks, cell, repeats)
            scores.append(score)
            labels.append(label)
        expected = area_slowly(np.concatenate(scores), np.concatenate(labels))
        known += expected is not None
        assert roc.auc() == (None if expected is None else pytest.approx(expected, abs=1e-9)), seed
    assert known > 15


def test_scores_between_the_levels_cost_less_than_a_millionth():
    rng = np.random.default_rng(0)
    masks = rng.random((6, 40, 60)) < 0.2
    volume = (rng.random(masks.shape) * 0.8 + 0.2 * masks).astype(np.float32)
    roc = PixelRoc()
    add(roc, volume, masks, 1, np.ones(6, int))
    assert roc.auc() == pytest.approx(roc_auc_score(masks.ravel(), volume.ravel()), abs=1e-6)


def test_rounding_errors_of_the_filter_put_nothing_in_order():
    """Ground without objects, a little above and below 0, is one score."""
    rng = np.random.default_rng(1)
    masks = np.zeros((1, 20, 20), bool)
    masks[0, :10] = True
    noise = np.where(masks, 1e-7, -1e-7).astype(np.float32) * rng.random((1, 20, 20))
    roc = PixelRoc()
    add(roc, noise, masks, 1, np.ones(1, int))
    assert roc.auc() == 0.5
    assert (levels(np.float32([1 + 1e-6, -1e-6])) == [LEVELS, 0]).all()


def test_by_hand():
    """A picture of 3 x 1 in cells of 2: the first cell, 2 pixels, one of them anomalous, scores
    0.5, the second, one normal pixel, 0. The ROC goes through (1/2, 1)."""
    roc = PixelRoc()
    volume, masks = np.float32([[[0.5, 0]]]), np.array([[[True, False, False]]])
    add(roc, volume, masks, 2, np.array([1]))
    assert roc.auc() == pytest.approx(0.75)
    assert cell_pixels((1, 3), 2).tolist() == [[2, 1]]


def test_perfect_and_inverted_maps():
    masks = np.zeros((2, 8, 8), bool)
    masks[:, 2:4, 2:6] = True
    for volume, expected in ((masks, 1), (~masks, 0)):
        roc = PixelRoc()
        add(roc, volume.astype(np.float32), masks, 1, np.ones(2, int))
        assert roc.auc() == expected


def test_one_class_has_no_area():
    for masks in (np.zeros((1, 4, 4), bool), np.ones((1, 4, 4), bool)):
        roc = PixelRoc()
        add(roc, np.full((1, 4, 4), 0.3, np.float32), masks, 1, np.ones(1, int))
        assert roc.auc() is None
    assert PixelRoc().auc() is None
