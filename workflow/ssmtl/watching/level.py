"""The threshold while a stream is watched: it settles on what is seen, and drift is said."""

import logging
from array import array
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from time import monotonic
from zipfile import BadZipFile

import numpy as np

from ssmtl.core import store
from ssmtl.core.errors import InputError
from ssmtl.core.progress import clock
from ssmtl.watching.threshold import BLOCK, NormalClip, Promise, blocks, choose, logits, say

log = logging.getLogger(__name__)

SEEN = "settling.npz"
SAVED = 300.0  # seconds after which what was seen is kept again
RECENT = 20  # blocks whose scores are compared with those learnt
LEAST_SPREAD = 0.5  # of the blocks' medians as logits: less may be chance
UNKNOWN_SPREAD = 1.0  # the same where a single block was learnt from


class Drift:
    """Says where the scores of what is watched have drifted away from those of normal video.

    Half minutes are compared by the median of their frames' scores. What was learnt from has a
    range of those; drift is a median of the last ten minutes beyond it by more than their
    deviation [D].
    """

    def __init__(self, normal: Sequence[NormalClip]):
        """normal: the video that the threshold was chosen from."""
        medians = logits(np.array([np.median(part.score) for part in blocks(normal)]))
        spread = medians.std(ddof=1) if len(medians) > 1 else UNKNOWN_SPREAD
        self.least, self.most = medians.min(), medians.max()
        self.spread = max(float(spread), LEAST_SPREAD)
        self.recent: deque[float] = deque(maxlen=RECENT)
        self.block = array("f")
        self.since: float | None = None  # seconds, of the block's first frame
        self.said = 0

    def begin(self) -> None:
        """A new segment, whose seconds may begin anew."""
        self.block, self.since = array("f"), None

    def add(self, name: str, time: float, score: float) -> None:
        """The next frame's smoothed score, and its seconds in the source called `name`."""
        self.since = time if self.since is None else self.since
        self.block.append(score)
        if time - self.since >= BLOCK:
            self.recent.append(float(np.median(self.block)))
            self.begin()
            self.compare(name)

    @property
    def side(self) -> int:
        """1 where recent scores are higher than those learnt, -1 where they are lower, 0 else."""
        if len(self.recent) < RECENT:
            return 0
        now = float(logits(np.median(self.recent)))
        return int(now > self.most + self.spread) - int(now < self.least - self.spread)

    def compare(self, name: str) -> None:
        side = self.side
        if side and side != self.said:
            low, high = 1 / (1 + np.exp(-np.array([self.least, self.most])))
            log.warning(
                "%s: the scores of the last %s are %s than those of the normal video learnt from "
                "(median %.2f, learnt %.2f to %.2f); has the camera been turned, is its glass "
                "dirty, is it another time of day? Learn from video like this too, or watch with "
                "--settle",
                *(name, clock(RECENT * BLOCK), "higher" if side > 0 else "lower"),
                *(np.median(self.recent), low, high),
            )
        self.said = side


class Settling:
    """Collects what is seen until there is enough of it to choose the threshold from.

    It is kept beside the events, so that a watcher that is started again goes on with it.
    """

    def __init__(self, folder: Path | None, seconds: float, mark: str):
        """folder: where it is kept, if anywhere; mark: of the model that scores, since what another
        one scored does not count."""
        self.path = folder / SEEN if folder else None
        self.seconds, self.mark = seconds, mark
        self.clips = kept(self.path, mark) if self.path else []
        self.before = sum(len(clip.score) / clip.fps for clip in self.clips)  # seconds of them
        self.saved = monotonic()
        self.name, self.score, self.times = "", array("f"), (0.0, 0.0)

    @property
    def done(self) -> bool:
        return self.so_far >= self.seconds

    @property
    def so_far(self) -> float:
        """Seconds of video seen."""
        return self.before + self.span

    @property
    def span(self) -> float:
        return self.times[1] - self.times[0]

    def begin(self, name: str) -> None:
        """A new segment."""
        if len(self.score) > 1 and self.span > 0:
            rate = (len(self.score) - 1) / self.span
            self.clips.append(NormalClip(self.name, rate, np.array(self.score)))
            self.before += len(self.score) / rate
        self.name, self.score, self.times = name, array("f"), (0.0, 0.0)

    def add(self, time: float, score: float) -> None:
        self.times = (self.times[0] if self.score else time), time
        self.score.append(score)
        if monotonic() - self.saved > SAVED:
            self.save()

    def save(self) -> None:
        """Keeps what was seen; where the disk is full it waits for the next time."""
        self.begin(self.name)
        self.saved = monotonic()
        if self.path is None or not self.clips:
            return
        arrays = {f"score{i}": clip.score for i, clip in enumerate(self.clips)}
        about = {"fps": np.array([c.fps for c in self.clips]), "mark": np.array(self.mark)}
        about["name"] = np.array([clip.name for clip in self.clips])
        try:
            with store.replacing(self.path) as temporary, open(temporary, "wb") as file:
                np.savez(file, **about, **arrays)  # type: ignore[arg-type]
        except (OSError, InputError) as error:
            log.warning("%s: cannot be written: %s", self.path, error)


def kept(path: Path, mark: str) -> list[NormalClip]:
    """What an earlier watcher has seen with the same model; nothing where there is none."""
    try:
        with np.load(path, allow_pickle=False) as file:
            if str(file["mark"]) != mark:
                return []
            both = zip(file["name"], file["fps"], strict=True)
            return [
                NormalClip(str(name), float(fps), file[f"score{i}"])
                for i, (name, fps) in enumerate(both)
            ]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        log.warning("%s: unreadable (%s); settling starts anew", path, error)
        return []


class Level:
    """The threshold of a stream: the learnt one, or the one that it settles on."""

    def __init__(
        self, promise: Promise | None, normal: list[NormalClip], settling: Settling | None
    ):
        """promise: the learnt threshold's; None where it was given, and settles on nothing."""
        self.promise, self.drift = promise, Drift(normal)
        self.settling = settling if promise else None
        self.name = ""

    def begin(self, name: str) -> None:
        """A new segment of a source."""
        self.name = name
        self.drift.begin()
        if self.settling:
            self.settling.begin(name)

    def add(self, time: float, score: float, after: float) -> Promise | None:
        """The next frame's seconds and smoothed score; after: as in `threshold.choose`.

        Returns the promise of another threshold, where that holds from now on.
        """
        self.drift.add(self.name, time, score)
        if not self.settling:
            return None
        self.settling.add(time, score)
        return self.settled(after)

    def settled(self, after: float) -> Promise | None:
        """The threshold chosen from what was seen, once there is enough of it."""
        if not (self.settling and self.promise and self.settling.done):
            return None
        settling, self.settling = self.settling, None
        settling.save()
        self.promise = choose(settling.clips, self.promise.asked, after)
        self.drift = Drift(settling.clips)
        log.info("settled after %s:", clock(settling.so_far))
        say(self.promise, "watched")
        return self.promise

    def close(self) -> None:
        """Keeps what was seen so far."""
        if self.settling:
            self.settling.save()
            left = self.settling.seconds - self.settling.so_far
            log.info("settling: %s of video are still to be watched", clock(max(left, 0.0)))
