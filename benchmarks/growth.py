"""Time and peak memory of every stage as clips get longer and fuller: `make growth`.

    python benchmarks/growth.py --output results/growth.json --figure docs/growth.svg

One clip of 1, 4 and 16 times FRAMES frames, and one of FRAMES frames with 1, 4 and 16 objects, in
tiny pictures. A stage's memory must not grow with the clip by more than a tenth: else this ends
with status 1. Each stage runs in a process of its own, on the CPU.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import measure
import synthetic

FRAMES, WIDTH, HEIGHT = 1000, 96, 72
TIMES = (1, 4, 16)
ALLOWED = 1.1  # memory at 16 times the size, over that at once the size
MODELS = Path(__file__).parents[1] / "workflow" / "models"
STAGES = ("frames", "detect", "cubes", "teachers", "score")
ORDER = ("frames", "boxes", "detect", "cubes", "teachers", "score")  # `boxes` feeds cubes
RUNS = 3
TRAINED = 60  # frames of the clip that the scorer's model is trained on


def write_case(folder: Path, split: str, frames: int, objects: int) -> None:
    """A clip of images, hard links to a few of them, and a CSV of its boxes with class vectors."""
    clip = folder / split / "clip"
    synthetic.write_images(clip, min(frames, 50), width=WIDTH, height=HEIGHT)
    for number in range(50, frames):
        os.link(clip / f"{number % 50:06d}.jpg", clip / f"{number:06d}.jpg")
    size = {"width": WIDTH, "height": HEIGHT}
    synthetic.write_boxes(folder / f"{split}.csv", {"clip": frames}, objects=objects, **size)


def stage(name: str, folder: Path, split: str, objects: int = 1) -> tuple:
    """The command of a stage on the clip in a folder."""
    files = {each: folder / split / f"{each}.h5" for each in (*STAGES, "detections", "found")}

    def given(*names: str) -> tuple:
        return sum(((f"--{each}", files[each]) for each in names), ())

    boxes = ("--backend", "imported", "--boxes", folder / f"{split}.csv")
    network = ("--weights", MODELS / "demo-detector.pt", "--image-size", 96)
    commands = {
        "frames": ("--manifest", folder / f"{split}.clips.csv", "--split", split, "--shard", 0),
        "boxes": (*given("frames"), *boxes),
        # Every candidate counts, so that there are as many objects as are asked for.
        "detect": (*given("frames"), *network, "--confidence", 0, "--max-boxes", objects),
        "cubes": (*given("frames", "detections"), "--split", split, "--size", 16),
        "teachers": (*given("frames", "detections", "cubes"), "--split", split, "--resnet=random"),
        "score": (*given("cubes", "teachers"), "--model", folder / "model" / "model.safetensors"),
    }
    output = files[{"boxes": "detections", "detect": "found"}.get(name, name)]
    extra = ("--resnet-size", 32) if name == "teachers" else ()
    return ("detect" if name == "boxes" else name, output, *commands[name], *extra)


def list_clips(folder: Path, split: str) -> None:
    reader = ("--dataset", "growth", "--reader", "videos", "--path", folder, "--splits", split)
    synthetic.run("manifest", folder / f"{split}.clips.csv", *reader)


def train(folder: Path) -> None:
    """A model for the scorer, hardly trained."""
    write_case(folder, "train", TRAINED, 1)
    list_clips(folder, "train")
    for name in ("frames", "boxes", "cubes", "teachers"):
        synthetic.run(*stage(name, folder, "train"))
    files = sum(((f"--{s}", folder / "train" / f"{s}.h5") for s in ("cubes", "teachers")), ())
    short = ("--cubes-seen", 8, "--batch", 8, "--validations", 1)
    synthetic.run("train", folder / "model", *files, *short)


def measured(name: str, command: tuple) -> dict:
    """The least seconds and peak memory of a command in RUNS processes of its own.

    The peak of the same work differs by a tenth from run to run, with what the memory allocator of
    the network's threads happens to leave unused.
    """
    runs = [once(command) for _ in range(RUNS)]
    return {"stage": name, **{key: min(run[key] for run in runs) for key in runs[0]}}


def once(command: tuple) -> dict:
    output = Path(command[1])
    output.unlink(missing_ok=True)
    done = subprocess.run(
        [sys.executable, __file__, "--command", json.dumps([str(word) for word in command])],
        env=os.environ | {"CUDA_VISIBLE_DEVICES": ""},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def run_command(words: list[str]) -> None:
    start = time.perf_counter()
    synthetic.run(*words)
    seconds = round(time.perf_counter() - start, 2)
    print(json.dumps({"seconds": seconds, "peak_mb": round(measure.peak_memory() / 1e6, 1)}))


def cases() -> list[tuple[str, int, int]]:
    """What grows, frames and objects in each."""
    longer = [("frames", FRAMES * times, 1) for times in TIMES]
    return longer + [("objects", FRAMES, times) for times in TIMES]


def growth(stages: list[str], scale: float) -> list[dict]:
    rows = []
    with tempfile.TemporaryDirectory(prefix="growth-") as top:
        model = Path(top) / "model"
        if "score" in stages:
            train(Path(top))
        for grows, frames, objects in cases():
            folder = Path(top) / f"{grows}-{frames}-{objects}"
            frames = round(frames * scale)
            write_case(folder, "test", frames, objects)
            list_clips(folder, "test")
            (folder / "model").symlink_to(model)
            for name in needed(stages):
                found = measured(name, stage(name, folder, "test", objects))
                if name in stages:
                    rows.append({"grows": grows, "frames": frames, "objects": objects, **found})
                    print(text(rows[-1]), flush=True)
    return rows


def needed(stages: list[str]) -> list[str]:
    """These stages and those before them; none needs the real detector's boxes."""
    last = max(map(ORDER.index, stages))
    return [name for name in ORDER[: last + 1] if name != "detect" or name in stages]


