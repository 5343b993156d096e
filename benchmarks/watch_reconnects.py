"""What a watcher holds while a camera breaks off, or its picture freezes, again and again.

Memory, threads and descriptors, before and after every so many connections. A server on this
machine gives a short stream and closes the connection, every time; then one whose picture stops
while its sound goes on, which is noticed by nothing but the missing pictures:

    PYTHONPATH=workflow python benchmarks/watch_reconnects.py --times 10000 --freezes 100
"""

import argparse
import json
import logging
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from streams import served, with_sound, write_lossless

from ssmtl.watching import sources
from ssmtl.watching.settings import Watch

PICTURES = 10  # of a connection; behind them it breaks off or stands still
SOUND = 3.0  # seconds of it behind the last picture
FREEZING = 1.0  # seconds without a picture, after which it is connected again


def pictures() -> list[np.ndarray]:
    ground = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
    return [np.roll(ground, i, 1) for i in range(PICTURES)]


@contextmanager
def at_once() -> Iterator[None]:
    """Within, nobody waits before a camera is connected again, and nothing is said of it."""
    pauses = sources.FIRST_PAUSE, sources.LONGEST_PAUSE
    sources.FIRST_PAUSE = sources.LONGEST_PAUSE = 0.0
    logging.getLogger("ssmtl").setLevel(logging.ERROR)
    try:
        yield
    finally:
        sources.FIRST_PAUSE, sources.LONGEST_PAUSE = pauses
        logging.getLogger("ssmtl").setLevel(logging.NOTSET)


def held(connections: int) -> dict:
    """What this process holds: megabytes, threads, descriptors."""
    process = psutil.Process()
    return {
        "connections": connections,
        "megabytes": round(process.memory_info().rss / 1e6, 1),
        "threads": process.num_threads(),
        "descriptors": process.num_fds(),
    }


def watched(answer: dict, times: int, every: int, timeout: float) -> Iterator[dict]:
    """What is held after every so many connections to a server that gives this answer."""
    stopped, settings = threading.Event(), Watch(timeout=timeout, give_up=None)
    with at_once(), served([answer], forever=True) as url:
        segments = sources.segments(url, settings, stopped)
        for connections, segment in enumerate(segments, 1):
            assert 0 < sum(1 for _ in segment.frames) <= PICTURES
            if connections % every == 0:
                yield held(connections)
            if connections >= times:
                stopped.set()
                return


def reconnect(times: int, every: int) -> Iterator[dict]:
    """A camera that closes the connection behind its pictures."""
    with tempfile.TemporaryDirectory() as folder:
        path = write_lossless(Path(folder) / "a.ts", pictures())
        yield from watched({"body": path.read_bytes()}, times, every, 5.0)


def freeze(times: int, every: int) -> Iterator[dict]:
    """A camera whose picture stands still behind its pictures, while its sound goes on."""
    with tempfile.TemporaryDirectory() as folder:
        data, last = with_sound(Path(folder) / "a.ts", pictures(), SOUND)
    size = max(188, len(data[last:]) // 30 // 188 * 188)
    pieces = [data[start : start + size] for start in range(last, len(data), size)]
    answer = {"body": data[:last], "pieces": pieces, "every": 0.1}
    yield from watched(answer, times, every, FREEZING)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=10_000, help="connections that break off")
    parser.add_argument("--freezes", type=int, default=100, help="pictures that freeze")
    arguments = parser.parse_args()
    for name, times, work in (
        ("reconnect", arguments.times, reconnect),
        ("freeze", arguments.freezes, freeze),
    ):
        print(json.dumps({"what": name, "before": held(0)}), flush=True)
        for line in work(times, max(1, times // 10)):
            print(json.dumps({"what": name} | line), flush=True)
