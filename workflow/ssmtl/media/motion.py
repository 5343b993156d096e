"""Motion between two frames, which are not the same time apart everywhere.

A phone's video, a camera that drops frames, a stream thinned to a rate that does not divide its
own: what moved further between two frames may only have had longer. So motion is taken per usual
step, that of a model's training objects or of a clip, and at a constant rate it stays as it was
measured, bit for bit.
"""

import numpy as np
import torch
from torch import Tensor

# Seconds that steps of a constant rate differ by: Matroska and others round time stamps to 1 ms.
ROUNDING = 1.1e-3
# Motion is not multiplied by more: pictures that close together have jitter in their time stamps,
# and flow has an error of its own, which would count for as much.
MOST = 5.0


def steps(time: np.ndarray, frame: np.ndarray) -> np.ndarray:
    """Seconds from the frames of objects to those behind them, float32 (N, 1).

    time: of each frame, seconds, float (T,) ascending; frame int (N,), none of them the last.
    """
    return np.diff(time)[frame].astype(np.float32)[:, None]


def factor(step: Tensor, usual: Tensor) -> Tensor:
    """What motion within `step` seconds is multiplied by, to be that within `usual` seconds.

    Any shapes that broadcast. Exactly 1 where the two are the same but for rounding, and where one
    is 0, which is not known; at most MOST. Long steps need no bound, since they make nothing
    larger, and behind a gap `watch` starts anew.
    """
    same = (step - usual).abs() <= ROUNDING
    known = (step > 0) & (usual > 0)
    return torch.where(known & ~same, (usual / step).clamp(max=MOST), 1.0)
