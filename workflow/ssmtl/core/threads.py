"""Work that threads do ahead of its use. What waits is bounded in number and in bytes."""

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from ssmtl.core.machine import cores

ROOM = 256 << 20  # bytes that wait at one place; a 4K picture has 25 MB
POLL = 0.1  # seconds after which a waiting thread looks whether it is still wanted
PAUSE = 0.005  # seconds between looks whether a batch grows
PATIENCE = 2  # seconds that the end waits for a thread that may itself be waiting for a camera


def nbytes(item: object) -> int:
    """About the memory that an item holds: arrays, tensors, bytes, and sequences of them."""
    if isinstance(item, (bytes, bytearray)):
        return len(item)
    if isinstance(item, (tuple, list)):
        return sum(map(nbytes, item))
    return int(getattr(item, "nbytes", 0))


class Prefetcher(Iterator):
    """The items in order, made by one thread ahead of their use; use as a context manager, so that
    the thread ends with its use.

    items: an iterable that only the thread touches; what it raises is raised where the items are
    used. most: items that wait at most; room: their bytes, though one item always finds room.
    overflow: where given, nothing waits for room: items that find none are dropped until all others
    are taken, and what it makes of their number comes in their place. stopped: an event that ends
    the items early. patience: seconds to wait for the thread at the end, None for ever.
    """

    def __init__(
        self,
        items: Iterable,
        most: int,
        room: int = ROOM,
        overflow: Callable[[int], object] | None = None,
        stopped: threading.Event | None = None,
        patience: float | None = PATIENCE,
    ):
        self.items, self.most, self.room, self.overflow = iter(items), most, room, overflow
        self.stopped, self.patience = stopped or threading.Event(), patience
        self.ready: deque[tuple[object, int]] = deque()  # items that wait, and their bytes
        self.held, self.changed = 0, threading.Condition()
        self.ended = False
        self.failure: BaseException | None = None
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def __enter__(self) -> "Prefetcher":
        return self

    def __exit__(self, *_) -> None:
        self.stopped.set()
        self.thread.join(self.patience)

    def _run(self) -> None:
        lost = 0
        try:
            for item in self.items:
                size = nbytes(item)
                if self.overflow and (self._full(size) or (lost and self.ready)):
                    lost += 1
                    continue
                if self.overflow and lost:
                    self._put(self.overflow(lost), 0)
                    lost = 0
                with self.changed:
                    while self._full(size) and not self.stopped.is_set():
                        self.changed.wait(POLL)
                if self.stopped.is_set():
                    break
                self._put(item, size)
        except BaseException as error:
            self.failure = error
        finally:
            if self.overflow and lost:
                self._put(self.overflow(lost), 0)
            with self.changed:
                self.ended = True
                self.changed.notify_all()
            if hasattr(self.items, "close"):
                with contextlib.suppress(Exception):
                    self.items.close()

    def _full(self, size: int) -> bool:
        waiting = len(self.ready)
        return waiting >= self.most or (waiting > 0 and self.held + size > self.room)

    def _put(self, item: object, size: int) -> None:
        with self.changed:
            self.ready.append((item, size))
            self.held += size
            self.changed.notify_all()

    def __next__(self):
        with self.changed:
            while not self.ready and not self.ended and not self.stopped.is_set():
                self.changed.wait(POLL)
            if self.ready and not self.stopped.is_set():
                item, size = self.ready.popleft()
                self.held -= size
                self.changed.notify_all()
                return item
            failure, self.failure = self.failure, None
        if failure and self.ended and not self.stopped.is_set():
            raise failure
        raise StopIteration

    def batches(self, most: int, wait: float) -> Iterator[list]:
        """All items in lists of `most`, or of fewer where these take longer than `wait` seconds."""
        for item in self:
            batch, end = [item], time.monotonic() + wait
            while len(batch) < most and time.monotonic() < end and not self.stopped.is_set():
                if not self.ready and not self.ended:
                    time.sleep(PAUSE)
                    continue
                try:
                    batch.append(next(self))
                except StopIteration:
                    break
            yield batch


def prefetched(items: Iterable, depth: int) -> Iterator:
    """The items, each made by one thread up to `depth` of them ahead of its use.

    An error in making an item is raised where the item would be used.
    """
    with Prefetcher(items, depth, patience=None) as ahead_of_use:
        yield from ahead_of_use


def ahead(
    function: Callable, items: Iterable, threads: int = 0, waiting: int = 0, room: int = ROOM
) -> Iterator:
    """`map` by threads, as many as there are cores, in order.

    At most `waiting` results, or two for each thread, are there before they are asked for, and of
    these and of what they are made from about `room` bytes.
    """
    threads = threads or cores()
    items, pool, end = iter(items), ThreadPoolExecutor(threads), object()
    queue: deque[tuple[Future, int]] = deque()  # results to come, and their bytes
    held, made = 0, 0  # made: bytes of the last result, as a guess of the others'
    try:
        while True:
            while len(queue) < (waiting or 2 * threads) and (held < room or not queue):
                if (item := next(items, end)) is end:
                    break
                size = max(nbytes(item), made)
                queue.append((pool.submit(function, item), size))
                held += size
            if not queue:
                return
            future, size = queue.popleft()
            result = future.result()
            held, made = held - size, nbytes(result)
            yield result
    finally:  # also where the caller stops early, or an item fails
        pool.shutdown(cancel_futures=True)
