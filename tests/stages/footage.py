"""A tiny data set in the layout of the `videos` reader: rectangles that move, and their boxes.

Train: two folders of JPEG images and one video; test: a folder of PNG images with an anomaly
and a normal folder of JPEG images. With three test shards one is empty.
"""

import csv
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from ssmtl import cli
from ssmtl.datasets.clips import shards_of

WIDTH, HEIGHT = 64, 48
TRAIN = {"a": 26, "b": 24, "film": 25}
TEST = {"x": 30, "y": 25}
TEST_SHARDS = 3
X_SHARD = shards_of(TEST, TEST_SHARDS)["x"]
ANOMALY = (10, 19)  # of test clip x
CLASSES = ["square", "person"]
COLUMNS = ["clip", "frame", "x1", "y1", "x2", "y2", "confidence", "p_square", "p_person"]


def run(*arguments) -> None:
    """One command of the tool, in this process."""
    cli.main([str(argument) for argument in arguments])


def boxes_of(clip: str, frame: int) -> list[tuple[float, float, float, float]]:
    """One object in every frame, fast where it is anomalous, and a second one in every other."""
    seed = sum(map(ord, clip)) % 5
    speed = 3.0 if clip == "x" and ANOMALY[0] <= frame <= ANOMALY[1] else 0.75
    x, y = 2 + (seed + speed * frame) % 40, 5 + seed
    first = (x, y, x + 9.5, y + 17)
    second = (50 - frame, 20 + seed, 61 - frame, 40.25)
    return [first, second] if frame % 2 else [first]


