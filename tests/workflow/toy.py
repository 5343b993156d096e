"""A toy project: a copy of the repository's code beside a tiny data set and a config of its own.

The clips are folders of small PNG images, grey noise with moving red and blue squares. The
detector is a Darknet network of two convolutions with weights that see saturated colours.
"""

import ast
import json
import os
import re
import shutil
import struct
import subprocess
import sys
from collections import Counter
from multiprocessing.process import BaseProcess
from pathlib import Path

import cv2
import numpy as np
import yaml
from forks import context

ROOT = Path(__file__).parents[2]
CODE = ("Snakefile", "rules", "workflow", "envs", "pyproject.toml")
WATCHER = "results/toy/watcher/tiny/seed0"
VIDEOS = "results/toy/videos/tiny/seed0"
HEIGHT, WIDTH, FRAMES, SIDE = 72, 96, 24, 14

TRAIN, TEST = ("a", "b", "c"), ("01", "04", "05")  # shard 0 has 01 and 05, shard 1 has 04
NEW = "06"  # a test clip that comes later, of shard 1

# The jobs are too small for two threads: most of their time is the start of Python.
PARALLEL = ("detect", "cubes", "teachers", "train", "calibrate", "score")
ONE_THREAD = ("--resources", "gpu=2", "--set-threads", *(f"{rule}=1" for rule in PARALLEL))

CONFIG = {
    "run": {"datasets": ["toy"], "seeds": [0]},
    "models": {
        "tiny": {
            "train": {"cubes_seen": 64, "batch": 8, "validations": 2, "checkpoint_steps": 2},
            "score": {"fusion": "ecdf"},
            "evaluate": {"sigma": 2, "filter_size": 3},
        }
    },
    "datasets": {
        "toy": {
            "reader": "videos",
            "models": ["tiny"],
            "shards": {"test": 2},
            "detect": {
                "backend": "darknet",
                "weights": "detector/toy.weights",
                "backend_options": {"cfg": "detector/toy.cfg"},
                "names": "detector/toy.names",
                "image_size": 96,
                "confidence": 0.5,
                "iou": 0.1,
            },
            "cubes": {"size": 16, "radius": 2, "max_gap": 3},
            "teachers": {"resnet": "random", "resnet_size": 32},
        }
    },
}

CFG = """\
[net]
channels=3

[convolutional]
filters=6
size=8
stride=8
activation=leaky

[convolutional]
filters=7
size=1
stride=1
activation=linear

[yolo]
mask=0
anchors=16,16
classes=2
"""


def write_detector(folder: Path) -> None:
    """A network with one candidate per 8x8 cell, an object where red or blue prevails."""
    differences = np.zeros((6, 3, 8, 8), np.float32)
    for row, (plus, minus) in enumerate([(0, 1), (1, 0), (0, 2), (2, 0), (1, 2), (2, 1)]):
        differences[row, plus], differences[row, minus] = 1 / 64, -1 / 64
    outputs = np.zeros((7, 6), np.float32)  # x, y, width, height, objectness, red, blue
    outputs[4], outputs[5, 2], outputs[6, 3] = 8, 8, 8
    biases = np.array([0, 0, 0, 0, -4, -1, -1], np.float32)
    values = [np.zeros(6, np.float32), differences, biases, outputs]
    folder.mkdir()
    (folder / "toy.cfg").write_text(CFG)
    (folder / "toy.names").write_text("red\nblue\n")
    (folder / "toy.weights").write_bytes(
        struct.pack("<iiiq", 0, 2, 0, 0) + b"".join(v.astype("<f4").tobytes() for v in values)
    )


def write_clip(folder: Path, seed: int) -> None:
    """FRAMES images of two squares that cross the picture; a fast one stands for an anomaly."""
    rng = np.random.default_rng(seed)
    ground = np.repeat(rng.integers(60, 110, (HEIGHT, WIDTH, 1), np.uint8), 3, axis=2)
    folder.mkdir(parents=True)
    for number in range(FRAMES):
        picture = ground.copy()
        for colour, row, speed in ((2, 6 + seed % 9, 2), (0, 44, 3)):
            left = (5 * seed + speed * number) % (WIDTH - SIDE)
            picture[row : row + SIDE, left : left + SIDE] = 30
            picture[row : row + SIDE, left : left + SIDE, colour] = 230
        cv2.imwrite(str(folder / f"{number:03d}.png"), picture)


def write_truth(root: Path, clip: str, first: int, last: int) -> None:
    """A track and the masks of an anomaly in one place from frame `first` to `last`."""
    x, y = 30, 30
    lines = [f"1,{t},{x},{y},{x + 30},{y + 30}\n" for t in range(first, last + 1)]
    masks = np.zeros((FRAMES, HEIGHT, WIDTH), np.uint8)
    masks[first : last + 1, y : y + 30, x : x + 30] = 1
    for name in ("tracks", "masks"):
        (root / name).mkdir(exist_ok=True)
    (root / "tracks" / f"{clip}.txt").write_text("".join(lines))
    np.save(root / "masks" / f"{clip}.npy", masks)


