"""Training of the demo's own detector: a narrow YOLOv3-tiny for the synthetic scenes.

Ultralytics gives the network and the loss; the loop is here, because it needs no files, no run
folder and no augmentation but a mirror and the light. The frames come from the scenes' role
"detector", whose random numbers no clip of a demo shares. The weights are offered under
AGPL-3.0, as Ultralytics' licence asks.
"""

import io
import json
import logging
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torchvision.ops import box_iou

# First, for it keeps Ultralytics offline.
from ssmtl.detection import ultralytics as backend  # isort: skip
import ultralytics
from ultralytics.cfg import get_cfg
from ultralytics.nn.tasks import DetectionModel
from ultralytics.utils.metrics import ap_per_class

from ssmtl.core.progress import progress
from ssmtl.core.store import replacing
from ssmtl.demo.camera import clip_box
from ssmtl.demo.dataset import in_parallel
from ssmtl.demo.render import CLASSES, render_film
from ssmtl.detection.base import Boxes, Letterbox, detect, letterbox

log = logging.getLogger(__name__)

WIDTH_MULTIPLE = 0.25
BATCH, LEARNING_RATE, WEIGHT_DECAY, EMA_DECAY = 8, 3e-3, 5e-4, 0.995
LEAST_VISIBLE = 0.25  # of an object, to be worth finding
HELD_OUT_FIRST, HELD_OUT_SCENES = 10_000, 24  # clip numbers that training never reaches
FRAME_RATE = 1.5  # frames a second, so that a scene's frames differ
CONFIDENCE, IOU = 0.3, 0.5
# One anomaly a scene; wheels and loads more often than in a demo, for classes need examples.
KINDS = ("cycling", "carrying", "vehicle", "carrying", "cycling", "vehicle", "running", "falling")


@dataclass(frozen=True)
class Frames:
    """images: uint8 (N, H, W, 3) RGB; targets: per image float32 (K, 6), class, box in pixels as
    x1 y1 x2 y2, and the visible part of the object."""

    images: np.ndarray
    targets: list[np.ndarray]


def train(
    output: Path,
    *,
    seed: int,
    scenes: int,
    frames_per_scene: int,
    epochs: int,
    image_size: int,
    jobs: int,
) -> None:
    """Train the detector and write its weights to `output`, its figures to a .json beside them.

    scenes, frames_per_scene: how much is rendered to learn from. image_size: the detector's
    longest side in pixels. jobs: processes that render; training itself takes one thread, so
    that the weights do not depend on `jobs`.
    """
    output = Path(output)
    data = rendered(seed, range(scenes), frames_per_scene, jobs)
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    model = fitted(network(), data, epochs, image_size, np.random.default_rng(seed))
    with replacing(output) as path:
        path.write_bytes(checkpoint(model, image_size))
    held_out = range(HELD_OUT_FIRST, HELD_OUT_FIRST + HELD_OUT_SCENES)
    figures = evaluated(output, rendered(seed, held_out, frames_per_scene, jobs), image_size)
    settings = {
        "seed": seed,
        "training_images": len(data.images),
        "epochs": epochs,
        "image_size": image_size,
        "parameters": sum(p.numel() for p in model.parameters()),
        "torch": torch.__version__.split("+")[0],
        "ultralytics": ultralytics.__version__,
    }
    with replacing(output.with_suffix(".json")) as path:
        path.write_text(json.dumps(settings | figures, indent=2) + "\n")


def rendered(seed: int, clips: range, frames: int, jobs: int) -> Frames:
    """`frames` frames of each clip, with what a detector should find in them."""
    parts = in_parallel(render_scene, [(seed, clip, frames) for clip in clips], jobs)
    return Frames(
        np.concatenate([part.images for part in parts]),
        [target for part in parts for target in part.targets],
    )


