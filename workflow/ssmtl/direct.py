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
    crops: Iterable[torch.Tensor], first: int, frame: np.ndarray, reach: int, block: int
) -> Iterator[torch.Tensor]:
    """All cubes of a clip in one pass over its frames, `block` at a time, in the order of rows.

    crops: of the frames `first` and on, uint8 (n, S, S, 3), for the n objects whose window holds
    that frame; frame int (N,) ascending. Yields uint8 (block, 2 * reach + 1, S, S, 3), the last
    with what is left. Frames outside the clip stay black. Only the cubes whose window holds the
    current frame, and those of an unfinished block, are in memory.
    """
    waiting, done = None, 0  # waiting[0] is cube number `done`
    for number, found in enumerate(crops, first):
        if waiting is None:
            waiting = found.new_zeros(0, 2 * reach + 1, *found.shape[1:])
        low, high = members(frame, number, reach)
        while low - done >= block:
            yield waiting[:block]
            waiting, done = waiting[block:].clone(), done + block
        if high - done > len(waiting):
            # Room for as many again, so that this is seldom done.
            more = waiting.new_zeros(2 * (high - done) - len(waiting), *waiting.shape[1:])
            waiting = torch.cat((waiting, more))
        slot = torch.from_numpy(number - frame[low:high].astype(np.int64) + reach)
        rows = torch.arange(low - done, high - done)
        waiting[rows.to(found.device), slot.to(found.device)] = found
    if waiting is not None:
        yield from waiting[: len(frame) - done].split(block)


def members(frame: np.ndarray, number: int, reach: int) -> tuple[int, int]:
    """The rows low..high of the objects whose window holds a frame: they are neighbours."""
    low = np.searchsorted(frame, number - reach)
    return int(low), int(np.searchsorted(frame, number + reach, side="right"))


@dataclass(frozen=True)
class Objects:
    """The detections of a clip that are scored."""

    frame: np.ndarray  # int (N,) ascending
    box: np.ndarray  # float32 (N, 4) in pixels
    class_probs: np.ndarray  # float32 (N, C); C is 0 for imported boxes

    @classmethod
    def of(cls, group: h5py.Group, settings: dict) -> "Objects":
        """Of a clip in `detections.h5`, by the settings of the cubes."""
        names = ("frame", "box", "class_probs")
        return cls(*(group[name][:] for name in names)).rows(select(group, "test", settings, 0))

    def rows(self, chosen: np.ndarray | slice) -> "Objects":
        return Objects(self.frame[chosen], self.box[chosen], self.class_probs[chosen])


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
    area = torch.from_numpy(area).to(where)
    first, stop = max(0, int(frame[0]) - radius), min(len(frames), int(frame[-1]) + radius + 1)
    vectors = detector and ClassVectors(detector, frame, objects.box, teachers)

    def look(number: int, picture: np.ndarray) -> tuple:
        """What a frame gives: crops of all objects about it, and enlarged ones of its own."""
        low, high = members(frame, number, radius)
        place = torch.from_numpy(picture).to(where)
        return crop(place, area[low:high], cubes["size"]), vectors and vectors.crops(number, place)

    def crops() -> Iterator[torch.Tensor]:
        for found, own in frames.decoded(first, stop, look):
            if vectors:
                vectors.add(own)
            yield found

    done = 0
    for block in cube_blocks(crops(), first, frame, radius, batch):
        rows = slice(done, done + len(block))
        probs = vectors.take(len(block)) if vectors else objects.class_probs[rows]
        yield block, {"class_probs": probs}
        done = rows.stop
