"""The readers of all kinds of files between the stages, for those who read several."""

from ssmtl.formats.cubes import read_cubes
from ssmtl.formats.detections import read_detections
from ssmtl.formats.features import read_features
from ssmtl.formats.frames import read_frames
from ssmtl.formats.scores import read_scores
from ssmtl.formats.teachers import read_teachers

READERS = {
    "frames": read_frames,
    "detections": read_detections,
    "cubes": read_cubes,
    "teachers": read_teachers,
    "features": read_features,
    "scores": read_scores,
}