def render_scene(job: tuple[int, int, int]) -> Frames:
    seed, clip, frames = job
    video, boxes = render_film(
        seed, "detector", clip, frames, (KINDS[clip % len(KINDS)],), FRAME_RATE
    )
    found = [[] for _ in video]
    for box in boxes:
        if box.visible >= LEAST_VISIBLE:
            row = (CLASSES.index(box.name), *clip_box(box.xyxy), box.visible)
            found[box.frame].append(row)
    rng = np.random.default_rng([seed, clip])
    images = np.stack([recompressed(image, rng.integers(75, 98)) for image in video])
    return Frames(images, [np.array(rows, np.float32).reshape(-1, 6) for rows in found])


def recompressed(image: np.ndarray, quality: int) -> np.ndarray:
    """The image as it looks after JPEG, for the pipeline may store frames so."""
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(quality)])
    return cv2.imdecode(data, cv2.IMREAD_COLOR)


def network() -> DetectionModel:
    """An untrained YOLOv3-tiny with a quarter of the channels and our classes."""
    folder = Path(ultralytics.__file__).parent / "cfg" / "models" / "v3"
    layout = ultralytics.utils.YAML.load(folder / "yolov3-tiny.yaml")
    layout |= {"nc": len(CLASSES), "width_multiple": WIDTH_MULTIPLE}
    layout.pop("yaml_file", None)
    model = DetectionModel(layout, verbose=False)
    model.names = dict(enumerate(CLASSES))
    model.args = get_cfg()  # the loss takes its gains from here
    return model.to(memory_format=torch.channels_last)


def fitted(
    model: DetectionModel, data: Frames, epochs: int, image_size: int, rng: np.random.Generator
) -> DetectionModel:
    """The model after training; its weights are a running mean over the last steps."""
    steps = epochs * (len(data.images) // BATCH)
    optimiser = torch.optim.AdamW(model.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, total_steps=steps)
    mean = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(EMA_DECAY), use_buffers=True)
    model.train()
    for epoch in range(epochs):
        order, losses = rng.permutation(len(data.images)), []
        starts = range(0, len(order) - BATCH + 1, BATCH)
        for start in progress(starts, f"epoch {epoch + 1} of {epochs}", "step"):
            loss, _ = model.loss(batch_of(data, order[start : start + BATCH], image_size, rng))
            optimiser.zero_grad()
            loss.sum().backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)
            optimiser.step()
            schedule.step()
            mean.update_parameters(model)
            losses.append(float(loss.detach().sum()) / BATCH)
        log.info("epoch %d of %d: loss %.3f", epoch + 1, epochs, np.mean(losses))
    return mean.module.eval()


def batch_of(data: Frames, chosen: np.ndarray, image_size: int, rng: np.random.Generator) -> dict:
    """A batch as Ultralytics' loss wants it: mirrored, zoomed and lit by chance."""
    images, rows = [], []
    for position, index in enumerate(chosen):
        fit = letterbox(*data.images.shape[1:3], image_size, stride=32, square=False)
        picture, target = view(data.images[index], data.targets[index], fit, rng)
        images.append(np.clip(picture * rng.uniform(0.85, 1.15) + rng.uniform(-12, 12), 0, 255))
        low, high = target[:, 1:3] / fit.canvas[::-1], target[:, 3:5] / fit.canvas[::-1]
        first = np.full(len(target), position)
        rows.append(np.column_stack((first, target[:, 0], (low + high) / 2, high - low)))
    table = torch.from_numpy(np.concatenate(rows).astype(np.float32))
    pixels = torch.from_numpy(np.stack(images).astype(np.float32) / 255).permute(0, 3, 1, 2)
    return {"img": pixels, "batch_idx": table[:, 0], "cls": table[:, 1:2], "bboxes": table[:, 2:]}


