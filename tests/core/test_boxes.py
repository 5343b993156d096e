"""Areas and overlaps of boxes, against torchvision's and by hand, in NumPy and in torch."""

import numpy as np
import pytest
import torch
from torchvision.ops import box_iou

from ssmtl.core.boxes import area, intersection, iou


def some_boxes(count: int, seed: int) -> np.ndarray:
    corner = np.random.default_rng(seed).uniform(0, 50, (count, 2, 2))
    return np.concatenate((corner.min(1), corner.max(1)), axis=1)


def test_all_pairs_are_those_of_torchvision():
    first, second = some_boxes(40, 0), some_boxes(30, 1)
    expected = box_iou(torch.from_numpy(first), torch.from_numpy(second)).numpy()
    assert 0 < (expected > 0).mean() < 1
    found = iou(first[:, None], second[None])
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    tensors = iou(torch.from_numpy(first)[:, None], torch.from_numpy(second)[None])
    assert np.array_equal(tensors.numpy(), found)


def test_by_hand():
    box, other = np.array([0.0, 0.0, 4.0, 2.0]), np.array([3.0, 1.0, 5.0, 4.0])
    assert (area(box), area(other), intersection(box, other)) == (8, 6, 1)
    assert iou(box, other) == pytest.approx(1 / 13)


def test_boxes_without_area_overlap_nothing():
    point = np.float32([[3, 3, 3, 3]])
    assert iou(point, point) == iou(point, np.float32([[0, 0, 9, 9]])) == 0
    apart = np.float32([[0, 0, 1, 1], [0, 0, 1, 1]]), np.float32([[2, 2, 3, 3], [2, 0, 3, 1]])
    assert not iou(*apart).any()  # beside each other in both axes, and in one
