"""The objects of test clips straight from their frames: neither cubes nor teachers are stored.

Crops, class probabilities and their order are those of the stages `cubes` and `teachers`, made by
the same functions, but they stay on the device until they are scored.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import h5py
import numpy as np
import torch

from ssmtl.detection import Detector
from ssmtl.formats.frames import Frames
from ssmtl.media import blocks, motion
from ssmtl.networks import Network
from ssmtl.stages.cubes import expanded, select
from ssmtl.stages.features import seen_features
from ssmtl.stages.settings import Cubes, Features, Teachers
from ssmtl.stages.teachers import seen_probabilities


@dataclass(frozen=True)
class Stages:
    """The settings of the stages that are left out."""

    cubes: Cubes
    teachers: Teachers
    features: Features

    @classmethod
    def of(cls, sections: dict[str, dict]) -> "Stages":
        """Of the sections of a configuration; one that is not given has its defaults."""
        return cls(
            Cubes.parse(sections.get("cubes", {})),
            Teachers.parse(sections.get("teachers", {})),
            Features.parse(sections.get("features", {})),
        )


@dataclass(frozen=True)
class Objects:
    """The detections of a clip that are scored."""

    frame: np.ndarray  # int (N,) ascending
    box: np.ndarray  # float32 (N, 4) in pixels
    class_probs: np.ndarray  # float32 (N, C); C is 0 for imported boxes

    @classmethod
    def of(cls, group: h5py.Group, settings: Cubes) -> "Objects":
        """Of a clip in `detections.h5`, by the settings of the cubes."""
        names = ("frame", "box", "class_probs")
        return cls(*(group[name][:] for name in names)).rows(select(group, "test", settings, 0))

    def rows(self, chosen: np.ndarray | slice) -> "Objects":
        return Objects(self.frame[chosen], self.box[chosen], self.class_probs[chosen])


@dataclass(frozen=True)
class Seen:
    """What looks at the objects beside their cubes.

    detector: of the class probabilities, None where the detections have them; network: of the
    embedding, None where no task needs it; measured: the rows of features.h5 that tasks need.
    """

    detector: Detector | None
    network: Network | None
    measured: list[str]


def batches(
    frames: Frames, objects: Objects, seen: Seen, settings: Stages, batch: int, device
) -> Iterator[tuple[torch.Tensor, dict]]:
    """Cubes uint8 (batch, 2t + 1, S, S, 3) on the device, and the rows beside them.

    Those are `class_probs` (batch, C) and what is measured, float32 (batch, D); settings: of the
    stages cubes, teachers and features. The last batch of a block of frames has what is left.
    """
    cubes = settings.cubes
    frame, radius, size = objects.frame, cubes.radius, cubes.size
    area = expanded(objects.box, cubes.scale, frames.width, frames.height)
    place = blocks.span(frame, radius, len(frames))
    most = blocks.at_once(radius, size, device)
    pictures, step = frames.decoded(*place), motion.steps(frames.time, frame)
    for part in blocks.ready(pictures, frame, radius, place, device, most):
        rows = part.rows
        made = part.window.cubes(frame[rows], area[rows], radius, size)
        here = part.window, frame[rows], objects.box[rows]
        if seen.detector is None:
            beside = {"class_probs": objects.class_probs[rows]}
        else:
            probs = seen_probabilities(seen.detector, *here, settings.teachers)
            beside = {"class_probs": probs}
        if seen.measured:
            how = step[rows], settings.features
            beside |= seen_features(seen.measured, seen.network, *here, *how)
        for start in range(0, len(made), batch):
            some = slice(start, start + batch)
            yield made[some], {name: values[some] for name, values in beside.items()}
