"""Where watched pictures come from: files, folders, and streams that may stall or drop.

A source is cut into segments, unbroken stretches of video: what `media.video` calls missing ends
one, since a cube across a gap would show motion that never was.
"""

import itertools
import logging
import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np

from ssmtl.core.errors import InputError
from ssmtl.core.threads import Prefetcher
from ssmtl.datasets.clips import clip_name, clips_in, left_out
from ssmtl.media import video as media
from ssmtl.media.images import ImageClip
from ssmtl.media.video import Missing
from ssmtl.watching.address import Address, address
from ssmtl.watching.settings import Watch

log = logging.getLogger(__name__)

WAITING = 4096  # pictures of a live source that wait to be scored, if there is room for so many
PLAYLIST = 300.0  # seconds that a live playlist holds at most
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0  # seconds between attempts to connect again
REPEATED = 600.0  # seconds after which it is said again that a source is away
# Formats without time stamps: FFmpeg makes them up, from a rate that it makes up as well.
UNTIMED = {"mpjpeg", "mjpeg", "h264", "hevc", "m4v", "mpegvideo", "image2pipe", "jpeg_pipe"}


class Frame(NamedTuple):
    """picture uint8 (H, W, 3) RGB; time: seconds from the start of the clip, or of watching a live
    source; clock: seconds since the epoch, None where it is a recording."""

    picture: np.ndarray
    time: float
    clock: float | None = None


GAP = object()  # pictures are missing here


@dataclass
class Segment:
    """An unbroken stretch of video. fps: frames per second as stated; first: the number of its
    first frame in the source; total: frames of the whole source where that is known; stamped:
    whether times come from time stamps, else they are those of arrival."""

    name: str
    fps: float
    frames: Iterator[Frame]
    first: int = 0
    total: int | None = None
    stamped: bool = True

    def timed(self, frame: Frame) -> media.Frame:
        """A frame to be scored, with the time that motion is taken by: always 0, which tells
        nothing, where it would have the network's jitter in it."""
        return media.Frame(frame.picture, frame.time if self.stamped else 0.0)

    def total_at(self, rate: float | None) -> int | None:
        """How many of its frames are used at a rate, None for all of them."""
        if self.total is None or rate is None or rate >= self.fps:
            return self.total
        return math.ceil(self.total * rate / self.fps)


def segments(
    source: str | Path | Address,
    settings: Watch,
    stopped: threading.Event,
    dropped: Callable[[int], None] = lambda count: None,
) -> Iterator[Segment]:
    """The segments of a video file, a folder of images or of clips, a URL or a camera device.

    settings: the section watch; stopped: an event that ends the source, as its end would; dropped:
    told how many pictures of a live source were given up. Raises InputError for a source that
    cannot be opened.
    """
    place = address(source) if isinstance(source, str) else source
    if isinstance(place, Address):
        return live(place, settings, stopped, dropped)
    clips = [Path(clip.source) for clip in clips_in(place, "test")] if place.is_dir() else []
    if not clips:
        return recording(place, settings.image_fps, stopped)
    if names := left_out(place):
        log.warning("%s: left out, no video by their names: %s", place, names)
    return recordings(place, clips, settings.image_fps, stopped)


def recordings(
    folder: Path, paths: list[Path], fps: float, stopped: threading.Event
) -> Iterator[Segment]:
    """The segments of a folder's clips; one that cannot be read is said, and passed over."""
    unreadable = 0
    for path in paths:
        if stopped.is_set():
            return
        try:
            yield from recording(path, fps, stopped)
        except InputError as error:
            log.warning("%s; it is passed over", error)
            unreadable += 1
        media.release()
    if unreadable == len(paths):
        raise InputError(f"{folder}: none of its {unreadable} clips can be watched, see above")


def recording(path: Path, fps: float, stopped: threading.Event) -> Iterator[Segment]:
    """The segments of a video file, or of a folder of images at `fps` frames per second."""
    if path.is_dir():
        clip = ImageClip(path)
        total, items = len(clip), images(clip, fps)
    else:
        total, fps, _, _ = media.probe_video(path)
        items = media.video_frames(path)
    name = clip_name(path)
    count = 0

    def frames() -> Iterator[Frame | object]:
        nonlocal count
        for item in unbroken(readable(items, name), name):
            yield item if item is GAP else Frame(*item)
            count += item is not GAP
            if stopped.is_set():
                return
        if count < total:
            log.warning("%s: %d of %d frames could be shown", path, count, total)

    yield from cut(frames(), name, fps, total)


