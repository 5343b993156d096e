"""What the frames of a video are, and when each is shown. Pictures are uint8 (H, W, 3) RGB.

Video is not a list of packets: a stream may begin inside a group of pictures, packets may be
damaged or not meant to be shown, the rate may vary and the picture may lie on its side. Whoever
reads video, from a file or from a camera, does it with `decoded`, so all agree.
"""

import gc
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from itertools import islice, pairwise
from pathlib import Path
from statistics import median
from typing import NamedTuple

import av
import numpy as np

from ssmtl.core.errors import InputError, environment

VIDEO_SUFFIXES = (
    *(".avi", ".mp4", ".mkv", ".mov", ".m4v", ".webm", ".mpg", ".mpeg", ".ts", ".wmv", ".flv"),
    *(".mts", ".m2ts", ".m2t", ".3gp", ".3g2", ".f4v", ".vob", ".ogv", ".ogg", ".asf", ".mxf"),
    *(".dv", ".mjpeg", ".mjpg", ".h264", ".264", ".h265", ".265", ".hevc", ".y4m", ".dav", ".nut"),
)
LARGEST = 1 << 27  # pixels of a picture, 16384 x 8192
FASTEST = 1000  # frames per second that a stream may state and be believed
SAMPLE = 16  # packets decoded to see whether each holds one frame
# Packets of these codecs may hold pictures that others refer to and nobody sees.
HIDDEN_FRAMES = ("vp8",)
TRANSPORT = ("mpegts", "hls")
DAMAGE = (av.InvalidDataError, av.PatchWelcomeError)
HISTORY = 12  # steps between time stamps that say what is usual
WAITING = 32  # frames within which damage shows as a gap in the time stamps, decoders being late
DAMAGED, GAP = "damaged data", "a gap in the time stamps"
ROUNDING = 1e-2  # of a period, when frames are thinned
PAUSE = 1.0  # seconds without a picture that are a gap in video of any rate


class Frame(NamedTuple):
    """A picture, uint8 (H, W, 3) RGB, upright, and its seconds since the first one."""

    picture: np.ndarray
    time: float


class Damage(Enum):
    """What the decoder says in place of a frame, or before one."""

    LOST = "lost"
    DOUBTFUL = "doubtful"


class Missing(NamedTuple):
    """Frames are missing here, about so many; 0 where nobody can tell."""

    frames: int
    why: str


class VideoInfo(NamedTuple):
    """Frames that can be shown, frames per second, and the size of the upright picture."""

    frames: int
    fps: float
    width: int
    height: int


@contextmanager
def open_video(path: Path) -> Iterator[tuple]:
    """A video file's container and its video stream. Only files are opened, whatever is in it.

    Raises InputError where it is none, where its codec is not known, and for gigantic pictures.
    """
    try:
        # A prefix, since a name such as 12:30:05.mp4 would be taken for a URL.
        container = av.open(f"file:{path}", options={"protocol_whitelist": "file"})
    except (av.FFmpegError, OSError, UnicodeError) as error:
        if isinstance(error, PermissionError):
            raise environment(error, path) or error from error
        raise InputError(
            f"{path}: not a readable video ({type(error).__name__}); fetch it again or "
            "exclude the clip"
        ) from error
    with container:
        yield container, video_stream(container, str(path))


def video_stream(container, where: str):
    """The video stream to read; InputError, named `where`, if there is none that can be decoded."""
    stream = container.streams.best("video")
    if stream is None:
        raise InputError(f"{where}: no video stream in this file; exclude the clip")
    context = stream.codec_context
    if context is None:
        raise InputError(
            f"{where}: the codec of this video is not known; convert it, with ffmpeg -i for "
            "instance, or exclude the clip"
        )
    if context.width * context.height > LARGEST:
        raise InputError(
            f"{where}: pictures of {context.width}x{context.height} pixels are larger than the "
            f"{LARGEST} there is room for; make them smaller or exclude the clip"
        )
    context.options = {"max_pixels": str(LARGEST)}
    stream.thread_type = "AUTO"
    return stream


def release() -> None:
    """Frees the threads and memory of containers that are closed: they and their streams refer to
    each other, and a garbage collection by itself may be hours away."""
    gc.collect()


def stated_rate(stream) -> float:
    """Frames per second as far as the stream tells, 25 where that cannot be."""
    rate = float(stream.average_rate or stream.guessed_rate or 25)
    return rate if 0 < rate <= FASTEST else 25.0


