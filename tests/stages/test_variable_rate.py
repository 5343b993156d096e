"""What moves steadily is steady at a variable rate too, by all ways to its score."""

import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import cv2
import h5py
import numpy as np
import pytest
import torch
from footage import Pipeline, run

from ssmtl import detection
from ssmtl.core.device import chosen_device
from ssmtl.formats.features import MOTION, read_features
from ssmtl.learning import model as models
from ssmtl.networks import load
from ssmtl.scoring.fusion import Calibration
from ssmtl.scoring.objects import ScoringModel
from ssmtl.watching import sources, watch
from ssmtl.watching.settings import Scoring, Watch
from ssmtl.watching.stream import Scorer

sys.path += [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "workflow")]
from streams import write_lossless
from toy import HEIGHT, SIDE, WIDTH, write_detector

SPEED = 50  # pixels a second
EVEN = [number / 25 for number in range(24)]
# Steps of 20 to 100 ms, such as a phone's.
STEPS = [0.04, 0.02, 0.06, 0.02, 0.02, 0.1, 0.04, 0.08, 0.02, 0.1, 0.06, 0.04]
VARYING = np.cumsum([0, *STEPS, *STEPS[:-1]]).round(3).tolist()
FEATURES = {"network": "random", "size": 32, "batch": 64, "flow_size": WIDTH}


def panned(seed: int, times: list[float]) -> list[np.ndarray]:
    """A scene with two squares, seen by a camera that turns at constant speed."""
    rng = np.random.default_rng(seed)
    noise = cv2.GaussianBlur(rng.random((HEIGHT, WIDTH)).astype(np.float32), (0, 0), 1.5)
    grey = cv2.normalize(noise, None, 60, 110, cv2.NORM_MINMAX).astype(np.uint8)
    scene = np.repeat(grey[..., None], 3, 2)
    for row, left, colour in ((6, 30, 0), (44, 55, 2)):
        scene[row : row + SIDE, left : left + SIDE] //= 4
        scene[row : row + SIDE, left : left + SIDE, colour] += 180
    return [np.roll(scene, round(SPEED * time), 1) for time in times]


class Toy(Pipeline):
    """The stages with the toy detector, and a model of velocity alone."""

    cubes = ("--size", 16, "--radius", 2, "--max-gap", 2)

    def __init__(self, root: Path):
        super().__init__(root / "data", root / "results")
        write_detector(root / "detector")
        files = {k: str(root / f"detector/toy.{k}") for k in ("weights", "names")}
        self.detect = {"backend": "darknet", "image_size": 96, "iou": 0.1, **files}
        self.cfg = str(root / "detector/toy.cfg")

    def options(self, given: dict, prefix: str = "--") -> tuple:
        return sum(((f"{prefix}{k.replace('_', '-')}", v) for k, v in given.items()), ())

    def make_objects(self, split: str) -> None:
        found = *self.options(self.detect), "--backend-options.cfg", self.cfg
        self.make_frames(split, 0, "--encoding", "png")  # as `watch` sees them
        self.make_detections(split, 0, *found)
        self.make_cubes(split)
        self.make_teachers(split)
        self.make_features(split, 0, *self.options(FEATURES))


@pytest.fixture(scope="module")
def toy(tmp_path_factory) -> Toy:
    root = tmp_path_factory.mktemp("pan")
    for name, times in (
        ("train/a", EVEN),
        ("train/b", EVEN),
        ("test/e", EVEN),
        ("test/v", VARYING),
    ):
        path = root / "data" / f"{name}.mkv"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_lossless(path, panned(len(name + path.stem), times), times=times)
    ours = Toy(root)
    ours.make_manifest("--test-shards", 1)
    ours.make_objects("train")
    ours.make_objects("test")
    features = ("--features", ours.path("features"))
    ours.make_model("--tasks", "velocity", *features)
    ours.make_calibration(*features)
    ours.make_scores(0, "--features", ours.path("features", "test"))
    return ours


