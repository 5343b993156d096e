"""Stage `frames`: every frame of every clip, encoded, in one HDF5 file per shard.

JPEG sources are copied byte for byte, other images are stored as PNG (lossless), video as
JPEG or PNG by config. No frame is dropped, repeated or resampled.
"""

import logging
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import h5py
import numpy as np

from ssmtl.core import store
from ssmtl.core.errors import InputError
from ssmtl.core.progress import progress
from ssmtl.core.threads import ahead
from ssmtl.datasets.clips import source_size
from ssmtl.formats.manifest import read_manifest, rows
from ssmtl.media import codec
from ssmtl.media import video as media
from ssmtl.media.images import image_files

log = logging.getLogger(__name__)

CLIPS = 2  # worked on at once, so that one is written while the other is decoded
WRITE = 256  # encoded frames written to HDF5 at once
CHUNK = 1 << 18  # bytes of encoded frames that lie together in the file


def encoded_frames(source: Path, encoding: str, quality: int) -> tuple[str, Iterator[tuple]]:
    """The encoding used, and per frame its bytes and its (height, width).

    Source: a folder of images or a video file.
    """
    if not source.is_dir():
        encode = codec.encode_png if encoding == "png" else None

        def pack(picture):
            data = encode(picture) if encode else codec.encode_jpeg(picture, quality)
            return data, picture.shape[:2]

        return encoding, ahead(pack, media.video_frames(source))
    files = image_files(source)
    keep = all(file.suffix.lower() in (".jpg", ".jpeg") for file in files)

    def load(file):
        data = file.read_bytes()
        picture = codec.decode_image(data, str(file))  # so that a bad file is noticed here
        return data if keep else codec.encode_png(picture), picture.shape[:2]

    return "jpeg" if keep else "png", ahead(load, files)


def write_clip(group: h5py.Group, row, encoding: str, quality: int) -> None:
    """Stores one clip of the manifest; InputError where its frames are not all there."""
    source = Path(row.source)
    encoding, frames = encoded_frames(source, encoding, quality)
    offsets, contents = [0], []
    while block := list(islice(frames, WRITE)):
        for data, size in block:
            if size != (row.height, row.width):
                raise InputError(
                    f"{source}: frame {len(offsets) - 1} is {size[1]}x{size[0]}, the clip is "
                    f"{row.width}x{row.height}; fetch it again or exclude clip {row.clip}"
                )
            offsets.append(offsets[-1] + len(data))
        joined = np.frombuffer(b"".join(data for data, _ in block), np.uint8)
        contents.append(store.digest(joined.tobytes()))
        store.write_rows(group, "bytes", joined, chunk=CHUNK)
    found = len(offsets) - 1
    if found != row.frames:
        raise InputError(
            f"{source}: {found} of {row.frames} frames decoded; the file is truncated, "
            f"fetch it again or list clip {row.clip} under the data set's `exclude`"
        )
    group["offsets"] = np.array(offsets, np.int64)
    group.attrs.update(
        frames=found,
        fps=row.fps,
        width=row.width,
        height=row.height,
        encoding=encoding,
        source=row.source,
        digest=store.digest(contents),
    )


def extract_frames(
    output: Path, *, manifest: Path, split: str, shard: int, settings: dict, code: str
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
                write_clip(group, row, **settings)

        made = ahead(make, missing, CLIPS, CLIPS)
        for _ in progress(made, "frames", "clip", len(missing)):
            pass
        parts.merge()
    with store.read(output, "frames") as file:
        frames = sum(int(g.attrs["frames"]) for g in file.values())
        hours = sum(g.attrs["frames"] / g.attrs["fps"] for g in file.values()) / 3600
    size = output.stat().st_size / 1e9
    rate = f", {size / hours:.1f} GB per hour of video" if hours else ""
    log.info("frames: %d clips, %d frames, %.3f GB%s", len(clips), frames, size, rate)