def probe_video(path: Path) -> VideoInfo:
    """What a video file holds. Its packets are counted; few are decoded where each is a frame.

    A damaged packet counts as well as one that a file's header promises, so that what is lost is
    noticed when it is decoded. Raises InputError for a file without a frame that can be shown.
    """
    with open_video(path) as (container, stream):
        first_key, packets, discarded, stamps = None, 0, 0, []
        for packet in demuxed(container, stream):
            first_key = packet.is_keyframe if first_key is None else first_key
            discarded += packet.is_discard
            packets += not packet.is_discard
            if packet.pts is not None and not packet.is_discard:
                stamps.append(float(packet.pts * packet.time_base))
        rate = measured_rate(stamps, stated_rate(stream))
        # The header of a file that was cut off still knows how many there were. An index leaves
        # out what an edit list does, a number in the header does not.
        indexed = "mov" in container.format.name
        promised = len(stream.index_entries) if indexed else stream.frames
        frames = max(promised, packets + discarded) - discarded
        hidden = stream.codec_context.name in HIDDEN_FRAMES
    shown, lost, size = counted(sample_frames(path))
    if not first_key or hidden or shown + lost != min(SAMPLE, packets + discarded):
        frames, _, size = counted(video_frames(path))
    if not frames or size is None:
        raise InputError(f"{path}: no frame of this video can be shown; exclude the clip")
    return VideoInfo(frames, rate, *size)


def counted(items: Iterable[Frame | Missing]) -> tuple[int, int, tuple[int, int] | None]:
    """How many frames there are and are missing, and the width and height of the first one."""
    frames, lost, size = 0, 0, None
    for item in items:
        if isinstance(item, Missing):
            lost += item.frames
        else:
            frames, size = frames + 1, size or item.picture.shape[1::-1]
    return frames, lost, size


def sample_frames(path: Path) -> Iterator[Frame | Missing]:
    """The frames in the first few packets of a file."""
    with open_video(path) as (container, stream), suppress(av.FFmpegError):  # then all are counted
        yield from decoded(islice(demuxed(container, stream), SAMPLE), stream, str(path))


def demuxed(container, stream) -> Iterator:
    """The packets of a stream that hold something, as far as they can be read."""
    try:
        yield from (packet for packet in container.demux(stream) if packet.size)
    except av.FFmpegError:
        return  # who decodes them will say how far it got


def measured_rate(stamps: list[float], stated: float) -> float:
    """The stated frames per second, or theirs where time stamps in order of decoding say else."""
    span = max(stamps) - min(stamps) if len(stamps) > 1 else 0.0
    starts_anew = any(after < before - PAUSE for before, after in pairwise(stamps))
    if span <= 0 or starts_anew:
        return stated
    measured = (len(stamps) - 1) / span
    return stated if abs(measured / stated - 1) < 0.01 or measured > FASTEST else measured


def video_frames(path: Path) -> Iterator[Frame | Missing]:
    """Every frame of a video file in display order, none resampled, and where some are missing.

    Raises InputError for a file that is no video.
    """
    with open_video(path) as (container, stream):
        try:
            yield from decoded(container.demux(stream), stream, str(path))
        except av.FFmpegError as error:
            yield Missing(0, f"it cannot be read any further ({type(error).__name__})")


def decoded(packets: Iterable, stream, where: str = "video") -> Iterator[Frame | Missing]:
    """The frames that packets of a stream show, and where some are missing.

    Where reading breaks off, what the decoder still holds comes before the av.FFmpegError.
    """
    timeline, ending = Timeline(1 / stated_rate(stream)), None
    try:
        for frame in shown_frames(packets, stream):
            if frame is Damage.LOST:
                timeline.damaged(1)
            elif frame is Damage.DOUBTFUL:
                timeline.damaged(0)
                yield Missing(0, DAMAGED)
            else:
                stamp = None if frame.pts is None else float(frame.pts * stream.time_base)
                yield from timeline.placed(upright(rgb(frame, where), frame), stamp)
    except av.FFmpegError as error:
        ending = error
    yield from timeline.rest()
    if ending:
        raise ending


def shown_frames(packets: Iterable, stream) -> Iterator[av.VideoFrame | Damage]:
    """The decoder's frames as it gives them, LOST for each that damage has taken, and DOUBTFUL
    before one that came damaged and was decoded all the same."""
    counting, doubtful = False, set()
    for packet, frames in decoded_packets(packets, stream):
        if packet and packet.is_corrupt and frames is not None:
            doubtful.add(packet.pts)
        counting = counting or (packet is not None and packet.is_keyframe)
        if frames is None and counting:  # what comes before a key frame was never to be decoded
            yield Damage.LOST
        for frame in frames or ():
            if frame.is_corrupt:
                if counting:
                    yield Damage.LOST
                continue
            if frame.pts in doubtful:
                doubtful.remove(frame.pts)
                yield Damage.DOUBTFUL
            counting = True
            yield frame


def decoded_packets(packets: Iterable, stream) -> Iterator[tuple[av.Packet | None, list | None]]:
    """The packets, each with its frames, None where it is damaged.

    At the end, also where the packets break off, (None, frames that the decoder still holds).
    """
    ending, partial = None, stream.container.format.name not in TRANSPORT
    try:
        for packet in packets:
            # A decoder fills up a packet that was cut short. In a transport stream this flag says
            # that something is missing around it, and the decoder knows more.
            cut_short = packet.is_corrupt and partial
            yield packet, None if cut_short else frames_of(packet)
    except av.FFmpegError as error:
        ending = error
    with suppress(av.FFmpegError):  # where it has given all of them
        yield None, stream.codec_context.decode(None)
    if ending:
        raise ending


def frames_of(packet: av.Packet) -> list[av.VideoFrame] | None:
    """A packet's frames, None where it is damaged."""
    try:
        return packet.decode()
    except DAMAGE:
        return None