def picture(clip: str, frame: int) -> np.ndarray:
    """uint8 (HEIGHT, WIDTH, 3) RGB: a gradient with the objects on it."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    image = np.stack((rows * 3, columns * 2, rows + columns), -1).astype(np.uint8)
    for number, box in enumerate(boxes_of(clip, frame)):
        x1, y1, x2, y2 = (round(value) for value in box)
        image[y1:y2, x1:x2] = (230, 40 + 7 * frame, 90) if number else (250, 240, 8 * frame)
    return image


def write_folder(folder: Path, clip: str, frames: int, suffix: str = ".jpg") -> None:
    folder.mkdir(parents=True)
    for frame in range(frames):
        path = folder / f"{frame:03d}{suffix}"
        cv2.imwrite(str(path), cv2.cvtColor(picture(clip, frame), cv2.COLOR_RGB2BGR))


def write_video(path: Path, clip: str, frames: int, codec: str = "mjpeg") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=Fraction(20))
        stream.width, stream.height = WIDTH, HEIGHT
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for frame in range(frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(clip, frame))))
        container.mux(stream.encode(None))


def write_boxes(path: Path, clips: dict[str, int]) -> None:
    """The CSV of the imported detector; the class vector changes from frame to frame."""
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        for clip, frames in clips.items():
            for frame in range(frames):
                for number, box in enumerate(boxes_of(clip, frame)):
                    probabilities = (0.9 - 0.01 * frame, 0.1) if number else (0.05, 0.8)
                    table.writerow([clip, frame, *box, 0.9, *probabilities])


def write_dataset(root: Path) -> None:
    for clip, frames in TRAIN.items():
        if clip == "film":
            write_video(root / "train" / "film.avi", clip, frames)
        else:
            write_folder(root / "train" / clip, clip, frames)
    for clip, frames in TEST.items():
        write_folder(root / "test" / clip, clip, frames, ".png" if clip == "x" else ".jpg")
    lines = ["clip,first,last,kind", f"x,{ANOMALY[0]},{ANOMALY[1]},fast", "y,,,"]
    (root / "labels.csv").write_text("\n".join(lines) + "\n")
    write_boxes(root / "train.csv", TRAIN)
    write_boxes(root / "test.csv", TEST)


class Pipeline:
    """The stages of one data set, run by their commands; `path` names their files."""

    cubes = ("--size", 16)
    teachers = ("--resnet", "random", "--resnet-size", 32)
    train = ("--cubes-seen", 32, "--batch", 8, "--validations", 2)

    def __init__(self, root: Path, results: Path):
        self.root, self.results = root, results

    def path(self, stage: str, split: str = "train", shard: int = 0) -> Path:
        return self.results / split / str(shard) / f"{stage}.h5"

    @property
    def manifest(self) -> Path:
        return self.results / "manifest.csv"

    @property
    def model(self) -> Path:
        return self.results / "model"

    @property
    def metrics(self) -> tuple[Path, Path]:
        return self.model / "metrics.json", self.model / "frame_scores.csv"

    def scores(self, shards=range(TEST_SHARDS)) -> list[Path]:
        return [self.model / "scores" / f"{shard}.h5" for shard in shards]

    def make_manifest(self, *options) -> None:
        shards = () if "--test-shards" in options else ("--test-shards", TEST_SHARDS)
        reader = ("--dataset", "tiny", "--reader", "videos", "--path", self.root)
        run("manifest", self.manifest, *reader, *shards, *options)

    def make_frames(self, split="train", shard=0, *options) -> None:
        output = self.path("frames", split, shard)
        where = ("--manifest", self.manifest, "--split", split, "--shard", shard)
        run("frames", output, *where, *options)

    def make_detections(self, split="train", shard=0, *options) -> None:
        where = ("--frames", self.path("frames", split, shard))
        if not options:
            options = ("--backend", "imported", "--boxes", self.root / f"{split}.csv")
        run("detect", self.path("detections", split, shard), *where, *options)

    def make_cubes(self, split="train", shard=0, *options) -> None:
        files = [(f"--{s}", self.path(s, split, shard)) for s in ("frames", "detections")]
        output = self.path("cubes", split, shard)
        run("cubes", output, *sum(files, ()), "--split", split, *(options or self.cubes))

    def make_teachers(self, split="train", shard=0, *options) -> None:
        files = [(f"--{s}", self.path(s, split, shard)) for s in ("frames", "detections", "cubes")]
        output = self.path("teachers", split, shard)
        run("teachers", output, *sum(files, ()), "--split", split, *(options or self.teachers))

    def make_features(self, split="train", shard=0, *options) -> None:
        files = [(f"--{s}", self.path(s, split, shard)) for s in ("frames", "cubes")]
        run(
            "features",
            self.path("features", split, shard),
            *sum(files, ()),
            "--split",
            split,
            *options,
        )

    def make_model(self, *options) -> None:
        files = ("--cubes", self.path("cubes"), "--teachers", self.path("teachers"))
        run("train", self.model, *files, *(options or self.train))

    def make_calibration(self, *options) -> None:
        files = ("--cubes", self.path("cubes"), "--teachers", self.path("teachers"))
        run("calibrate", self.model / "calibration.h5", "--model", self.weights, *files, *options)

    @property
    def weights(self) -> Path:
        return self.model / "model.safetensors"

    def make_scores(self, shard=0, *options) -> None:
        files = [(f"--{s}", self.path(s, "test", shard)) for s in ("cubes", "teachers")]
        where = ("--model", self.weights, "--calibration", self.model / "calibration.h5")
        run("score", self.scores()[shard], *where, *sum(files, ()), *options)

    def make_metrics(self, *options) -> None:
        where = ("--manifest", self.manifest, "--dataset", "tiny", "--model-name", "small")
        run("evaluate", *self.metrics, *where, "--scores", *self.scores(), *options)

    def make_all(self) -> "Pipeline":
        self.make_manifest()
        for split, shards in (("train", range(1)), ("test", range(TEST_SHARDS))):
            for shard in shards:
                self.make_frames(split, shard)
                self.make_detections(split, shard)
                self.make_cubes(split, shard)
                self.make_teachers(split, shard)
        self.make_model()
        self.make_calibration()
        for shard in range(TEST_SHARDS):
            self.make_scores(shard)
        self.make_metrics()
        return self


def leftovers(folder: Path) -> list[str]:
    """Temporary files that something left behind."""
    return [
        str(path) for path in folder.rglob("*") if ".tmp" in path.name or ".part" in path.suffix
    ]