class Project:
    """A folder in which Snakemake runs as in the repository."""

    def __init__(self, folder: Path):
        self.folder = folder

    @classmethod
    def make(cls, folder: Path, config: dict = CONFIG) -> "Project":
        folder.mkdir(parents=True)
        leave = shutil.ignore_patterns("__pycache__", "*.pt", "*.egg-info")
        for name in CODE:
            source = ROOT / name
            copy = shutil.copy2 if source.is_file() else shutil.copytree
            copy(source, folder / name, **({} if source.is_file() else {"ignore": leave}))
        write_detector(folder / "detector")
        for split, clips in (("train", TRAIN), ("test", TEST)):
            for seed, clip in enumerate(clips, 1 if split == "train" else 11):
                write_clip(folder / "data/toy" / split / clip, seed)
        labels = "clip,first,last,kind\n01,5,12,running\n04,,,\n05,8,20,\n"
        (folder / "data/toy/labels.csv").write_text(labels)
        write_truth(folder / "data/toy", "01", 5, 12)
        write_truth(folder / "data/toy", "05", 8, 20)
        project = cls(folder)
        project.configure(config)
        return project

    def copied(self, folder: Path) -> "Project":
        shutil.copytree(self.folder, folder)
        return Project(folder)

    def path(self, name: str) -> Path:
        return self.folder / name

    def configure(self, config: dict) -> None:
        self.path("config.yaml").write_text(yaml.safe_dump(config))

    def change(self, value, *keys: str) -> None:
        """Sets one key of the config, given by its path."""
        config = yaml.safe_load(self.path("config.yaml").read_text())
        section = config
        for key in keys[:-1]:
            section = section.setdefault(key, {})
        section[keys[-1]] = value
        self.configure(config)

    def start(self, *arguments: str) -> BaseProcess:
        """Snakemake in a session of its own; all that it says goes to the file `output`."""
        words = ["--cores", "2", *arguments]
        process = context.Process(target=be_snakemake, args=(self.folder, words), daemon=True)
        process.start()
        return process

    def output(self) -> str:
        """What the Snakemake that was started last has said, its jobs included."""
        return self.path("output").read_text()

    def snakemake(self, *arguments: str) -> subprocess.CompletedProcess:
        """Runs Snakemake to its end; standard output and standard error together."""
        process = self.start(*arguments)
        process.join()
        return subprocess.CompletedProcess(arguments, process.exitcode, self.output())

    def build(self, *arguments: str) -> str:
        """A run that must succeed."""
        done = self.snakemake(*arguments, *ONE_THREAD)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def planned(self, *arguments: str) -> Counter:
        """The jobs of a dry run: (rule, shard) -> number, the shard as in `test/1`, or ""."""
        done = self.snakemake("--dry-run", *arguments)
        assert done.returncode == 0, done.stdout
        text = done.stdout
        blocks = re.findall(r"^(?:local)?rule (\w+):\n((?: {4}.*\n)+)", text, re.M)
        jobs = Counter((rule, shard(block)) for rule, block in blocks)
        assert bool(jobs) != ("Nothing to be done" in text), text
        return jobs

    def metrics(self) -> dict:
        return json.loads(self.path("results/toy/models/tiny/seed0/metrics.json").read_text())


def be_snakemake(folder: Path, arguments: list[str]) -> None:
    """The body of a process: what `python -m snakemake` does in a folder."""
    os.setsid()
    os.chdir(folder)
    with open("output", "wb") as output:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(output.fileno(), stream.fileno())
    # The project has a copy of the package of its own.
    for name in [name for name in sys.modules if name.split(".")[0] == "ssmtl"]:
        del sys.modules[name]
    sys.argv = ["snakemake", *arguments]
    from snakemake.cli import main

    main()


def shard(block: str) -> str:
    """The split and the shard among the wildcards that Snakemake prints for a job."""
    wildcards = dict(re.findall(r"(\w+)=([\w-]+)", re.search(r"wildcards: (.*)|$", block)[0]))
    if "shard" not in wildcards:
        return ""
    return f"{wildcards.get('split', 'test')}/{wildcards['shard']}"


def insert_statement(path: Path, function: str) -> None:
    """Puts a `pass` at the start of a function: another program, the same results."""
    text = path.read_text()
    node = next(
        n
        for n in ast.walk(ast.parse(text))
        if isinstance(n, ast.FunctionDef) and n.name == function
    )
    lines = text.splitlines(keepends=True)
    lines.insert(node.body[-1].lineno - 1, f"{' ' * node.body[-1].col_offset}pass\n")
    path.write_text("".join(lines))
