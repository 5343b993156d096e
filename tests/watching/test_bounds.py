"""Queues are bounded by bytes, and watching stops soon whatever is queued."""

import threading
import time

import numpy as np

from ssmtl.core.threads import Prefetcher, ahead, nbytes
from ssmtl.watching.watch import until_stopped

LARGE = 3840 * 2160 * 3  # bytes of a 4K picture


def test_a_prefetcher_holds_bytes_not_items():
    made = []

    def pictures():
        for number in range(50):
            made.append(number)
            yield np.empty(LARGE, np.uint8)

    with Prefetcher(pictures(), 32, room=3 * LARGE) as items:
        next(items)
        time.sleep(0.3)
        assert items.held <= 3 * LARGE and len(made) <= 5
    with Prefetcher(iter([np.empty(LARGE, np.uint8)] * 3), 32, room=10) as items:
        assert len(list(items)) == 3, "one finds room, however large it is"


def test_a_threaded_map_holds_bytes_not_items():
    taken = []

    def items():
        for number in range(64):
            taken.append(number)
            yield np.empty(1000, np.uint8)

    results = ahead(lambda item: item, items(), threads=4, waiting=32, room=5000)
    next(results)
    assert len(taken) <= 6
    assert len(list(results)) == 63


def test_results_count_as_what_they_are_made_from():
    results = ahead(lambda n: np.empty(1000, np.uint8), range(64), 4, waiting=32, room=5000)
    started = time.monotonic()
    assert len(list(results)) == 64 and time.monotonic() - started < 10


def test_bytes_of_what_waits():
    item = (np.zeros((2, 3), np.float32), b"1234", [np.zeros(2, np.uint8)], "text", None)
    assert nbytes(item) == 24 + 4 + 2


def test_watching_ends_seconds_after_it_is_stopped(monkeypatch):
    monkeypatch.setattr("ssmtl.watching.watch.FINISHING", 0.3)
    stopped = threading.Event()

    def slow():
        for number in range(1000):
            time.sleep(0.05)
            yield number

    start, found = time.monotonic(), []
    for number in until_stopped(slow(), stopped):
        found.append(number)
        if number == 3:
            stopped.set()
    assert 4 < len(found) < 20 and time.monotonic() - start < 3
