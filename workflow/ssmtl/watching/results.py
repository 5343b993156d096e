"""What a watcher found in a recording: tables of frames, objects and events, a plot and a video."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ssmtl.core.errors import InputError
from ssmtl.media import drawing
from ssmtl.media.writer import VideoWriter
from ssmtl.watching import sources
from ssmtl.watching.journal import cells_of, columns_of
from ssmtl.watching.settings import Watch
from ssmtl.watching.watch import FoundFrame

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FRAMES = ["source", "frame", "time", "score", "smoothed", "objects"]
BOX = ["x1", "y1", "x2", "y2"]


@dataclass(frozen=True)
class Scores:
    """The scores of a video file, a folder of images or a folder of clips, higher for stranger.

    Attributes
    ----------
    frames : one row per frame
        source (the clip's name), frame (0-based), time (seconds from the clip's start), score in
        [0, 1], smoothed (the score smoothed in time, which the threshold is for), objects (their
        number).
    objects : one row per object
        source, frame, x1, y1, x2, y2 (pixels), one column in [0, 1] per proxy task, score (all
        tasks combined) and task, the one that brings most to it.
    events : one row per run of frames above the threshold
        event (a number from 1), source, start_frame, end_frame, start, end (seconds), start_clock
        and end_clock (of live sources), score (the highest smoothed one), object_score,
        object_frame, class, task, words, x1, y1, x2, y2 (of its strongest object; words: the task
        as an operator understands it), ended_by, clip and snapshot (where they were written), and
        per task `{task}_share`, the share of normal objects that score lower.
    threshold : the smoothed score above which an event goes on
    source, settings : what was scored, and the section watch that it was read with
    """

    frames: pd.DataFrame
    objects: pd.DataFrame
    events: pd.DataFrame
    threshold: float
    source: str
    settings: Watch

    def plot(self) -> "Figure":
        """The frame scores of every clip over its time, with threshold and events, Matplotlib."""
        from matplotlib.figure import Figure

        clips = dict(iter(self.frames.groupby("source", sort=False)))
        figure = Figure(figsize=(9, 1 + 1.8 * max(len(clips), 1)), layout="constrained")
        axes = figure.subplots(max(len(clips), 1), squeeze=False)[:, 0]
        for panel, (clip, rows) in zip(axes, clips.items(), strict=False):
            panel.plot(rows["time"], rows["score"], color="0.75", lw=0.8, label="score")
            panel.plot(rows["time"], rows["smoothed"], color="#1f4e79", lw=1.4, label="smoothed")
            panel.axhline(self.threshold, color="#c0392b", lw=0.8, ls="--", label="threshold")
            for event in self.events[self.events["source"] == clip].itertuples():
                panel.axvspan(event.start, event.end, color="#c0392b", alpha=0.15, lw=0)
            panel.set(ylim=(0, 1.02), title=clip, ylabel="score")
        axes[-1].set_xlabel("seconds")
        axes[0].legend(loc="upper right", ncols=3, fontsize="small", frameon=False)
        return figure

    def save_video(self, path: str | Path) -> Path:
        """Writes the video again, H.264, with every object's box and the course of the scores.

        A source of several clips gives a file per clip, `path` with the clip's name. Returns the
        path. Raises InputError where the source has other frames than were scored.
        """
        path, clips = Path(path), list(self.frames["source"].unique())
        for segment in sources.segments(self.source, self.settings, threading.Event()):
            rows = self.frames[self.frames["source"] == segment.name]
            if len(rows):
                named = path.with_stem(f"{path.stem}-{segment.name}") if len(clips) > 1 else path
                with VideoWriter(named, segment.fps * share_of(rows)) as video:
                    for picture in self._drawn(segment, rows):
                        video.write(picture)
        return path

    def _drawn(self, segment: sources.Segment, rows: pd.DataFrame) -> Iterator[np.ndarray]:
        """The pictures of a clip with what was found in them, uint8 (H, W, 3)."""
        top = min(1.0, 2 * self.threshold)
        own = self.objects[self.objects["source"] == segment.name]
        of_frame = dict(iter(own.groupby("frame")))
        smoothed, raw = rows["smoothed"].to_numpy(), rows["score"].to_numpy()
        curve, count, scored = None, 0, set(rows["frame"])
        for number, frame in enumerate(segment.frames, segment.first):
            if number not in scored:  # the model has seen fewer
                continue
            count += 1
            picture, scale = drawing.fitted(frame.picture)
            curve = curve or drawing.Curve(picture.shape[1], smoothed, raw, None, top)
            if (found := of_frame.get(number)) is not None:
                words = found["task"].loc[found["score"].idxmax()].replace("_", " ")
                box, score = found[BOX].to_numpy() * scale, found["score"].to_numpy()
                drawing.draw_boxes(picture, box, score, words, top)
            yield np.vstack((picture, curve.at(count - 1)))
        if count != len(rows):
            raise InputError(
                f"{self.source}: clip {segment.name} has other frames than the {len(rows)} that "
                "were scored; score it again"
            )


def share_of(rows: pd.DataFrame) -> float:
    """The share of a clip's frames that were scored, the rest having been thinned out."""
    return len(rows) / (rows["frame"].max() - rows["frame"].min() + 1)


def gathered(
    found: Iterator[FoundFrame | dict],
    tasks: list[str],
    threshold: float,
    source: str,
    settings: Watch,
) -> Scores:
    """The tables of all frames and events."""
    frames, objects, events = [], [], []
    for item in found:
        if isinstance(item, dict):
            events.append(cells_of(item))
            continue
        scored = item.scored
        frames.append(
            (item.source, item.number, item.time, item.raw, item.smoothed, len(scored.combined))
        )
        if len(scored.combined):
            objects.append(
                pd.DataFrame(
                    {"source": item.source, "frame": item.number}
                    | dict(zip(BOX, scored.box.T, strict=True))
                    | scored.tasks
                    | {"score": scored.combined, "task": np.take(tasks, scored.dominant_task)}
                )
            )
    empty = pd.DataFrame(columns=["source", "frame", *BOX, *tasks, "score", "task"])
    return Scores(
        pd.DataFrame(frames, columns=FRAMES),
        pd.concat(objects, ignore_index=True) if objects else empty,
        pd.DataFrame(events, columns=columns_of(tasks)),
        threshold,
        source,
        settings,
    )
