"""The objects of test clips straight from their frames: neither cubes nor teachers are stored.

Crops, class probabilities and their order are those of the stages `cubes` and `teachers`, made by
the same functions, but they stay on the device until they are scored.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import h5py
import numpy as np
import torch

from ssmtl.formats.frames import Frames
from ssmtl.stages.cubes import crop, cube_blocks, expanded, members, select, span
from ssmtl.stages.teachers import ClassVectors


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
    frames: Frames, objects: Objects, detector, cubes: dict, teachers: dict, batch: int, device
) -> Iterator[tuple[torch.Tensor, dict]]:
    """Cubes uint8 (batch, 2t + 1, S, S, 3) on the device, and their `class_probs` (batch, C).

    detector: of the class probabilities, None where the detections have them; cubes, teachers: the
    settings of these stages.
    """
    frame, radius = objects.frame, cubes["radius"]
    area = expanded(objects.box, cubes["scale"], frames.width, frames.height)
    area = torch.from_numpy(area).to(device)
    first, stop = span(frame, radius, len(frames))
    vectors = detector and ClassVectors(detector, frame, objects.box, teachers)

    def look(number: int, picture: np.ndarray) -> tuple:
        """What a frame gives: crops of all objects about it, and enlarged ones of its own."""
        low, high = members(frame, number, radius)
        place = torch.from_numpy(picture).to(device)
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
        # A GPU's batches are made ahead of their use, when the next is asked for already.
        yield block.clone() if block.is_cuda else block, {"class_probs": probs}
        done = rows.stop
