"""Whether alarms keep their promise: thresholds from held-out normal scenes, on scenes never seen.

    python benchmarks/promise.py results/promise --seeds 0-9 --hours 2

renders normal scenes of the demo, learns a watcher from some (`ssmtl learn`), and for every seed
scores others: so many minutes are held out, the threshold is chosen from them, and events are
counted in the hours behind. Alarms an hour must lie within the stated interval, and from few
minutes at most at its upper end, in nine of ten seeds. What is done is kept, so that seeds can be
added and a run that was stopped goes on; more hours of a seed take up where its scenes end.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ssmtl.core import store
from ssmtl.core.pipeline import pipeline_folder
from ssmtl.demo.dataset import write_video
from ssmtl.demo.render import render_film
from ssmtl.media.video import Frame
from ssmtl.watching.folder import read_watcher, scorer_of
from ssmtl.watching.frame_scores import scored_frames
from ssmtl.watching.threshold import NormalClip, Promise, choose, count_events

LEARNT, SECONDS, AFTER = 10**6, 60, 3.0  # a seed that no other has; seconds of a scene


def scene(seed: int, number: int, fps: int) -> np.ndarray:
    """A minute of normal video, uint8 (T, H, W, 3)."""
    return render_film(seed, "train", number, SECONDS * fps, fps=fps)[0]


def learnt(folder: Path, minutes: int, fps: int) -> Path:
    """The watcher, learnt from so many scenes, unless it is there already."""
    model, normal = folder / "watcher", folder / "normal"
    if (model / "watcher.json").is_file():
        return model
    for number in range(minutes):
        path = normal / f"{number:03d}.mp4"
        if not path.is_file():
            with store.replacing(path) as temporary:
                film = temporary.with_suffix(".mp4")
                write_video(film, scene(LEARNT, number, fps), fps)
                film.rename(temporary)
    detector = str(pipeline_folder() / "workflow/models/demo-detector.pt")
    command = [sys.executable, "-m", "ssmtl", "learn", str(normal), "--output", str(model)]
    command += ["--weights", detector, "--image-size", "320", "--confidence", "0.4"]
    subprocess.run([*command, "--cores", "1"], check=True)
    return model


def scores(folder: Path, model: Path, seed: int, minutes: int, fps: int) -> Iterator[NormalClip]:
    """The frame scores of a seed's first scenes, each kept as soon as it is there."""
    settings, *_ = read_watcher(model)
    scorer = None
    for number in range(minutes):
        path = folder / f"seed{seed}" / f"{number:03d}.npy"
        if not path.is_file():
            scorer = scorer or scorer_of(model, settings)
            film = scene(seed, number, fps)
            frames = map(Frame, film, np.arange(len(film)) / fps)
            found = [smoothed for _, _, smoothed in scored_frames(frames, scorer)]
            path.parent.mkdir(parents=True, exist_ok=True)
            with store.replacing(path) as temporary, open(temporary, "wb") as file:
                np.save(file, np.array(found, np.float32))
        yield NormalClip(str(number), fps, np.load(path))


def judged(promise: Promise, unseen: list[NormalClip]) -> dict:
    """What was promised and what came."""
    hours = sum(len(clip.score) / clip.fps for clip in unseen) / 3600
    low, high = promise.expected(hours)
    rate = count_events(unseen, promise.threshold, AFTER) / hours
    return {
        "held_out_minutes": round(promise.minutes),
        "threshold": round(promise.threshold, 4),
        "hours": round(hours, 2),
        "expected": [round(low, 2), round(high, 2)],
        "alarms_an_hour": round(rate, 2),
        "kept": rate <= high and (rate >= low or not promise.enough),
    }


def numbers(text: str) -> list[int]:
    """0-3,7 as 0, 1, 2, 3, 7."""
    parts = [part.split("-") for part in text.split(",")]
    return [n for part in parts for n in range(int(part[0]), int(part[-1]) + 1)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("folder", type=Path, help="where all is kept")
    parser.add_argument("--seeds", type=numbers, default=numbers("0-9"), help="such as 0-9")
    parser.add_argument("--hours", type=float, default=2.0, help="never seen, for each seed [2]")
    parser.add_argument("--held-out", type=numbers, default=[3, 30], help="minutes [3,30]")
    parser.add_argument("--learn", type=int, default=30, help="minutes to learn from [30]")
    parser.add_argument("--fps", type=int, default=5, help="of the video [5]")
    parser.add_argument("--asked", type=float, default=1.0, help="alarms an hour [1]")
    a = parser.parse_args()
    model, first = learnt(a.folder, a.learn, a.fps), max(a.held_out)
    kept: dict[int, list[bool]] = {minutes: [] for minutes in a.held_out}
    for seed in a.seeds:
        clips = list(scores(a.folder, model, seed, first + round(60 * a.hours), a.fps))
        for minutes in a.held_out:
            row = judged(choose(clips[:minutes], a.asked, AFTER), clips[first:])
            kept[minutes].append(row["kept"])
            print(json.dumps({"seed": seed} | row), flush=True)
    for minutes, each in kept.items():
        print(f"{minutes} minutes held out: the promise was kept in {sum(each)} of {len(each)}")
    sys.exit(any(sum(each) < 0.9 * len(each) for each in kept.values()))


if __name__ == "__main__":
    main()