def images(clip: ImageClip, fps: float) -> Iterator[media.Frame | Missing]:
    """The frames of a folder of images."""
    for index in range(len(clip)):
        try:
            yield media.Frame(clip.load(index)[1], index / fps)
        except InputError as error:
            yield Missing(1, str(error))


def readable(items: Iterable[media.Frame | Missing], name: str) -> Iterator[media.Frame | Missing]:
    """The items up to where something in them cannot be read at all, which is said."""
    try:
        yield from items
    except InputError as error:
        log.warning("%s: it ends here: %s", name, error)


def unbroken(items: Iterable[media.Frame | Missing], name: str) -> Iterator[media.Frame | object]:
    """The frames, with GAP, and a line, where one is missing or the pictures change their size."""
    shape = None
    for item in items:
        if isinstance(item, Missing):
            count = f", {item.frames} frames missing" if item.frames else ""
            log.warning("%s: %s%s; scoring starts anew behind it", name, item.why, count)
            yield GAP
            continue
        if shape not in (None, item.picture.shape):
            height, width = item.picture.shape[:2]
            log.warning("%s: the pictures have another size now, %dx%d", name, width, height)
            yield GAP
        shape = item.picture.shape
        yield item


def cut(
    items: Iterator[Frame | object],
    name: str,
    fps: float,
    total: int | None = None,
    stamped: bool = True,
) -> Iterator[Segment]:
    """The segments between gaps; each must be used up before the next is asked for."""
    number = 0
    for item in items:
        if item is not GAP:
            frames = Counted(iter(itertools.chain([item], items).__next__, GAP))
            left = total and total - number
            yield Segment(name, fps, frames, first=number, total=left, stamped=stamped)
            number += frames.count


