"""Where watched pictures come from: files, folders, and streams that may stall or drop.

A source is cut into segments, unbroken stretches of video: one per clip, and of a live source one
per stretch without a gap, since a cube across a gap would show motion that never was.
"""

import itertools
import logging
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import av
import numpy as np

from ssmtl.core.errors import InputError
from ssmtl.datasets.clips import clips_in
from ssmtl.media import codec
from ssmtl.media import video as media
from ssmtl.media.images import image_files
from ssmtl.watching.ahead import Ahead

log = logging.getLogger(__name__)

WAITING_BYTES = 256 << 20  # of a live source's pictures that wait to be scored
WAITING_MOST = 4096
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0  # seconds between attempts to connect again


class Frame(NamedTuple):
    """picture uint8 (H, W, 3) RGB; time: seconds from the start of the clip, or of watching a live
    source; clock: seconds since the epoch when it arrived, None where it is a recording."""

    picture: np.ndarray
    time: float
    clock: float | None = None


GAP = object()  # pictures are missing here


@dataclass
class Segment:
    """An unbroken stretch of video. first: the number of its first frame in the source; total:
    frames in it where that is known."""

    name: str
    fps: float
    frames: Iterator[Frame]
    first: int = 0
    total: int | None = None


def segments(source: str, settings: dict, stopped: threading.Event) -> Iterator[Segment]:
    """The segments of a video file, a folder of images or of clips, a URL or a camera device.

    settings: the section watch; stopped: an event that ends the source, as its end would. Raises
    InputError for a source that cannot be opened.
    """
    path = Path(source)
    if "://" in source or path.is_char_device():
        return live(source, settings, stopped)
    if not path.exists():
        raise InputError(f"{source}: no such file, folder or device; check the path or URL")
    clips = [Path(clip.source) for clip in clips_in(path, "test")] if path.is_dir() else [path]
    return recordings(clips or [path], settings["fps"], stopped)


def recordings(paths: list[Path], fps: float, stopped: threading.Event) -> Iterator[Segment]:
    for path in paths:
        if not stopped.is_set():
            yield recorded(path, fps, stopped)


def recorded(path: Path, fps: float, stopped: threading.Event) -> Segment:
    """A video file, or a folder of images at `fps` frames per second."""
    if path.is_dir():
        files = image_files(path)
        pictures, total = (codec.decode_image(f.read_bytes(), str(f)) for f in files), len(files)
    else:
        total, fps, _, _ = media.probe_video(path)
        pictures = media.video_frames(path)

    def frames() -> Iterator[Frame]:
        number = -1
        for number, picture in enumerate(pictures):
            yield Frame(picture, number / fps)
            if stopped.is_set():
                return
        if number + 1 < total:
            log.warning("%s: %d of %d frames decoded; the rest is damaged", path, number + 1, total)

    name = path.name if path.is_dir() else path.stem
    return Segment(name, fps, frames(), total=total)