def rgb(frame: av.VideoFrame, where: str) -> np.ndarray:
    """A frame's pixels, uint8 (H, W, 3) RGB; InputError for formats that this would ruin."""
    if frame.format.name.startswith("gray16"):
        raise InputError(
            f"{where}: 16-bit grey pictures, whose counts would be lost in 8 bits; store them as "
            "16-bit PNG, whose range is kept, or stretch them: ffmpeg -i VIDEO -vf normalize ..."
        )
    try:
        return frame.to_ndarray(format="rgb24")
    except ValueError as error:
        raise InputError(
            f"{where}: pictures in the format {frame.format.name} cannot be converted; convert "
            "the video"
        ) from error


def upright(picture: np.ndarray, frame: av.VideoFrame) -> np.ndarray:
    """The picture as its display matrix says, turned by quarters and mirrored."""
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return picture
    # A pixel (x, y) is shown at (a x + c y, b x + d y).
    # PyAV's stubs do not say that side data are a buffer.
    numbers = np.frombuffer(matrix, np.int32)  # type: ignore[call-overload]
    a, b, _, c, d = numbers[:5].tolist()
    if abs(b) > abs(a):
        picture, a, d = picture.transpose(1, 0, 2), c, b
    if a < 0:
        picture = picture[:, ::-1]
    if d < 0:
        picture = picture[::-1]
    return np.ascontiguousarray(picture)


class Thinned:
    """Which frames of a source are kept at a lower rate: the first one of each period of it."""

    def __init__(self, fps: float | None):
        """fps: frames per second that are kept; None for all of them."""
        self.fps, self.last = fps, -1

    def keeps(self, time: float) -> bool:
        """Whether the next frame is kept. time: its seconds, never less than those before."""
        if self.fps is None:
            return True
        # Time stamps are rounded: those of a period's first frame may lie just before it.
        period = int(time * self.fps + ROUNDING)
        kept, self.last = period > self.last, max(period, self.last)
        return kept


class Timeline:
    """Gives frames in order their times, and tells where some are missing between them."""

    def __init__(self, step: float):
        """step: seconds between frames, as stated."""
        self.steps = deque([step] * HISTORY, HISTORY)
        self.stamp: float | None = None  # of the last frame
        self.time = 0.0  # the same, from the first frame on
        self.lost = self.watchful = 0  # frames that damage has taken; frames until it is forgotten
        self.held: tuple[Frame, float] | None = None  # a frame behind a long step, and that step

    def damaged(self, frames: int) -> None:
        """So many frames are lost about here, where a gap shows sooner or later."""
        self.lost, self.watchful = self.lost + frames, WAITING

    def placed(self, picture: np.ndarray, stamp: float | None) -> Iterator[Frame | Missing]:
        """What is known once this frame is there. stamp: seconds, None where it has none.

        Where a step is too long, only the next one tells whether frames are missing or the rate
        is another one now; the frame is held until then.
        """
        usual = self.usual()
        if self.stamp is None:
            if self.lost:
                yield self.damage(0)
            self.stamp, step = stamp or 0.0, 0.0
        else:
            step = usual if stamp is None else stamp - self.stamp
            if stamp is not None and step < -PAUSE:
                yield from self.rest()
                yield Missing(0, "the time stamps start anew")
                self.stamp, step = stamp - usual, usual
            self.stamp += max(step, 0.0)
            step = step if step > 0 else usual  # no two frames are shown at once
            self.time += step
        frame = Frame(picture, round(self.time, 6))
        yield from self.release(step)
        if step and self.is_long(step):
            self.held = frame, step
            return
        yield from self.known(frame, step)

    def usual(self) -> float:
        return median(self.steps)

    def is_long(self, step: float) -> bool:
        """Whether a step is longer than all that were usual of late."""
        usual = self.usual()
        steady = max(self.steps) < 1.25 * min(self.steps)
        return step > 1.5 * usual if steady or self.watchful else step > max(PAUSE, 5 * usual)

    def release(self, following: float) -> Iterator[Frame | Missing]:
        """The held frame, if there is one, given the step behind it."""
        if self.held is None:
            return
        (frame, step), self.held = self.held, None
        alike = 0.8 < following / step < 1.25
        if alike and not self.watchful:
            self.steps.extend([following] * HISTORY)  # another rate
            yield from self.known(frame, step)
            return
        yield self.damage(round(step / self.usual()) - 1)
        yield frame

    def known(self, frame: Frame, step: float) -> Iterator[Frame | Missing]:
        if step:
            self.steps.append(step)
        self.watchful = max(self.watchful - 1, 0)
        if self.lost and not self.watchful:  # no gap shows in the time stamps
            yield self.damage(0)
        yield frame

    def damage(self, absent: int) -> Missing:
        """Frames missing here, of which time stamps show so many."""
        missing = Missing(max(self.lost, absent), DAMAGED if self.lost else GAP)
        self.lost = 0
        return missing

    def rest(self) -> Iterator[Frame | Missing]:
        """What is still held, at the end."""
        yield from self.release(0.0)
        if self.lost:
            yield self.damage(0)
