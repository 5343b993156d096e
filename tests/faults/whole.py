"""A toy project in which every stage runs, and the command of each as its rule gives it."""

import os
import re
import shlex
import shutil
import sys
from pathlib import Path

import cv2
import numpy as np
from forks import context
from toy import CONFIG, WATCHER, Project

RUN = "results/toy/models/tiny/seed0"
RELEASE = "results/toy/release/tiny/seed0"
SHORT = {"cubes_seen": 32, "batch": 8, "validations": 2, "checkpoint_steps": 2}
PICTURES = {
    "encoder": "wideresnet",
    "encoder_options": {"depth": 10, "widen": 1},
    "tasks": ["rotation", "appearance"],
    "validation": 0.2,
}
MODELS = {
    "tiny": {
        "train": SHORT | {"tasks": ["middle_box", "arrow_of_time", "velocity"]},
        "score": {"fusion": "ecdf"},
        "evaluate": {"sigma": 2, "filter_size": 3},
    },
    "turned": {"train": SHORT | PICTURES},
}
VARIANT = {"groups": ["options"], "seeds": [0], "variants": {"raw": {"evaluate": {"sigma": 0}}}}
TOY = CONFIG["datasets"]["toy"] | {
    "features": {"network": "random", "size": 32, "flow_size": 32},
    "ablation": VARIANT,
    "sensitivity": {"cell": [2], "filter_size": [1], "sigma": [0], "fusion": ["mean"]},
}
DEMO = {"seed": 0, "split_role": "test", "train_clips": 1, "test_clips": 1}
WHOLE = CONFIG | {
    "models": MODELS,
    "datasets": {
        "toy": TOY,
        "demo": {
            "reader": "demo",
            "models": ["tiny"],
            "options": DEMO | {"train_frames": 60, "test_frames": 60},
        },
    },
    "image_datasets": {"turns": {"reader": "image_folder", "models": ["turned"]}},
    "images": {"size": 16},
}
TARGETS = (
    *(f"results/toy/{page}.html" for page in ("report", "ablation", "sensitivity")),
    *("results/turns/one_vs_all.html", "results/summary.html", "data/demo/scenes.json"),
    *(f"{RUN}/history.svg", "results/toy/figures/tiny/seed0/roc.svg"),
    *("results/toy/videos/tiny/seed0", f"{WATCHER}/watcher.json", f"{RELEASE}/README.md"),
)
# Test clips scored straight from their frames, with the model that was released.
TAKEN = TOY | {"from_frames": True, "path": "data/toy", "shards": {}}
TAKEN |= {"released": {"tiny": RELEASE}}
JOB = re.compile(r"^(?:local)?rule (\w+):\n(?: {4}.*\n)*?.*-m ssmtl (.*) 2>&1", re.M)
KEPT = ("results", "data", "detector")  # what commands read and write
READ = "workflow"  # what they read only: files of networks

Job = tuple[str, list[str]]  # the rule, the words of its command


def make(folder: Path) -> list[Job]:
    """The project with all of its results; every job of it, in the order that they ran."""
    project = Project.make(folder, WHOLE)
    write_pictures(project.path("data/turns"))
    done = run_all(project, TARGETS)
    project.change(TAKEN, "datasets", "taken")
    return done + run_all(project, ["results/taken/models/tiny/seed0/metrics.json"])


def write_pictures(folder: Path) -> None:
    rng = np.random.default_rng(0)
    for split, count in (("train", 16), ("test", 4)):
        for kind in ("up", "left"):
            place = folder / split / kind
            place.mkdir(parents=True)
            for number in range(count):
                picture = rng.integers(0, 90, (16, 16, 3), np.uint8)
                picture[: 5 if kind == "up" else None, : 5 if kind == "left" else None] += 160
                cv2.imwrite(str(place / f"{number:02d}.png"), picture)


def run_all(project: Project, targets) -> list[Job]:
    """Runs what Snakemake would run for the targets; without its own start for each job."""
    plan = project.snakemake("--dry-run", "--printshellcmds", "--quiet", "reason", "--", *targets)
    assert plan.returncode == 0, plan.stdout
    jobs = [(rule, shlex.split(words)) for rule, words in JOB.findall(plan.stdout)]
    assert jobs, plan.stdout
    for rule, words in jobs:
        process = context.Process(target=run, args=(project.folder, words))
        process.start()
        process.join()
        assert process.exitcode == 0, rule
    return jobs


def run(folder: Path, words: list[str]) -> None:
    """The body of a process: a command in a project's folder."""
    import torch

    from ssmtl import cli

    os.chdir(folder)
    torch.set_num_threads(1)
    cli.main(words)


def copied(project: Path, folder: Path) -> Path:
    """A copy of what commands read and write, beside a link to what they only read."""
    for name in KEPT:
        shutil.copytree(project / name, folder / name)
    (folder / READ).symlink_to(project / READ)
    return folder


if __name__ == "__main__":
    make(Path(sys.argv[1]))
