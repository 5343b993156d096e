"""The objects of test clips straight from their frames: neither cubes nor teachers are stored.

Crops, class probabilities and their order are those of the stages `cubes` and `teachers`, made by
the same functions, but they stay on the device until they are scored.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import h5py
import numpy as np
import torch

from ssmtl.cubes import crop, expanded, select
from ssmtl.frames import Frames
from ssmtl.teachers import ClassVectors


def cube_blocks(
    pictures: Iterable[torch.Tensor],
    first: int,
    frame: np.ndarray,
    box: torch.Tensor,
    reach: int,
    size: int,
    block: int,
) -> Iterator[torch.Tensor]:
    """All cubes of a clip in one pass over its pictures, `block` at a time, in the order of rows.

    pictures: uint8 (H, W, 3), those of the frames `first` and on; frame int (N,) ascending; box
    float32 (N, 4) on the pictures' device. Yields uint8 (block, 2 * reach + 1, size, size, 3), the
    last with what is left. Frames outside the clip stay black. Only the cubes whose window holds
    the current frame, and those of an unfinished block, are in memory.
    """
    waiting = torch.zeros(0, 2 * reach + 1, size, size, 3, dtype=torch.uint8, device=box.device)
    done = 0  # waiting[0] is cube number `done`
    for number, picture in enumerate(pictures, first):
        # The objects whose window holds a frame stand next to one another: rows low..high.
        low = int(np.searchsorted(frame, number - reach))
        high = int(np.searchsorted(frame, number + reach, side="right"))
        while low - done >= block:
            yield waiting[:block]
            waiting, done = waiting[block:].clone(), done + block
        if low == len(frame):
            break
        if high - done > len(waiting):
            # Room for as many again, so that this is seldom done.
            more = waiting.new_zeros(2 * (high - done) - len(waiting), *waiting.shape[1:])
            waiting = torch.cat((waiting, more))
        if high > low:
            slot = torch.from_numpy(number - frame[low:high].astype(np.int64) + reach)
            rows = torch.arange(low - done, high - done)
            waiting[rows.to(box.device), slot.to(box.device)] = crop(picture, box[low:high], size)
    left = len(frame) - done
    yield from waiting[:left].split(block)


@dataclass(frozen=True)
class Objects:
    """The detections of a clip that are scored."""

    frame: np.ndarray  # int (N,) ascending
    box: np.ndarray  # float32 (N, 4) in pixels
    class_probs: np.ndarray  # float32 (N, C); C is 0 for imported boxes

    @classmethod
    def of(cls, group: h5py.Group, settings: dict) -> "Objects":
        """Of a clip in `detections.h5`, by the settings of the cubes."""
        rows = select(group, "test", settings, 0)
        return cls(*(group[name][:][rows] for name in ("frame", "box", "class_probs")))


def batches(
    frames: Frames, objects: Objects, detector, cubes: dict, teachers: dict, batch: int, where
) -> Iterator[tuple[torch.Tensor, dict]]:
    """Cubes uint8 (batch, 2t + 1, S, S, 3) on the device, and their `class_probs` (batch, C).

    detector: of the class probabilities, None where the detections have them; cubes, teachers: the
    settings of these stages.
    """
    frame, radius = objects.frame, cubes["radius"]
    if not len(frame):
        return
    area = expanded(objects.box, cubes["scale"], frames.width, frames.height)
    first = max(0, int(frame[0]) - radius)
    vectors = None
    if detector is not None:
        box = torch.from_numpy(objects.box).to(where)
        vectors = ClassVectors(detector, frame, box, teachers)

    def pictures() -> Iterator[torch.Tensor]:
        for number, picture in enumerate(frames.decoded(first), first):
            picture = torch.from_numpy(picture).to(where)
            if vectors:
                vectors.see(number, picture)
            yield picture

    area, done = torch.from_numpy(area).to(where), 0
    for block in cube_blocks(pictures(), first, frame, area, radius, cubes["size"], batch):
        stop = done + len(block)
        probs = vectors.take(len(block)) if vectors else objects.class_probs[done:stop]
        yield block, {"class_probs": probs}
        done = stop
