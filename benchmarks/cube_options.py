"""What the constants of cubes, distillation and its score do, on the demo's development set.

    snakemake --cores all results/demo_dev/report.html
    python benchmarks/cube_options.py

Makes cubes, teachers, model and scores again from the frames and detections that are there, with
one setting changed at a time, and prints the AUC of the combined score: mean and standard
deviation over the seeds. Each setting starts at the stage that it belongs to; what comes before it
is taken from the unchanged run.
"""

import argparse
import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import yaml

from ssmtl import config
from ssmtl.core import store

ROOT = Path(__file__).parents[1]
DATASET, MODEL = "demo_dev", "best"
STAGES = ("cubes", "teachers", "train", "score", "evaluate")
OPTIONS = {
    "as configured": {},
    "gaps up to 2": {"cubes": {"max_gap": 2}},
    "gaps up to 6": {"cubes": {"max_gap": 6}},
    "t = 2": {"cubes": {"radius": 2}},
    "boxes enlarged 1.25": {"cubes": {"scale": 1.25}},
    "boxes below 0.7 confidence dropped": {"detect": {"confidence": 0.7}},
    "boxes inside others dropped": {"cubes": {"nested": 0.8}},
    "crops of 48 x 48": {"cubes": {"size": 48}},
    "cubes stored as JPEG": {"cubes": {"storage": "jpeg"}},
    "classes: this detector, enlarged crop": {
        "teachers": {
            "backend": "ultralytics",
            "weights": "workflow/models/demo-detector.pt",
            "image_size": 128,
        },
    },
    "classes: YOLOv3-tiny, enlarged crop": {
        "teachers": {
            "weights": "data/weights/yolov3-tiny.weights",
            "backend_options": {"cfg": "workflow/models/yolov3-tiny.cfg"},
            "names": "workflow/models/coco.names",
            "image_size": 128,
        },
    },
    "distillation weight 0.1": {"train": {"task_options": {"distillation": {"weight": 0.1}}}},
    "distillation weight 2": {"train": {"task_options": {"distillation": {"weight": 2.0}}}},
    "distillation score: sum": {"score": {"task_options": {"distillation": {"reduction": "sum"}}}},
}


def ssmtl(*words: object) -> None:
    command = [sys.executable, "-m", "ssmtl", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)


def altered(detections: Path, copy: Path, changes: dict) -> Path:
    """The detections of an option: fewer boxes, or none of their classes, as imported ones have."""
    confidence = changes.get("detect", {}).get("confidence", 0)
    imported = "weights" in changes.get("teachers", {})
    if not (confidence or imported):
        return detections
    if not copy.exists():
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(detections, copy)
        with h5py.File(copy, "r+") as file:
            for group in file.values():
                kept = group["confidence"][:] >= confidence
                for name in list(group):
                    values = group[name][:][kept]
                    del group[name]
                    group[name] = values
                mark = f"{store.attribute(group, 'digest')} {confidence}"
                store.set_attributes(group, digest=mark)
            if imported:
                store.set_attributes(file, classes="[]")
    return copy


def run(folder: Path, base: Path, changes: dict, seed: int, objects: int) -> dict:
    """The metrics of one option and seed; `base` has the unchanged stages' files."""
    tree = yaml.safe_load((ROOT / "config.yaml").read_text())
    settings = {s: config.settings(tree, s, DATASET, MODEL) | changes.get(s, {}) for s in STAGES}
    settings["train"] = settings["train"] | {"cubes_seen": objects}
    flags = {s: shlex.split(config.flags(values)) for s, values in settings.items()}
    first = min((STAGES.index(stage) for stage in changes if stage in STAGES), default=0)
    place = [folder if i >= first else base for i in range(len(STAGES))]
    data = ROOT / "results" / DATASET / "data"
    files = {}
    for split in ("train", "test"):
        here = data / split / "0"
        copy = folder / f"{split}_detections.h5"
        detections = altered(here / "detections.h5", copy, changes)
        cubes, teachers = place[0] / f"{split}_cubes.h5", place[1] / f"{split}_teachers.h5"
        source = ("--frames", here / "frames.h5", "--detections", detections)
        if not cubes.exists():
            ssmtl("cubes", cubes, *source, "--split", split, *flags["cubes"])
        if not teachers.exists():
            more = ("--cubes", cubes, "--split", split)
            ssmtl("teachers", teachers, *source, *more, *flags["teachers"])
        files[split] = ("--cubes", cubes, "--teachers", teachers)
    trained, scored = place[2] / f"seed{seed}", folder / f"seed{seed}"
    if not (trained / "model.safetensors").exists():
        ssmtl("train", trained, *files["train"], "--seed", seed, *flags["train"])
    if not (scored / "metrics.json").exists():
        model = ("--model", trained / "model.safetensors")
        ssmtl("calibrate", scored / "calibration.h5", *model, *files["train"], *flags["score"])
        known = ("--calibration", scored / "calibration.h5")
        ssmtl("score", scored / "scores.h5", *model, *known, *files["test"], *flags["score"])
        manifest = ROOT / "results" / DATASET / "manifest.csv"
        more = ("--manifest", manifest, "--scores", scored / "scores.h5", "--dataset", DATASET)
        ssmtl("evaluate", scored / "metrics.json", scored / "frames.csv", *more, *flags["evaluate"])
    metrics = json.loads((scored / "metrics.json").read_text())
    return metrics["scores"][metrics["border"]]["combined"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=ROOT / "results" / "cube_options")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--objects", type=int, default=3200, help="seen by each model")
    parser.add_argument("--options", nargs="+", default=list(OPTIONS), choices=list(OPTIONS))
    arguments = parser.parse_args()
    print(f"{'AUC, %':<40}{'micro':>14}{'macro (padded)':>18}", flush=True)
    base = arguments.folder / "base"
    for name in arguments.options:
        changes = OPTIONS[name]
        folder = arguments.folder / re.sub(r"\W+", "_", name) if changes else base
        found = [run(folder, base, changes, s, arguments.objects) for s in arguments.seeds]
        texts = []
        for metric in ("micro", "macro_padded"):
            values = 100 * np.array([row[metric] for row in found])
            spread = f" ± {values.std(ddof=1):.1f}" if len(values) > 1 else ""
            texts.append(f"{values.mean():.1f}{spread}")
        print(f"{name:<40}{texts[0]:>14}{texts[1]:>18}", flush=True)


if __name__ == "__main__":
    main()
