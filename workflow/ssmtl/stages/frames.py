"""Stage `frames`: every frame of every clip, encoded, in one HDF5 file per shard.

JPEG sources are copied byte for byte, other images are stored as PNG (lossless), video as
JPEG or PNG by config. No frame is repeated or resampled, and none is dropped unless `fps` asks for
fewer frames.
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
from ssmtl.media.video import Missing, Thinned, video_frames
from ssmtl.stages.settings import Frames as FrameSettings

log = logging.getLogger(__name__)

CLIPS = 2  # worked on at once, so that one is written while the other is decoded
WRITE = 256  # encoded frames written to HDF5 at once


class Encoded(NamedTuple):
    """A frame as it is stored, None where it is not, and the height and width of its picture."""

    data: bytes | None
    size: tuple[int, int]
    time: float  # seconds from the clip's first frame


def encoded_frames(
    row, encoding: str, quality: int, fps: float | None
) -> tuple[str, Iterator[Encoded | Missing]]:
    """The encoding used, and the frames of a clip: of a folder of images or of a video file."""
    source, thinned = Path(row.source), Thinned(fps)
    if not source.is_dir():
        encode = codec.encode_png if encoding == "png" else None

        def pack(item):
            frame, kept = item
            if isinstance(frame, Missing):
                return frame
            data = None
            if kept:
                picture = frame.picture
                data = encode(picture) if encode else codec.encode_jpeg(picture, quality)
            return Encoded(data, frame.picture.shape[:2], frame.time)

        # Which are kept is decided in their order, ahead of the threads.
        frames = video_frames(source)
        return encoding, ahead(
            pack, ((f, isinstance(f, Missing) or thinned.keeps(f.time)) for f in frames)
        )
    clip = ImageClip(source)
    keep = clip.are_jpeg()

    def load(item):
        index, kept = item
        data, picture = clip.load(index)  # so that a bad file is noticed here
        if kept and not keep:
            data = codec.encode_png(picture)
        return Encoded(data if kept else None, picture.shape[:2], index / row.fps)

    numbers = ((index, thinned.keeps(index / row.fps)) for index in range(len(clip)))
    return "jpeg" if keep else "png", ahead(load, numbers)


def write_clip(
    group: h5py.Group, row, encoding: str, quality: int, fps: float | None = None
) -> None:
    """Stores one clip of the manifest; InputError where its frames are not all there."""
    if fps and fps < row.fps and (row.labels or row.tracks or row.masks):
        raise InputError(
            f"{row.source}: clip {row.clip} has labels, which count all of its frames; leave "
            "frames.fps at null, or label a thinned copy"
        )
    encoding, items = encoded_frames(row, encoding, quality, fps)
    frames = Gaps(items)
    offsets, contents = [0], []
    times: list[float] = []
    while block := list(islice(frames, WRITE)):
        for number, (data, size, time) in enumerate(block, frames.count - len(block)):
            if size != (row.height, row.width):
                raise InputError(
                    f"{row.source}: frame {number} is {size[1]}x{size[0]}, the clip is "
                    f"{row.width}x{row.height}; fetch it again, cut it where the size changes, or "
                    f"exclude clip {row.clip}"
                )
            if data is not None:
                offsets.append(offsets[-1] + len(data))
                times.append(time)
        if kept := [data for data, *_ in block if data is not None]:
            contents.append(append_bytes(group, kept))
    check_count(row, frames.count, frames.found)
    group["offsets"], group["time"] = np.array(offsets, np.int64), np.array(times)
    store.set_attributes(
        group,
        frames=len(times),
        fps=min(row.fps, fps or row.fps),
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
