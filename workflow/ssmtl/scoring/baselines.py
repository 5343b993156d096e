"""The baseline of video: how fast a box moves."""

import numpy as np


def box_speed(frame: np.ndarray, box: np.ndarray) -> np.ndarray:
    """The baseline: how far the nearest box of the frame before is, over the box's height.

    frame int (N,) ascending, box float (N, 4). Returns float32 (N,) in [0, 1), v / (1 + v); 0 where
    the frame before has no box.
    """
    centre, height = (box[:, :2] + box[:, 2:]) / 2, box[:, 3] - box[:, 1]
    speed = np.zeros(len(frame), np.float32)
    numbers, first = np.unique(frame, return_index=True)
    rows = list(map(slice, first, [*first[1:], len(frame)]))
    for place in np.flatnonzero(np.diff(numbers) == 1):
        before, here = rows[place], rows[place + 1]
        distance = np.linalg.norm(centre[here, None] - centre[None, before], axis=-1).min(1)
        speed[here] = distance / np.maximum(height[here], 1)
    return speed / (1 + speed)
