"""How a camera is: frames, drops, latency, scores and events, for the heartbeat."""

import threading
import time
from collections import deque
from dataclasses import dataclass, field
from statistics import median

RECENT = 60.0  # seconds that rates, latencies and scores are of
DRIFTS = {-1: "lower", 0: None, 1: "higher"}
CONNECTING, WATCHING, ENDED = "connecting", "watching", "ended"


@dataclass
class Health:
    """Counts of one camera; its own thread counts, another one asks. normal: the median of the
    smoothed frame scores of normal video; drift: 1 or -1 where scores are now higher or lower."""

    threshold: float
    normal: float | None = None
    state: str = CONNECTING
    frames: int = 0
    dropped: int = 0
    events: int = 0
    drift: int = 0
    # (when, seconds since the picture was taken, smoothed score) of the last minute's frames
    recent: deque[tuple[float, float | None, float]] = field(default_factory=deque)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def frame(self, score: float, clock: float | None) -> None:
        """A frame was scored; clock: when it was taken, seconds since the epoch."""
        now = time.monotonic()
        late = None if clock is None else time.time() - clock
        with self.lock:
            self.state = WATCHING
            self.frames += 1
            self.recent.append((now, late, score))
            self._forget(now)

    def seen(self, events: int, threshold: float, drift: int) -> None:
        """How far things are: events found so far, the threshold now, and the drift of scores."""
        with self.lock:
            self.events, self.threshold, self.drift = events, threshold, drift

    def drop(self, count: int) -> None:
        with self.lock:
            self.dropped += count

    def _forget(self, now: float) -> None:
        while self.recent and now - self.recent[0][0] > RECENT:
            self.recent.popleft()

    def report(self) -> dict:
        """What the heartbeat says; None for what is not known."""
        now = time.monotonic()
        with self.lock:
            self._forget(now)
            scores = [score for _, _, score in self.recent]
            late = [seconds for _, seconds, _ in self.recent if seconds is not None]
            span = self.recent[-1][0] - self.recent[0][0] if len(scores) > 1 else 0
            return {
                "state": self.state,
                "frames": self.frames,
                "frames_per_second": round((len(scores) - 1) / span, 2) if span else None,
                "dropped": self.dropped,
                "latency": round(median(late), 3) if late else None,
                "score": round(median(scores), 4) if scores else None,
                "highest_score": round(max(scores), 4) if scores else None,
                "normal_score": self.normal,
                "drift": DRIFTS[self.drift],
                "threshold": round(self.threshold, 4),
                "events": self.events,
            }
