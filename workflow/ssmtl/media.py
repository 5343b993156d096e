"""Reading and writing of video and images. Pictures are uint8 (height, width, 3), RGB."""

import re
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np

from ssmtl.errors import InputError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp")
VIDEO_SUFFIXES = (".avi", ".mp4", ".mkv", ".mov", ".m4v", ".webm", ".mpg", ".mpeg", ".ts", ".wmv")


def frame_number(path: Path) -> int:
    """The last run of digits in a file's name: 12 for `frame_012.jpg`."""
    digits = re.findall(r"\d+", path.stem)
    if not digits:
        raise InputError(
            f"{path}: no frame number in the file's name; rename it, or exclude the clip"
        )
    return int(digits[-1])


def image_files(folder: Path, suffixes: tuple[str, ...] = IMAGE_SUFFIXES) -> list[Path]:
    """The images of a clip in the order of their frame numbers.

    Raises InputError for a folder that is missing or empty, and for a gap or a repetition in
    the numbers: a missing frame would shift every label behind it.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder of frames")
    files = sorted(
        (f for f in folder.iterdir() if f.suffix.lower() in suffixes and f.name[0] != "."),
        key=frame_number,
    )
    if not files:
        raise InputError(f"{folder}: no frames in this folder; add them or exclude the clip")
    for before, after in pairwise(files):
        step = frame_number(after) - frame_number(before)
        if step != 1:
            what = "two files have one frame number" if step == 0 else f"{step - 1} frames missing"
            raise InputError(
                f"{folder}: {what} between {before.name} and {after.name}; "
                "fetch the clip again or exclude it"
            )
    return files


def open_video(path: Path) -> av.container.InputContainer:
    """A video file open for reading, with a video stream in it."""
    try:
        container = av.open(str(path))
    except (av.FFmpegError, OSError) as error:
        raise InputError(
            f"{path}: not a readable video ({type(error).__name__}); fetch it again or "
            "exclude the clip"
        ) from error
    if not container.streams.video:
        container.close()
        raise InputError(f"{path}: no video stream in this file; exclude the clip")
    return container


def probe_video(path: Path) -> tuple[int, float, int, int]:
    """Frames, frames per second, width and height of a video file, without decoding it.

    The number of frames is the larger of what the header says and of the packets that are
    there, so that a truncated file is noticed when it is decoded.
    """
    with open_video(path) as container:
        stream = container.streams.video[0]
        rate = float(stream.average_rate or stream.base_rate or Fraction(25))
        stated, size = stream.frames, (stream.codec_context.width, stream.codec_context.height)
        try:
            packets = sum(1 for packet in container.demux(stream) if packet.size)
        except av.FFmpegError:
            packets = 0  # the decoder will say how far it got
    frames = max(stated, packets)
    if not frames:
        raise InputError(f"{path}: no frames in this video; exclude the clip")
    return frames, rate, *size


def video_frames(path: Path) -> Iterator[np.ndarray]:
    """Every frame of a video file in display order, uint8 (H, W, 3) RGB, none resampled.

    Stops where a damaged file cannot be decoded further; the caller compares the count.
    """
    with open_video(path) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets)
                # The decoder would fill up a frame that was cut short.
                frames = [] if packet.is_corrupt else packet.decode()
            except (StopIteration, av.FFmpegError):
                return
            for frame in frames:
                yield frame.to_ndarray(format="rgb24")
