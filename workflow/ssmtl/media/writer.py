"""H.264 video in the making. Pictures are uint8 (height, width, 3), RGB."""

from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.stream import VideoStream

from ssmtl.core import store

CRF = 25  # x264's constant rate factor; lower is better and larger
THREADS = 4  # whatever the machine has, since the last bits of x264's pictures depend on it
TICK = Fraction(1, 90000)  # of the time stamps where pictures have times of their own
FASTEST = 120  # frames per second; what is stated beyond is an error, and no player shows more


class VideoWriter:
    """An H.264 video in the making, which browsers play; use as a context manager.

    The file appears under its name once it is complete. Sides are cut to even numbers of pixels.
    """

    def __init__(self, path: Path, fps: float):
        """fps: of pictures that are written without a time of their own."""
        self.path = path
        self.rate = Fraction(min(max(fps, 0.1), FASTEST)).limit_denominator(1001)
        self.stack, self.stamp = ExitStack(), -1
        self.stream: VideoStream | None = None

    def __enter__(self) -> "VideoWriter":
        temporary = self.stack.enter_context(store.replacing(self.path))
        options = {"movflags": "+faststart"}
        # A prefix, since a folder's name may look like a URL.
        container = av.open(f"file:{temporary}", "w", format="mp4", options=options)
        self.container = self.stack.enter_context(container)
        return self

    def write(self, picture: np.ndarray, time: float | None = None) -> None:
        """Adds a frame, uint8 (H, W, 3) RGB, all of one size.

        time: seconds from the first one, rising; given with all frames or with none.
        """
        height, width = (side // 2 * 2 for side in picture.shape[:2])
        if self.stream is None:
            self.stream = self.begin(width, height, timed=time is not None)
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture[:height, :width]))
        if time is not None:
            self.stamp = max(self.stamp + 1, round(time / TICK))
            frame.pts, frame.time_base = self.stamp, TICK
        self.container.mux(self.stream.encode(frame))

    def begin(self, width: int, height: int, timed: bool) -> VideoStream:
        stream = self.container.add_stream("libx264", rate=self.rate)
        stream.width, stream.height = width, height
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": str(CRF), "preset": "fast"}
        stream.codec_context.thread_count = THREADS
        if timed:
            stream.time_base = stream.codec_context.time_base = TICK
        return stream

    def __exit__(self, *error) -> None:
        if self.stream is not None and error[0] is None:
            try:
                self.container.mux(self.stream.encode(None))
            except BaseException as failure:
                self.stack.__exit__(type(failure), failure, failure.__traceback__)
                raise
        self.stack.__exit__(*error)
