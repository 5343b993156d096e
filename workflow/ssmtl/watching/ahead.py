"""An iterator that a thread runs ahead of its use, with a bounded number of items waiting."""

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator

POLL = 0.1  # seconds after which a waiting thread looks whether it is still wanted
PAUSE = 0.005  # seconds between looks whether a batch grows
PATIENCE = 2  # seconds that `close` waits for a thread that may itself be waiting for a camera


class Ahead(Iterator):
    """The items in order; use as a context manager, so that the thread ends with its use.

    items: an iterable that only the thread touches; what it raises is raised where the items are
    used. size: most items that wait, or a function of the first item. overflow: where given,
    nothing waits for room: items that find none are dropped until all others are taken, and what
    it makes of their number comes in their place. stopped: an event that ends the items early.
    """

    def __init__(
        self,
        items: Iterable,
        size: int | Callable[[object], int],
        overflow: Callable[[int], object] | None = None,
        stopped: threading.Event | None = None,
    ):
        self.items, self.size, self.overflow = iter(items), size, overflow
        self.waiting: queue.Queue = queue.Queue()
        self.taken, self.stopped = threading.Event(), stopped or threading.Event()
        self.ended, self.failure = False, None
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def __enter__(self) -> "Ahead":
        return self

    def __exit__(self, *_) -> None:
        self.stopped.set()
        self.thread.join(PATIENCE)

    def _run(self) -> None:
        lost = 0
        try:
            for item in self.items:
                if callable(self.size):
                    self.size = self.size(item)
                full = self.waiting.qsize() >= self.size
                if self.overflow and (full or (lost and not self.waiting.empty())):
                    lost += 1
                    continue
                if lost:
                    self.waiting.put((True, self.overflow(lost)))
                    lost = 0
                while self.waiting.qsize() >= self.size and not self.stopped.is_set():
                    self.taken.wait(POLL)
                    self.taken.clear()
                if self.stopped.is_set():
                    break
                self.waiting.put((True, item))
        except BaseException as error:
            self.failure = error
        finally:
            if lost:
                self.waiting.put((True, self.overflow(lost)))
            self.waiting.put((False, None))
            if hasattr(self.items, "close"):
                with contextlib.suppress(Exception):
                    self.items.close()

    def __next__(self):
        while not self.ended and not self.stopped.is_set():
            try:
                is_item, item = self.waiting.get(timeout=POLL)
            except queue.Empty:
                continue
            self.taken.set()
            if is_item:
                return item
            self.ended = True
            if self.failure:
                raise self.failure
        raise StopIteration

    def batches(self, most: int, wait: float) -> Iterator[list]:
        """All items in lists of `most`, or of fewer where these take longer than `wait` seconds."""
        for item in self:
            batch, end = [item], time.monotonic() + wait
            while len(batch) < most and time.monotonic() < end and not self.stopped.is_set():
                if self.waiting.empty():
                    time.sleep(PAUSE)
                    continue
                try:
                    batch.append(next(self))
                except StopIteration:
                    break
            yield batch
