"""Boxes x1 y1 x2 y2 along the last axis, of NumPy arrays and torch tensors alike.

The other axes are broadcast: `iou(box[:, None], box[None])` compares all pairs of (N, 4).
"""

import numpy as np


def area(box):
    """The area of boxes (..., 4), (...)."""
    return (box[..., 2] - box[..., 0]) * (box[..., 3] - box[..., 1])


def intersection(first, second):
    """The area that boxes (..., 4) share, (...); 0 where they do not touch."""
    if isinstance(first, np.ndarray):
        low, high = np.maximum(first, second), np.minimum(first, second)
    else:
        low, high = first.maximum(second), first.minimum(second)
    width, height = high[..., 2] - low[..., 0], high[..., 3] - low[..., 1]
    return width.clip(min=0) * height.clip(min=0)


def iou(first, second):
    """Intersection over union of boxes (..., 4), (...) in [0, 1]; 0 for empty boxes."""
    shared = intersection(first, second)
    union = area(first) + area(second) - shared
    return shared / union.clip(min=1e-9)
