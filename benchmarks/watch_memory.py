"""Memory of `ssmtl watch` over a long stream: resident megabytes every thousand frames.

    python benchmarks/watch_memory.py results/demo/watcher/best/seed0 VIDEO --frames 20000

The frames of VIDEO come again and again as one unbroken stream. Exits with 1 where the memory at
the end is more than 5 % above that after a tenth of the frames.
"""

import argparse
import itertools
import sys
import tempfile
import threading
from pathlib import Path

import psutil

from ssmtl.watching import folder as watcher
from ssmtl.watching import sources, watch
from ssmtl.watching.events import Recorder
from ssmtl.watching.settings import Watch


def repeated(video: str, frames: int):
    """So many frames: those of a video, which are kept, over and over."""
    segment = next(sources.segments(video, Watch(), threading.Event()))
    kept = list(itertools.islice(segment.frames, 200))
    for number in range(frames):
        yield kept[number % len(kept)]._replace(time=number / segment.fps)


def memory(model: Path, video: str, frames: int, every: int = 1000) -> list[float]:
    """Resident megabytes after every so many frames of watching, events and clips included."""
    settings, *_ = watcher.read_watcher(model)
    scorer = watcher.scorer_of(model, settings)
    found = []
    with tempfile.TemporaryDirectory() as folder:
        recorder = Recorder(Path(folder), 0.4, Watch(), 40)
        recorder.begin("stream", 25)
        segment = sources.Segment("stream", 25, repeated(video, frames))
        for number, frame, _, smoothed, when, clock in watch.watched(segment, scorer):
            recorder.add(frame, number, smoothed, when, clock)
            if (number + 1) % every == 0:
                found.append(psutil.Process().memory_info().rss / 1e6)
                print(f"{number + 1} frames: {found[-1]:.0f} MB", flush=True)
        recorder.finish()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, help="folder of a watcher")
    parser.add_argument("video", help="video file or folder of images")
    parser.add_argument("--frames", type=int, default=20000, help="frames to watch [20000]")
    a = parser.parse_args()
    found = memory(a.model, a.video, a.frames)
    growth = found[-1] / found[len(found) // 10] - 1
    print(f"growth since {1000 * (len(found) // 10 + 1)} frames: {100 * growth:.1f} %")
    sys.exit(growth > 0.05)


if __name__ == "__main__":
    main()