def live(url: str, settings: dict, stopped: threading.Event) -> Iterator[Segment]:
    """The stretches without a gap of a live source, connected again wherever it breaks off.

    A thread receives, so that a camera never waits for the scores. Where these are slower, whole
    stretches are dropped, and a line says so; a recording behind a URL waits.
    """

    def room(item: Frame | object) -> int:
        size = item.picture.nbytes if isinstance(item, Frame) else 1
        return min(WAITING_MOST, max(64, WAITING_BYTES // size))

    def dropped(count: int) -> object:
        log.warning("%s: scoring is slower than this; %d pictures dropped", stream.name, count)
        return GAP

    stream = Stream(url, settings["timeout"], settings["give_up"])
    overflow = None if stream.recording else dropped
    with Ahead(stream.received(stopped), room, overflow, stopped) as items:
        number = 0
        for item in items:
            if item is not GAP:
                frames = Counted(iter(itertools.chain([item], items).__next__, GAP))
                yield Segment(stream.name, stream.fps, frames, first=number)
                number += frames.count


class Counted(Iterator):
    """An iterator that counts."""

    def __init__(self, items: Iterator):
        self.items, self.count = items, 0

    def __next__(self):
        item = next(self.items)
        self.count += 1
        return item


class Stream:
    """A URL or a camera device, opened again when it stalls or drops."""

    def __init__(self, url: str, timeout: float, give_up: float):
        """timeout: seconds without a picture that are a stall; give_up: seconds of vain attempts
        to connect after which the stream has ended, 0 for never. Raises InputError where the first
        connection fails."""
        self.url, self.timeout, self.give_up = url, timeout, give_up
        self.name = without_password(url)
        self.start = self.last = time.monotonic()
        try:
            self.container = self.open()
        except (av.FFmpegError, OSError) as error:
            raise InputError(
                f"{self.name}: cannot be opened: {self.problem(error)}; check the URL"
            ) from error
        if not self.container.streams.video:
            raise InputError(f"{self.name}: no video in this stream; check the URL")
        self.fps = rate(self.container)
        self.recording = self.container.size > 0  # a camera's stream has no length

    def open(self) -> av.container.InputContainer:
        options = {"rtsp_transport": "tcp"} if self.url.startswith("rtsp") else {}
        kind = None if "://" in self.url else "v4l2"
        return av.open(self.url, format=kind, options=options, timeout=self.timeout)

    def problem(self, error: Exception) -> str:
        """What an error of a connection means."""
        if isinstance(error, av.ExitError):
            return f"no picture for {self.timeout:g} s"
        return f"no connection ({getattr(error, 'strerror', None) or error})"

    def received(self, stopped: threading.Event) -> Iterator[Frame | object]:
        """Pictures as they arrive, with GAP between connections."""
        first, pause = self.container, FIRST_PAUSE
        while not stopped.is_set():
            problem = "the stream ended"
            try:
                with first or self.open() as container:
                    if not first:
                        seconds = self.silence()
                        log.warning("%s: connected again after %.1f s", self.name, seconds)
                    first = None
                    for frame in self.pictures(container, stopped):
                        yield frame
                        pause = FIRST_PAUSE
                    if stopped.is_set() or self.recording:
                        return
            except (av.FFmpegError, OSError) as error:
                problem = self.problem(error)
            yield GAP
            if self.give_up and self.silence() > self.give_up:
                seconds = self.silence()
                log.warning("%s: %s; giving up after %.1f s", self.name, problem, seconds)
                return
            log.warning("%s: %s; connecting again", self.name, problem)
            stopped.wait(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    def silence(self) -> float:
        """Seconds since the last picture."""
        return time.monotonic() - self.last

    def pictures(self, container, stopped: threading.Event) -> Iterator[Frame | object]:
        """The pictures of one connection; raises av.FFmpegError where it breaks off or stalls."""
        if not container.streams.video:
            raise OSError("no video in the stream")
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        self.last, shape = time.monotonic(), None
        for decoded_frames in self.packets(container, stream):
            if decoded_frames is None and shape:
                log.warning("%s: damaged data", self.name)
                yield GAP
            for decoded in decoded_frames or ():
                picture = decoded.to_ndarray(format="rgb24")
                if shape not in (None, picture.shape):
                    log.warning("%s: the pictures have another size now", self.name)
                    yield GAP
                shape, self.last = picture.shape, time.monotonic()
                yield Frame(picture, self.last - self.start, time.time())
            if stopped.is_set():
                return
            if self.silence() > self.timeout:
                raise av.ExitError(0, "no picture")

    @staticmethod
    def packets(container, stream) -> Iterator[list[av.VideoFrame] | None]:
        """Decoded frames packet by packet, None for a damaged one.

        Where the connection breaks off, what the decoder still holds comes before the error.
        """
        try:
            for packet in container.demux(stream):
                try:
                    decoded = packet.decode()
                except av.InvalidDataError:
                    decoded = None
                yield decoded
        except av.FFmpegError:
            yield stream.codec_context.decode(None)
            raise


def rate(container) -> float:
    """Frames per second, as far as the stream tells."""
    stream = container.streams.video[0]
    return float(stream.average_rate or stream.guessed_rate or 25)


def without_password(url: str) -> str:
    """A URL as it may be shown."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
