"""Reading and writing of video and images. Pictures are uint8 (height, width, 3), RGB."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from ssmtl.core.errors import InputError

VIDEO_SUFFIXES = (".avi", ".mp4", ".mkv", ".mov", ".m4v", ".webm", ".mpg", ".mpeg", ".ts", ".wmv")


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
