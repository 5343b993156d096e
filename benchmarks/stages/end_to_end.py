"""All of it: from an H.264 file to smoothed frame scores, as `ssmtl watch` makes them.

YOLOv3-tiny runs on every frame; since its weights are random here, the boxes that it is taken to
have found are made up, ten a frame. The paper has 51 frames per second [P], with the full YOLOv3.
"""

from pathlib import Path

import numpy as np
import synthetic
import torch
from measure import Case, best
from stages import detect
from stages.from_frames import write_model

from ssmtl import detection
from ssmtl.core.device import chosen_device
from ssmtl.learning import model as models
from ssmtl.media import video as media
from ssmtl.scoring.objects import ScoringModel
from ssmtl.stages.detect import limits_of
from ssmtl.watching.frame_scores import scored_frames
from ssmtl.watching.settings import Scoring
from ssmtl.watching.stream import Scorer

UNIT = "frames"
DEVICES = ("cpu", "cuda")
FRAMES = {"cpu": 60, "cuda": 4000}
SIZE = 64  # of the crops, as in the paper


def prepare(folder: Path, scale: float) -> None:
    synthetic.write_video(folder / "clip.mp4", round(FRAMES[chosen_device().type] * scale))
    detect.write_weights(folder / "tiny.weights", detect.MODELS / "yolov3-tiny.cfg")
    write_model(folder, [str(number) for number in range(80)], SIZE)


def planted(detector: detection.Detector) -> detection.Detector:
    """The detector with the same ten objects in every picture, apart from what it sees."""
    boxes = next(iter(synthetic.boxes(1)))
    scale = detector.image_size / synthetic.WIDTH
    boxes = torch.from_numpy(boxes * scale).float().to(detector.device)
    network = detector.raw

    def raw(images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        box, objectness, probs = (each.clone() for each in network(images))
        count = len(boxes)
        objectness.zero_()
        box[:, :count], objectness[:, :count], probs[:, :count] = boxes, 1, 0.9
        return box, objectness, probs

    detector.raw = raw
    return detector


def scorer(folder: Path) -> Scorer:
    device = chosen_device()
    # At an IoU of 1 none of the ten is suppressed by another.
    settings = Scoring.parse({"cubes": {"size": SIZE}, "detect": {"iou": 1.0}})
    model, _ = models.load(folder / "model.safetensors")
    options = {k: v for k, v in detect.options("tiny", folder).items() if k != "confidence"}
    found = detection.load(**options, device=device)
    model = ScoringModel(model.to(device), device, "auto", "auto")
    return Scorer(planted(found), model, {}, settings, device)


def video_to_scores(folder: Path) -> tuple[int, float]:
    ours = scorer(folder)

    def work() -> int:
        scores = [
            smoothed
            for _, _, smoothed in scored_frames(media.video_frames(folder / "clip.mp4"), ours)
        ]
        assert np.isfinite(scores).all()
        return len(scores)

    return best(work)


def detection_alone(folder: Path) -> tuple[int, float]:
    """YOLOv3-tiny on pictures that are ready, and the scoring network on cubes that are."""
    ours = scorer(folder)
    pictures = list(synthetic.pictures(32))
    limits = limits_of(ours.settings.detect)
    rounds = FRAMES[chosen_device().type] // len(pictures) or 1

    def work() -> int:
        for _ in range(rounds):
            detection.detect(ours.detector, pictures, **limits)
        return rounds * len(pictures)

    return best(work)


CASES = [
    Case("ours", "video", f"video to frame scores, 10 objects a frame, {SIZE} x {SIZE}",
         video_to_scores),
    Case("limit", "video", "detection alone", detection_alone),
]  # fmt: skip
