"""H.264 video in the making. Pictures are uint8 (height, width, 3), RGB."""

from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from ssmtl.core import store

CRF = 25  # x264's constant rate factor; lower is better and larger


class VideoWriter:
    """An H.264 video in the making, which browsers play; use as a context manager.

    The file appears under its name once it is complete. Sides are cut to even numbers of pixels.
    """

    def __init__(self, path: Path, fps: float):
        self.path, self.rate = path, Fraction(fps).limit_denominator(1001)
        self.stack, self.stream = ExitStack(), None

    def __enter__(self) -> "VideoWriter":
        temporary = self.stack.enter_context(store.replacing(self.path))
        container = av.open(str(temporary), "w", format="mp4", options={"movflags": "+faststart"})
        self.container = self.stack.enter_context(container)
        return self

    def write(self, picture: np.ndarray) -> None:
        """Adds a frame, uint8 (H, W, 3) RGB, all of one size."""
        height, width = (side // 2 * 2 for side in picture.shape[:2])
        if self.stream is None:
            self.stream = self.container.add_stream("libx264", rate=self.rate)
            self.stream.width, self.stream.height = width, height
            self.stream.pix_fmt = "yuv420p"
            self.stream.options = {"crf": str(CRF), "preset": "fast"}
        picture = np.ascontiguousarray(picture[:height, :width])
        self.container.mux(self.stream.encode(av.VideoFrame.from_ndarray(picture)))

    def __exit__(self, *error) -> None:
        if self.stream is not None and error[0] is None:
            self.container.mux(self.stream.encode(None))
        self.stack.__exit__(*error)