def live(
    place: Address, settings: Watch, stopped: threading.Event, dropped: Callable[[int], None]
) -> Iterator[Segment]:
    """The stretches without a gap of a live source, connected again wherever it breaks off.

    A thread receives, so that a camera never waits for the scores. Where these are slower, whole
    stretches are dropped, and a line says so; a recording behind a URL waits.
    """

    def lost(count: int) -> object:
        dropped(count)
        log.warning("%s: scoring is slower than this; %d pictures dropped", stream.name, count)
        return GAP

    stream = Stream(place, settings.timeout, settings.give_up)
    overflow = None if stream.recording else lost
    received = stream.received(stopped)
    with Prefetcher(received, WAITING, overflow=overflow, stopped=stopped) as items:
        yield from cut(items, stream.name, stream.fps, stamped=stream.stamped)


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

    def __init__(self, place: Address, timeout: float, give_up: float | None):
        """timeout: seconds without a picture that are a stall; give_up: seconds of vain attempts
        to connect that end the stream, None for never. Raises InputError where the first
        connection fails."""
        self.place, self.timeout, self.give_up = place, timeout, give_up
        self.name = place.name
        self.start = self.last = self.opened = time.monotonic()
        self.stamp: float | None = None  # of the last packet of a live playlist
        self.until = 0.0  # seconds from the start of watching to the last picture
        self.said = "", 0.0  # why there is no picture, and when that was said
        try:
            self.container = self.open()
        except (av.FFmpegError, OSError, ValueError) as error:
            # Not as the cause: its text has the address in it.
            raise InputError(
                f"{self.name}: cannot be opened: {self.problem(error)}; check the URL"
            ) from None
        self.fps = media.stated_rate(media.video_stream(self.container, self.name))
        self.recording = is_recording(self.container)
        self.container_format = self.container.format.name
        self.stamped = self.recording or self.container_format not in UNTIMED

    def open(self) -> av.container.InputContainer:
        options = {"protocol_whitelist": self.place.protocols}
        if self.place.url.startswith("rtsp"):
            options["rtsp_transport"] = "tcp"
        return av.open(
            self.place.url, format=self.place.format, options=options, timeout=self.timeout
        )

    def problem(self, error: Exception) -> str:
        """What an error of a connection means; never its own text, which has the address."""
        if isinstance(error, av.ExitError):
            return f"no picture for {self.timeout:g} s"
        reason = getattr(error, "strerror", None) or type(error).__name__
        return f"no connection ({reason})"

    def received(self, stopped: threading.Event) -> Iterator[Frame | object]:
        """Pictures as they arrive, with GAP between connections."""
        first, pause = self.container, FIRST_PAUSE
        lost: float | None = None  # when the pictures broke off; a connection alone mends nothing
        while not stopped.is_set():
            problem = "the stream ended"
            try:
                with first or self.open() as container:
                    seconds, first, self.container = self.silence(), None, None
                    for frame in self.pictures(container, stopped):
                        if frame is not GAP:
                            if lost is not None:
                                log.warning("%s: connected again after %.1f s", self.name, seconds)
                            pause, lost = FIRST_PAUSE, None
                        yield frame
                    if stopped.is_set() or self.recording:
                        return
            except (av.FFmpegError, OSError, InputError, ValueError) as error:
                problem = str(error) if isinstance(error, InputError) else self.problem(error)
            media.release()
            yield GAP
            if self.recording:
                log.warning("%s: %s; a recording is not begun anew", self.name, problem)
                return
            lost = lost or time.monotonic()
            if self.give_up is not None and time.monotonic() - lost > self.give_up:
                seconds = self.silence()
                log.warning("%s: %s; giving up after %.1f s", self.name, problem, seconds)
                return
            self.say_away(problem)
            stopped.wait(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    def say_away(self, problem: str) -> None:
        """Says why there is no picture: once, and now and then as long as it stays so."""
        now = time.monotonic()
        if problem != self.said[0] or now - self.said[1] > REPEATED or self.last > self.said[1]:
            log.warning("%s: %s; connecting again", self.name, problem)
            self.said = problem, now

    def silence(self) -> float:
        """Seconds since the last picture."""
        return time.monotonic() - self.last

    def pictures(self, container, stopped: threading.Event) -> Iterator[Frame | object]:
        """The pictures of one connection; raises av.FFmpegError where it breaks off or stalls."""
        self.opened = time.monotonic()
        stream = media.video_stream(container, self.name)
        packets = self.packets(container, stream, stopped)
        clock = Clock(self.start, self.until, self.stamped)
        for item in unbroken(media.decoded(packets, stream, self.name), self.name):
            if item is GAP:
                yield GAP
                continue
            self.last = time.monotonic()
            frame = Frame(*item) if self.recording else clock.placed(item)
            self.until = frame.time
            yield frame
            self.last = time.monotonic()  # waiting for a slow reader is no silence

    def packets(self, container, stream, stopped: threading.Event) -> Iterator[av.Packet]:
        """The video's packets, as long as they come and give pictures: sound alone is no sign of
        life, and a picture may stand still while sound goes on."""
        before = self.stamp
        for packet in container.demux():
            if packet.stream_index == stream.index and not self.was_seen(packet, before):
                yield packet
            if stopped.is_set():
                return
            if time.monotonic() - max(self.last, self.opened) > self.timeout:
                raise av.ExitError(0, "no picture")

    def was_seen(self, packet: av.Packet, before: float | None) -> bool:
        """Whether a live playlist, opened again, gives what it gave already.

        before: the time stamp up to which it did.
        """
        if self.container_format != "hls" or packet.pts is None:
            return False
        stamp = float(packet.pts * packet.time_base)
        if before is not None and before - PLAYLIST < stamp <= before:
            return True
        jumped = self.stamp is None or stamp < self.stamp - PLAYLIST  # begun anew
        self.stamp = stamp if jumped else max(self.stamp, stamp)
        return False


class Clock:
    """When the pictures of a connection were, from their time stamps; arrival alone would have the
    network's jitter in it, and a burst of pictures would have one time."""

    def __init__(self, start: float, until: float, timed: bool):
        """start: of watching, on the monotonic clock; until: seconds from it to the last picture
        before; timed: whether the time stamps are the source's own."""
        self.start, self.until, self.timed = start, until, timed
        self.begun = None  # the first picture's arrival, in seconds from the start
        self.offset = float("inf")  # of the time stamps to the time of day

    def placed(self, item: media.Frame) -> Frame:
        arrival, now = time.monotonic() - self.start, time.time()
        if not self.timed:
            return Frame(item.picture, arrival, now)
        if self.begun is None:
            self.begun = max(arrival, self.until + 1e-3)
        # What came soonest after it was taken tells best when the first one was.
        self.offset = min(self.offset, now - item.time)
        return Frame(item.picture, self.begun + item.time, self.offset + item.time)


def is_recording(container) -> bool:
    """Whether a stream has an end: a camera's has no length, a live playlist no end mark."""
    if container.format.name == "hls":
        return container.duration is not None
    return container.size > 0