def view(
    image: np.ndarray, target: np.ndarray, fit: Letterbox, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """An image on the network's canvas and its targets there, half of them mirrored or zoomed."""
    canvas, zoom = np.array(fit.canvas[::-1]), fit.resized[1] / fit.source[1]
    offset = np.array((fit.left, fit.top), float)
    if rng.random() < 0.5:  # teachers show the detector enlarged cuts
        zoom *= np.exp(rng.uniform(np.log(0.8), np.log(1.6)))
        offset = rng.random(2) * (canvas - zoom * np.array(fit.source[::-1]))
    scale = np.array((zoom, zoom))
    if rng.random() < 0.5:
        scale[0], offset[0] = -zoom, canvas[0] - offset[0]
    matrix = np.column_stack((np.diag(scale), offset + 0.5 * (scale - 1)))  # centres of pixels
    grey = (114, 114, 114)
    picture = cv2.warpAffine(image, matrix, fit.canvas[::-1], borderValue=grey)
    corners = np.sort(target[:, 1:5].reshape(-1, 2, 2) * scale + offset, axis=1)
    clipped = np.clip(corners, 0, canvas)
    left = np.prod(clipped[:, 1] - clipped[:, 0], 1) / np.prod(corners[:, 1] - corners[:, 0], 1)
    moved = np.column_stack((target[:, 0], clipped.reshape(-1, 4), target[:, 5] * left))
    return picture, moved[left > 0.4]


def checkpoint(model: DetectionModel, image_size: int) -> bytes:
    """The weights as Ultralytics stores them: half precision, no optimiser, no paths."""
    model.criterion, model.args = None, {}
    content = {
        "model": model.half().requires_grad_(False),
        "train_args": {"task": "detect", "imgsz": image_size},
        "epoch": -1,
        "version": ultralytics.__version__,
        "license": "AGPL-3.0 License (https://ultralytics.com/license)",
    }
    # Into memory: a file's own name would become part of the archive.
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def evaluated(weights: Path, data: Frames, image_size: int) -> dict:
    """Precision, recall and average precision of the stored weights on held-out frames.

    Recall is also given per class for the objects of which 80 % can be seen.
    """
    detector = backend.load(str(weights), image_size=image_size, device=torch.device("cpu"))
    found = detect(detector, list(data.images), confidence=0.01, iou=IOU)
    hits, scores, classes, recalled = [], [], [], {name: [] for name in detector.classes}
    for boxes, target in zip(found, data.targets, strict=True):
        hits.append(matched(boxes, target) >= 0)
        scores.append(boxes.confidence)
        classes.append(boxes.class_id)
        found_now = set(matched(boxes, target)[boxes.confidence >= CONFIDENCE].tolist())
        for row, (index, *_, visible) in enumerate(target):
            if visible >= 0.8:
                recalled[detector.classes[int(index)]].append(row in found_now)
    true = np.concatenate([target[:, 0] for target in data.targets])
    hits, scores, classes = (np.concatenate(each) for each in (hits, scores, classes))
    _, _, precision, recall, _, average, *_ = ap_per_class(hits[:, None], scores, classes, true)
    return {
        "held_out_images": len(data.images),
        "precision": round(float(precision.mean()), 3),
        "recall": round(float(recall.mean()), 3),
        "map50": round(float(average[:, 0].mean()), 3),
        "confidence": CONFIDENCE,
        "recall_unoccluded": {k: round(float(np.mean(v)), 3) for k, v in recalled.items()},
        "unoccluded": {name: len(values) for name, values in recalled.items()},
    }


def matched(boxes: Boxes, target: np.ndarray) -> np.ndarray:
    """The target (its row) of each detection, int (N,), -1 for none: same class, IoU 0.5 or more.

    Detections choose in order of their confidence, each target once.
    """
    chosen, free = np.full(len(boxes), -1), np.ones(len(target), bool)
    overlap = box_iou(torch.from_numpy(boxes.box), torch.from_numpy(target[:, 1:5])).numpy()
    for index, row in enumerate(overlap):
        row = row * free * (target[:, 0] == boxes.class_id[index])
        if row.size and row.max() >= 0.5:
            chosen[index] = row.argmax()
            free[chosen[index]] = False
    return chosen
