"""Memory, threads and descriptors while a camera breaks off again and again.

A server on this machine gives a short stream and closes the connection, every time:

    PYTHONPATH=workflow python benchmarks/watch_reconnects.py --times 10000
"""

import argparse
import json
import logging
import sys
import tempfile
import threading
from pathlib import Path

import numpy as np
import psutil

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from streams import served, write_lossless

from ssmtl.watching import sources
from ssmtl.watching.settings import Watch


def reconnect(times: int, every: int) -> list[dict]:
    """What this process holds after every so many connections: megabytes, threads, descriptors."""
    process, found, connections = psutil.Process(), [], 0
    stopped, pauses = threading.Event(), (sources.FIRST_PAUSE, sources.LONGEST_PAUSE)
    sources.FIRST_PAUSE = sources.LONGEST_PAUSE = 0.0
    logging.getLogger("ssmtl").setLevel(logging.ERROR)
    settings = Watch(timeout=5.0, give_up=None)
    ground = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        path = write_lossless(Path(folder) / "a.ts", [np.roll(ground, i, 1) for i in range(3)])
        with served([{"body": path.read_bytes()}], forever=True) as url:
            for segment in sources.segments(url, settings, stopped):
                assert sum(1 for _ in segment.frames) == 3
                connections += 1
                if connections % every == 0:
                    found.append(
                        {
                            "connections": connections,
                            "megabytes": round(process.memory_info().rss / 1e6, 1),
                            "threads": process.num_threads(),
                            "descriptors": process.num_fds(),
                        }
                    )
                if connections >= times:
                    stopped.set()
                    break
    sources.FIRST_PAUSE, sources.LONGEST_PAUSE = pauses
    logging.getLogger("ssmtl").setLevel(logging.NOTSET)
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=10_000)
    parser.add_argument("--every", type=int, default=1_000)
    arguments = parser.parse_args()
    for line in reconnect(arguments.times, arguments.every):
        print(json.dumps(line), flush=True)
