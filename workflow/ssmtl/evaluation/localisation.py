"""Where in the picture anomalies are found: gathers over the clips RBDC, TBDC and pixel AUC."""

import logging
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ssmtl.datasets.ground_truth import Tracks, read_masks, read_tracks
from ssmtl.evaluation.metrics.pixel import PixelRoc, anomalous_cells, cell_pixels
from ssmtl.evaluation.metrics.region_track import both_conventions
from ssmtl.formats.labels import NORMAL

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Boxes:
    """A clip's detections, and the regions that they should find."""

    frames: int
    frame: np.ndarray  # int (N,)
    box: np.ndarray  # (N, 4) x1 y1 x2 y2 in pixels
    scores: dict[str, np.ndarray]  # (N,) per column
    tracks: Tracks


@dataclass(frozen=True)
class Pixels:
    """A clip's masks, in the cells of its map."""

    repeats: np.ndarray  # int (frames of the map,): how many of the clip's frames each stands for
    pixels: np.ndarray  # int (rows, columns): pixels of each cell
    cell: np.ndarray  # int64 (K,) ascending: flat indices of the map's cells with anomalous pixels
    count: np.ndarray  # int64 (K,): how many these are


class Localisation:
    """Collects detections and pixels of the labelled test clips, and the truth about them."""

    def __init__(self, clips: pd.DataFrame, radius: int, cell: int):
        """clips: the test rows of a manifest; radius: frames without a map at either end; cell:
        side of the map's cells in pixels."""
        self.radius, self.cell = radius, cell
        self.has_tracks, self.has_masks = covered(clips, "tracks"), covered(clips, "masks")
        self.boxes: dict[str, Boxes] = {}
        self.rocs: dict[str, PixelRoc] = defaultdict(PixelRoc)

    def truth(self, row) -> Pixels | None:
        """The masks of a manifest row; None where its pixels do not count.

        Frames without a map stand with the nearest one that has it [D].
        """
        if not (self.has_masks and row.labels):
            return None
        frames, shape = int(row.frames), (int(row.height), int(row.width))
        masks = read_masks(Path(row.masks), frames, shape) if row.masks else ()
        frame, line, column, count = anomalous_cells(masks, self.cell)
        nearest = np.arange(frames).clip(self.radius, frames - self.radius - 1) - self.radius
        pixels = cell_pixels(shape, self.cell)
        cell = np.ravel_multi_index(
            (nearest[frame], line, column), (frames - 2 * self.radius, *pixels.shape)
        )
        order = np.argsort(cell, kind="stable")
        return Pixels(np.bincount(nearest), pixels, cell[order], count[order])

    def count_pixels(self, column: str, truth: Pixels, volume: np.ndarray, first: int) -> None:
        """Adds a run of a clip's map, float (n, rows, columns), from its frame `first` on."""
        last = first + len(volume)
        low = first * truth.pixels.size
        inside = slice(*np.searchsorted(truth.cell, (low, last * truth.pixels.size)))
        anomalous = truth.cell[inside] - low, truth.count[inside]
        self.rocs[column].add(volume, truth.repeats[first:last], truth.pixels, anomalous)

    def add_boxes(self, row, frame: np.ndarray, box: np.ndarray, scores: dict) -> None:
        """Adds a clip's detections: frame int (N,), box (N, 4), a score (N,) per column.

        Frames without a map have none; their regions count all the same, and are missed [D].
        """
        if not (self.has_tracks and row.labels):
            return
        frames = int(row.frames)
        shape = int(row.height), int(row.width)
        tracks = read_tracks(Path(row.tracks), frames, shape) if row.tracks else Tracks.of()
        self.boxes[row.clip] = Boxes(frames, frame, box, scores, tracks)

    def regions(self) -> dict[str, dict[str, float | None]]:
        """RBDC and TBDC, ours and the authors', per column of scores; {} without tracks."""
        # In one order, however the clips fall into shards: the authors' figures depend on it.
        clips = [self.boxes[name] for name in sorted(self.boxes)]
        if not clips:
            return {}
        starts = np.cumsum([0] + [clip.frames for clip in clips])
        pairs = list(zip(starts, clips, strict=False))
        boxes = (
            np.concatenate([start + clip.frame for start, clip in pairs]),
            np.concatenate([clip.box for clip in clips]),
            np.concatenate([start + clip.tracks.frame for start, clip in pairs]),
            np.concatenate([clip.tracks.box for clip in clips]),
        )
        numbers = [(i, track) for i, clip in enumerate(clips) for track in clip.tracks.track]
        _, track = np.unique(np.reshape(numbers, (-1, 2)), axis=0, return_inverse=True)
        return {
            column: both_conventions(
                np.concatenate([clip.scores[column] for clip in clips]),
                *boxes,
                track.ravel(),
                int(starts[-1]),
            )
            for column in clips[0].scores
        }

    def pixel_auc(self) -> dict[str, float | None]:
        """Pixel AUC per column of scores; {} without masks."""
        return {column: roc.auc() for column, roc in self.rocs.items()}


def covered(clips: pd.DataFrame, truth: str) -> bool:
    """Whether `truth`, tracks or masks, is there for every labelled clip of a manifest.

    Clips labelled normal need none. Where it is there for some clips only, the metric is left out
    with a warning: a figure of a part would look like one of the whole.
    """
    anomalous = clips[~clips["labels"].isin(["", NORMAL])]
    missing = anomalous[anomalous[truth] == ""]["clip"].tolist()
    if missing and len(missing) < len(anomalous):
        log.warning(
            "%d of %d anomalous clips have no %s, so nothing is measured by them: %s; add them",
            *(len(missing), len(anomalous), truth),
            ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else ""),
        )
    return len(anomalous) > 0 and not missing
