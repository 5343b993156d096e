"""The baseline of video: how fast a box moves."""

import numpy as np
import torch

from ssmtl.media import motion


def box_speed(frame: np.ndarray, box: np.ndarray, time: np.ndarray) -> np.ndarray:
    """The baseline: how far the nearest box of the frame before is, over the box's height.

    Per step that is usual in the clip, its median. frame int (N,) ascending, box float (N, 4), time
    float (T,) the seconds of all frames. Returns float32 (N,) in [0, 1), v / (1 + v); 0 where
    the frame before has no box.
    """
    centre, height = (box[:, :2] + box[:, 2:]) / 2, box[:, 3] - box[:, 1]
    speed = np.zeros(len(frame), np.float32)
    step = torch.from_numpy(np.diff(time)).float()
    factor = motion.factor(step, step.median()).numpy()
    numbers, first = np.unique(frame, return_index=True)
    rows = list(map(slice, first, [*first[1:], len(frame)]))
    for place in np.flatnonzero(np.diff(numbers) == 1):
        before, here = rows[place], rows[place + 1]
        distance = np.linalg.norm(centre[here, None] - centre[None, before], axis=-1).min(1)
        speed[here] = distance * factor[numbers[place]] / np.maximum(height[here], 1)
    return speed / (1 + speed)