def test_a_steady_speed_is_steady_where_the_rate_varies(toy):
    """50 pixels a second are 2 within 40 ms, as the model has learnt, however long a step is."""
    model, _ = models.load(toy.weights)
    with (
        read_features(toy.path("features", "test")) as found,
        h5py.File(toy.path("cubes", "test")) as cubes,
    ):
        for clip, least in (("e", 1), ("v", 4)):
            rows = {name: torch.from_numpy(found[clip][name][:]) for name in MOTION}
            height = np.diff(cubes[clip]["box"][:, 1::2])[:, 0]
            step, frame = rows["step"].numpy()[:, 0], cubes[clip]["frame"][:]
            given = np.array(EVEN if clip == "e" else VARYING)
            assert np.allclose(step, np.diff(given)[frame]) and step.max() >= least * step.min()
            moved = rows["flow"].numpy().sum(1) * height
            assert np.allclose(moved, SPEED * step, rtol=0.2), "the flow itself is what it was"
            judged = model.judged(rows)["flow"].numpy()
            assert np.allclose(judged.sum(1) * height, SPEED * 0.04, rtol=0.2)
            if clip == "e":
                assert (judged == rows["flow"].numpy()).all(), "nothing changes at a constant rate"


def test_velocity_sees_nothing_odd_in_it(toy):
    """All move as the model has learnt, and would be far from it if frames were counted."""
    model, _ = models.load(toy.weights)
    with read_features(toy.path("features", "test")) as found, h5py.File(toy.scores()[0]) as file:
        scores = file["v"]["velocity"][:]
        rows = {name: torch.from_numpy(found["v"][name][:]) for name in MOTION}
    counted = rows | {"step": torch.zeros_like(rows["step"])}  # as if nobody knew the times
    unlike = model.tasks["velocity"].score({}, SimpleNamespace(targets=counted)).numpy()
    # The score of a distance d is d / (1 + d).
    apart, unlike = (np.median(score / (1 - score)) for score in (scores, unlike))
    assert apart < unlike / 50


def test_stage_frames_and_watch_give_the_same_scores(toy, tmp_path):
    direct = tmp_path / "direct.h5"
    files = [(f"--{s}", toy.path(s, "test")) for s in ("frames", "detections")]
    where = ("--model", toy.weights, "--calibration", toy.model / "calibration.h5")
    cubes = ("--cubes-size", 16, "--cubes-radius", 2)
    run(
        "score-frames",
        direct,
        *where,
        *sum(files, ()),
        *cubes,
        *toy.options(FEATURES, "--features-"),
    )
    settings = Scoring.parse(
        {
            "detect": toy.detect | {"backend_options": {"cfg": toy.cfg}},
            "cubes": {"size": 16, "radius": 2},
            "features": FEATURES,
        }
    )
    device = chosen_device()
    detector = detection.load_configured(settings.detect, device)
    model, _ = models.load(toy.weights)
    scoring = ScoringModel(model, device)
    scorer = Scorer(detector, scoring, Calibration({}), settings, device, load("random"))
    with h5py.File(toy.scores()[0]) as stored, h5py.File(direct) as made:
        for clip in "ev":
            path = toy.root / f"test/{clip}.mkv"
            stretches = [
                [frame for _, frame, *_ in watch.watched(segment, scorer)]
                for segment in sources.segments(path, Watch(), threading.Event())
            ]
            (watched,) = stretches
            assert len(watched) == len(EVEN)
            expected = stored[clip]["velocity"][:]
            assert len(expected) > 20
            for name in ("velocity", "speed"):
                np.testing.assert_allclose(made[clip][name][:], stored[clip][name][:], atol=1e-5)
            streamed = np.concatenate([frame.tasks["velocity"] for frame in watched])
            np.testing.assert_allclose(streamed, expected, atol=1e-4)
