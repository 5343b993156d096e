"""Stage `frames`: every frame of every clip, encoded, in one HDF5 file per shard.

JPEG sources are copied byte for byte, other images are stored as PNG (lossless), video as
JPEG or PNG by config. No frame is dropped, repeated or resampled.
"""

import logging
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np

from ssmtl.core import store
from ssmtl.core.errors import InputError
from ssmtl.core.progress import progress
from ssmtl.core.threads import ahead
from ssmtl.datasets.clips import source_size
from ssmtl.formats import hdf5
from ssmtl.formats.encoded import append_bytes
from ssmtl.formats.frames import FRAMES, read_frames
from ssmtl.formats.manifest import read_manifest, rows
from ssmtl.media import codec
from ssmtl.media.images import ImageClip
from ssmtl.media.video import Missing, video_frames
from ssmtl.stages.settings import Frames as FrameSettings

log = logging.getLogger(__name__)

CLIPS = 2  # worked on at once, so that one is written while the other is decoded
WRITE = 256  # encoded frames written to HDF5 at once


class Encoded(NamedTuple):
    """A frame as it is stored, and the height and width of its picture."""

    data: bytes
    size: tuple[int, int]
    time: float  # seconds from the clip's first frame


def encoded_frames(row, encoding: str, quality: int) -> tuple[str, Iterator[Encoded | Missing]]:
    """The encoding used, and the frames of a clip: of a folder of images or of a video file."""
    source = Path(row.source)
    if not source.is_dir():
        encode = codec.encode_png if encoding == "png" else None

        def pack(item):
            if isinstance(item, Missing):
                return item
            data = encode(item.picture) if encode else codec.encode_jpeg(item.picture, quality)
            return Encoded(data, item.picture.shape[:2], item.time)

        return encoding, ahead(pack, video_frames(source))
    clip = ImageClip(source)
    keep = clip.are_jpeg()

    def load(index):
        data, picture = clip.load(index)  # so that a bad file is noticed here
        return Encoded(
            data if keep else codec.encode_png(picture), picture.shape[:2], index / row.fps
        )

    return "jpeg" if keep else "png", ahead(load, range(len(clip)))


def write_clip(group: h5py.Group, row, encoding: str, quality: int) -> None:
    """Stores one clip of the manifest; InputError where its frames are not all there."""
    encoding, items = encoded_frames(row, encoding, quality)
    frames = Gaps(items)
    offsets, contents = [0], []
    times: list[float] = []
    while block := list(islice(frames, WRITE)):
        for data, size, time in block:
            if size != (row.height, row.width):
                raise InputError(
                    f"{row.source}: frame {len(times)} is {size[1]}x{size[0]}, the clip is "
                    f"{row.width}x{row.height}; fetch it again, cut it where the size changes, or "
                    f"exclude clip {row.clip}"
                )
            offsets.append(offsets[-1] + len(data))
            times.append(time)
        contents.append(append_bytes(group, [data for data, *_ in block]))
    check_count(row, len(times), frames.found)
    group["offsets"], group["time"] = np.array(offsets, np.int64), np.array(times)
    group.attrs.update(
        frames=len(times),
        fps=row.fps,
        width=row.width,
        height=row.height,
        encoding=encoding,
        source=row.source,
    )
    hdf5.complete(group, FRAMES, store.digest(contents))


class Gaps(Iterator):
    """The frames among items, and where some are missing between them: found, [(number, what)]."""

    def __init__(self, items: Iterator[Encoded | Missing]):
        self.items, self.count = items, 0
        self.found: list[tuple[int, Missing]] = []

    def __next__(self) -> Encoded:
        while isinstance(item := next(self.items), Missing):
            self.found.append((self.count, item))
        self.count += 1
        return item


def check_count(row, found: int, gaps: list[tuple[int, Missing]]) -> None:
    """Says which frames of a clip are missing; InputError where that matters.

    Frames lost within a clip shift the labels behind them. Without labels nothing is shifted, but
    a file that was cut off is not taken for a whole one.
    """
    within = [(number, gap) for number, gap in gaps if number < found]
    lost = sum(gap.frames for _, gap in within)
    places = "; ".join(f"{gap.why} before frame {number}" for number, gap in within[:3])
    if found == row.frames:
        if within:
            more = f", about {lost} frames missing in the file" if lost else ""
            log.warning("%s: %s%s; labels, if any, count what is there", row.source, places, more)
    elif found + lost < row.frames or not within:
        raise InputError(
            f"{row.source}: {found} of {row.frames} frames decoded; the file is truncated, "
            f"fetch it again or list clip {row.clip} under the data set's `exclude`"
        )
    elif row.labels or row.tracks or row.masks:
        raise InputError(
            f"{row.source}: {found} of {row.frames} frames decoded ({places}), which would shift "
            f"the labels behind; fetch it again, label what `ffmpeg -i` makes of it, or list clip "
            f"{row.clip} under the data set's `exclude`"
        )
    else:
        log.warning(
            "%s: %d of %d frames decoded (%s); the others are used, unless the clip has labels: "
            "those behind would shift, and evaluating refuses them",
            *(row.source, found, row.frames, places),
        )


def extract_frames(
    output: Path, *, manifest: Path, split: str, shard: int, settings: FrameSettings, code: str
) -> None:
    """Writes `frames.h5` of one shard."""
    clips = rows(read_manifest(manifest), split, shard)
    with store.Parts(output, "frames", settings) as parts:
        missing = []
        for row in clips.itertuples():
            size = source_size(Path(row.source))
            mark = store.digest(settings, code, row.source, row.frames, size)
            if not parts.has(row.clip, mark):
                missing.append((row, mark))

        def make(item) -> None:
            row, mark = item
            with parts.write(row.clip, mark) as group:
                write_clip(group, row, **settings.model_dump())

        made = ahead(make, missing, CLIPS, CLIPS)
        for _ in progress(made, "frames", "clip", len(missing)):
            pass
        parts.merge(split=split)
    with read_frames(output, []) as file:
        frames = sum(int(g.attrs["frames"]) for g in file.values())
        hours = sum(g.attrs["frames"] / g.attrs["fps"] for g in file.values()) / 3600
    volume = output.stat().st_size / 1e9
    rate = f", {volume / hours:.1f} GB per hour of video" if hours else ""
    log.info("frames: %d clips, %d frames, %.3f GB%s", len(clips), frames, volume, rate)
