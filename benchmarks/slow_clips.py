"""A data set of Ped2's size whose every clip takes over a minute in every stage.

16 training clips of 2,550 frames and 12 test clips of 2,010, 360 x 240 pixels, go through Snakemake
to metrics, with the jobs' standard error in files. Each stage sleeps before each of its clips, as
if the clips were long or the machine slow, so that its progress is reported as it is in a run of
hours:

    PYTHONPATH=workflow python benchmarks/slow_clips.py

Ends with status 1 where the run fails, a log has a traceback, or a stage tells of no clip. It
takes more than an hour, most of it slept, and the jobs 8 GB together.
"""

import argparse
import re
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import synthetic

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "workflow"))

from toy import PARALLEL, Project

SECONDS = 61.0
CLIPS = {"train": (16, 2550), "test": (12, 2010)}  # of a split: clips, frames in all
OBJECTS = 1  # per frame
SHARDS = {"train": 8, "test": 4}
JOBS = sum(SHARDS.values())

# The clock of the progress that stages report sleeps for the clip that it is looked at for.
SLEEPING = """
import sys
import time

real = time.monotonic


def monotonic():
    frame = sys._getframe(1)
    if frame.f_code.co_name == "progress" and frame.f_locals.get("unit") == "clip":
        time.sleep({seconds})
    return real()


time.monotonic = monotonic
"""
DETECTOR = {
    "weights": "detector/toy.weights",
    "backend_options": {"cfg": "detector/toy.cfg"},
    "names": "detector/toy.names",
    "image_size": 32,
}
CONFIG = {
    "run": {"datasets": ["slow"], "seeds": [0]},
    "models": {
        "tiny": {
            "train": {"cubes_seen": 1000, "batch": 50, "tasks": ["middle_box", "velocity"]},
            "score": {"fusion": "ecdf"},
        }
    },
    "datasets": {
        "slow": {
            "reader": "videos",
            "models": ["tiny"],
            "shards": SHARDS,
            "detect": {"backend": "imported"},
            "boxes": {split: f"data/{split}.csv" for split in CLIPS},
            "cubes": {"size": 16},
            "teachers": {"resnet": "random", "resnet_size": 32, **DETECTOR},
            "features": {"network": "random", "size": 32, "flow_size": 120},
        }
    },
}
LINE = re.compile(r"^(\w+)(?: \(.*\))?: (\d+) of (\d+)(?:, \d+ s left, ([\d.]+) s/clip)?$", re.M)


def make(folder: Path, seconds: float) -> Project:
    """The project with its data set and its slow clock."""
    project = Project.make(folder, CONFIG)
    root = folder / "data" / "slow"
    for split, (clips, frames) in CLIPS.items():
        lengths = {f"{i:02d}": frames // clips + (i < frames % clips) for i in range(clips)}
        for clip, length in lengths.items():
            synthetic.write_images(root / split / clip, length)
        synthetic.write_boxes(folder / "data" / f"{split}.csv", lengths, objects=OBJECTS)
    rows = [f"{i:02d},50,90,made\n" for i in range(CLIPS["test"][0])]
    (root / "labels.csv").write_text("clip,first,last,kind\n" + "".join(rows))
    (folder / "workflow" / "sitecustomize.py").write_text(SLEEPING.format(seconds=seconds))
    return project


def reported(logs: Path) -> tuple[dict[str, list[float]], list[str]]:
    """The seconds per clip that every stage's logs tell, and the logs with a traceback."""
    found, bad = defaultdict(list), []
    for path in sorted(logs.glob("*.log")):
        text = path.read_text()
        bad += [path.name] if "Traceback" in text else []
        for stage, _, _, rate in LINE.findall(text):
            found[stage].append(float(rate or 0))
    return found, bad


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=SECONDS, help="that a clip takes more")
    parser.add_argument("--folder", type=Path, help="to work in, new; a temporary one by default")
    seconds, given = vars(parser.parse_args()).values()
    with tempfile.TemporaryDirectory(prefix="slow-clips-") as top:
        project = make(given or Path(top) / "project", seconds)
        start = time.monotonic()
        threads = [f"{rule}=1" for rule in (*PARALLEL, "features")]
        target = "results/slow/models/tiny/seed0/metrics.json"
        words = ("--cores", JOBS, "--resources", f"gpu={JOBS}", "--set-threads", *threads)
        done = project.snakemake(*map(str, words), "--", target)
        found, bad = reported(project.path("results/slow/logs"))
        print(f"snakemake: status {done.returncode}, {(time.monotonic() - start) / 60:.1f} min")
        for stage, rates in found.items():
            known = [rate for rate in rates if rate]
            rate = f", {min(known):.1f} to {max(known):.1f} s/clip" if known else ""
            print(f"{stage}: {len(rates)} lines of progress{rate}")
        print(f"logs with a traceback: {', '.join(bad) or 'none'}")
        quick = [name for name, rates in found.items() if any(0 < r < seconds for r in rates)]
        missing = {"frames", "detect", "cubes", "teachers", "features", "score"} - set(found)
        if done.returncode:
            print(done.stdout[-3000:])
        sys.exit(bool(done.returncode or bad or quick or missing))


if __name__ == "__main__":
    main()
