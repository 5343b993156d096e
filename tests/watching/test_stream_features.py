"""Tasks without training give a stream's objects the scores that scoring from frames gives them."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from ssmtl import detection
from ssmtl.formats.features import DIRECTIONS
from ssmtl.learning import model as models
from ssmtl.media.video import Frame
from ssmtl.networks import load
from ssmtl.scoring import from_frames
from ssmtl.scoring.fusion import Calibration, quantiles_of
from ssmtl.scoring.objects import ScoringModel, clip_scores
from ssmtl.stages import cubes
from ssmtl.stages.detect import limits_of
from ssmtl.stages.settings import Teachers
from ssmtl.watching.settings import Scoring
from ssmtl.watching.stream import Scorer, score_stream

sys.path.append(str(Path(__file__).parents[1] / "workflow"))
from toy import HEIGHT, WIDTH, write_detector

TASKS, FRAMES, SIZE = ["velocity", "arrow_of_time", "appearance"], 24, 16


class Footage:
    """Moving squares that the toy detector sees, read like a clip's frames at these times."""

    width, height = WIDTH, HEIGHT

    def __init__(self, time):
        self.time = time
        rng = np.random.default_rng(0)
        self.pictures = []
        for number in range(FRAMES):
            picture = rng.integers(90, 110, (HEIGHT, WIDTH, 3), np.uint8)
            for row, colour in ((8, (255, 0, 0)), (40, (0, 0, 255))):
                left = 4 + (2 + row // 40) * number
                picture[row : row + 14, left : left + 14] = colour
            self.pictures.append(picture)

    def __len__(self):
        return FRAMES

    def decoded(self, start=0, stop=None):
        return iter(self.pictures[start:stop])


EVEN = np.arange(FRAMES) / 25
TIMES = {"constant": EVEN, "variable": EVEN**2 + EVEN / 4, "unknown": 0 * EVEN}


@pytest.mark.parametrize("time", TIMES.values(), ids=TIMES)
def test_a_stream_scores_as_the_clip(tmp_path, time):
    write_detector(tmp_path / "detector")
    files = {k: str(tmp_path / f"detector/toy.{k}") for k in ("weights", "names")}
    files["backend_options"] = {"cfg": str(tmp_path / "detector/toy.cfg")}
    detect = {"backend": "darknet", "image_size": 96, "iou": 0.1, "batch": 4}
    settings = Scoring.parse(
        {
            "detect": detect | files,
            "cubes": {"size": SIZE, "radius": 2},
            "features": {"network": "random", "size": 32},
            "score": {"fusion": "evidence", "batch": 5},
        }
    )
    device, footage = torch.device("cpu"), Footage(time)
    detector = detection.load_configured(settings.detect, device)
    torch.manual_seed(0)
    model = models.build(
        {
            "tasks": TASKS,
            "task_options": {},
            "encoder": "cnn3d",
            "encoder_options": {"depth": "shallow", "width": "narrow"},
            "size": SIZE,
            "radius": 2,
            "max_gap": 2,
            "classes": list(detector.classes),
        }
    )
    normal = {"flow": torch.rand(30, DIRECTIONS) / 10, "embedding": torch.rand(30, 2048)}
    normal |= {"step": torch.full((30, 1), 0.04), "height": torch.rand(30, 1)}
    for task in model.tasks.values():
        task.fit(normal)
    scoring = ScoringModel(model.eval(), device)
    known = Calibration({name: quantiles_of(np.linspace(0, 1, 50)) for name in TASKS})
    network = load("random")
    scorer = Scorer(detector, scoring, known, settings, device, network)
    limits = limits_of(settings.detect)
    found = [b for p in footage.pictures for b in detection.detect(detector, [p], **limits)]
    frame = np.repeat(np.arange(FRAMES), [len(boxes) for boxes in found])
    whole = (frame >= 2) & (frame < FRAMES - 2)
    every = (np.concatenate([getattr(b, name) for b in found]) for name in ("box", "class_probs"))
    box, probs = every
    kept = whole & cubes.kept(box, frame, settings.cubes)
    objects = from_frames.Objects(frame[kept], box[kept], probs[kept])
    seen = from_frames.Seen(None, network, model.measured)
    stages = from_frames.Stages(settings.cubes, Teachers(), settings.features)
    batches = from_frames.batches(footage, objects, seen, stages, 7, device)
    expected = clip_scores(ScoringModel(model, device), batches, "footage")
    frames = list(score_stream(map(Frame, footage.pictures, time.tolist()), scorer))
    assert len(frames) == FRAMES and len(objects.frame) > 20
    for name in TASKS:
        streamed = np.concatenate([each.tasks[name] for each in frames])
        np.testing.assert_allclose(streamed, expected[name], atol=1e-4)
        assert len(np.unique(streamed)) > 1