def text(row: dict) -> str:
    sizes = f"{row['frames']:>7} frames {row['objects']:>3} objects"
    return f"{row['stage']:<10}{sizes}{row['seconds']:>9.1f} s{row['peak_mb']:>9.0f} MB"


def series(rows: list[dict], grows: str, stage: str, key: str) -> list[float]:
    return [row[key] for row in rows if (row["grows"], row["stage"]) == (grows, stage)]


def draw(rows: list[dict], path: Path) -> None:
    """Time and memory over the factor of growth, a line for each stage."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "growth"  # equal figures, equal bytes
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, 2, figsize=(9, 6), sharex=True, layout="constrained")
    units = {"seconds": "time, s", "peak_mb": "peak memory, MB"}
    titles = {
        "frames": f"clips of {rows[0]['frames']} frames and more, 1 object in each",
        "objects": f"{rows[0]['frames']} frames with 1 object and more",
    }
    for column, (grows, title) in zip(axes.T, titles.items(), strict=True):
        column[0].set_title(title, fontsize=10)
        column[1].set_xlabel(f"times as many {grows}")
        for plot, (key, label) in zip(column, units.items(), strict=True):
            for stage in dict.fromkeys(row["stage"] for row in rows):
                sizes = series(rows, grows, stage, grows)
                times = [size / sizes[0] for size in sizes]
                plot.plot(times, series(rows, grows, stage, key), marker="o", label=stage)
            plot.set_ylabel(label)
            plot.set_xscale("log", base=4)
            plot.set_xticks(TIMES, [str(times) for times in TIMES])
        column[0].set_yscale("log")
        column[1].set_ylim(bottom=0)
    axes[0, 0].legend(fontsize=8)
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--stages", default=",".join(STAGES), help="comma-separated")
    parser.add_argument("--scale", type=float, default=1, help="times the stated number of frames")
    parser.add_argument("--output", type=Path, default=Path("results/growth.json"))
    parser.add_argument("--figure", type=Path, help="plot to write (.svg)")
    parser.add_argument("--command", type=json.loads, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.command:
        run_command(arguments.command)
        return
    rows = growth(arguments.stages.split(","), arguments.scale)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    about = measure.machine()
    arguments.output.write_text(json.dumps({"machine": about, "rows": rows}, indent=1) + "\n")
    if arguments.figure:
        draw(rows, arguments.figure)
    failed = False
    for name in arguments.stages.split(","):
        first, *_, last = series(rows, "frames", name, "peak_mb")
        failed |= last > ALLOWED * first
        print(f"{name:<10}memory at {TIMES[-1]} times the length: {last / first:.2f} times")
    sys.exit(int(failed))


if __name__ == "__main__":
    main()
