"""Compare the Darknet back end with OpenCV's own reader of the same files.

OpenCV 4 reads Darknet networks, OpenCV 5 (what Ultralytics brings) no longer does, so the work is
in two steps that may run in two environments:

    python benchmarks/darknet_vs_opencv.py prepare FOLDER   # with ssmtl: networks and our outputs
    python benchmarks/darknet_vs_opencv.py compare FOLDER   # with numpy, "opencv-python-headless<5"

The networks are the shipped yolov3.cfg and yolov3-tiny.cfg and a small one with every kind of
layer, all with seeded random weights (0.3 GB). `compare` fails beyond TOLERANCE and writes
FOLDER/darknet_small.npz, which tests/detection/data holds a copy of.
"""

import argparse
import logging
from itertools import pairwise
from pathlib import Path

import numpy as np

log = logging.getLogger(__name__)

TOLERANCE = 1e-3
MODELS = Path(__file__).parents[1] / "workflow" / "models"
SMALL = """
[net]
channels=3
width=64
height=64

[convolutional]
batch_normalize=1
filters=8
size=3
stride=2
pad=1
activation=leaky

[maxpool]
size=2
stride=2

[convolutional]
batch_normalize=1
filters=8
size=1
stride=1
pad=1
activation=leaky

[convolutional]
batch_normalize=1
filters=8
size=3
stride=1
pad=1
activation=leaky

[shortcut]
from=-3
activation=linear

[maxpool]
size=2
stride=2

[maxpool]
size=2
stride=1

[convolutional]
batch_normalize=1
filters=16
size=3
stride=1
pad=1
activation=leaky

[convolutional]
filters=16
size=1
stride=1
pad=1
activation=linear

[yolo]
mask=1,2
anchors=6,9, 14,11, 23,40
classes=3
num=3

[route]
layers=-3

[upsample]
stride=2

[route]
layers=-1,4

[convolutional]
filters=8
size=1
stride=1
pad=1
activation=linear

[yolo]
mask=0
anchors=6,9, 14,11, 23,40
classes=3
num=3
"""
SIZES = {"small": 64, "yolov3-tiny": 416, "yolov3": 416}


def configuration(name: str) -> str:
    """The .cfg text, with OpenCV's threshold (0.2 by default) on class scores removed."""
    text = SMALL if name == "small" else (MODELS / f"{name}.cfg").read_text()
    return text.replace("[yolo]", "[yolo]\nthresh=0")


def random_weights(network, rng: np.random.Generator) -> np.ndarray:
    """Weights that keep activations near 1 through any depth, float32 in the file's order."""
    from ssmtl.detection.darknet import Convolution, Shortcut, Yolo

    values = []
    for layer, following in pairwise(network.layers):
        if not isinstance(layer, Convolution):
            continue
        channels, kernel = layer.out_channels, layer.conv.weight
        spread = np.sqrt(2 / kernel[0].numel())
        if isinstance(following, Shortcut):
            spread *= 0.1  # a sum of many blocks would grow without bound
        if isinstance(following, Yolo):
            spread *= 0.2  # a box is as wide as the exponential of its output
        values.append(rng.normal(0, 0.1, channels))  # bias
        if layer.normalised:
            values.append(rng.uniform(0.8, 1.2, channels))  # scale
            values.append(rng.normal(0, 0.1, channels))  # mean
            values.append(rng.uniform(0.8, 1.2, channels))  # variance
        values.append(rng.normal(0, spread, kernel.numel()))
    return np.concatenate(values).astype(np.float32)


def prepare(folder: Path) -> None:
    """Write name.cfg, name.weights and name.npz (image, and our rows as OpenCV orders them)."""
    import torch

    from ssmtl.detection.darknet import Darknet, load, parse_cfg

    folder.mkdir(parents=True, exist_ok=True)
    for seed, (name, size) in enumerate(SIZES.items()):
        rng = np.random.default_rng(seed)
        cfg, weights = folder / f"{name}.cfg", folder / f"{name}.weights"
        cfg.write_text(configuration(name))
        network = Darknet(parse_cfg(cfg.read_text(), name), name)
        header = np.array([0, 2, 0, 0, 0], "<i4")
        weights.write_bytes(header.tobytes() + random_weights(network, rng).tobytes())
        image = rng.integers(0, 256, (size, size, 3), np.uint8)
        detector = load(
            str(weights), cfg=str(cfg), names=None, image_size=size, device=torch.device("cpu")
        )
        ours = rows(*detector.raw(as_input(image, torch.from_numpy)), size)
        np.savez_compressed(folder / f"{name}.npz", image=image, ours=ours)
        log.info("%s: %d rows, standard deviation %.3f", name, len(ours), ours.std())


def as_input(image: np.ndarray, convert=np.asarray):
    """uint8 (H, W, 3) -> float32 (1, 3, H, W) in [0, 1]."""
    return convert(np.ascontiguousarray(image.transpose(2, 0, 1)[None], np.float32) / 255)


def rows(boxes, objectness, probs, size: int) -> np.ndarray:
    """Candidates as OpenCV gives them: centre, width and height relative to the input,
    objectness, and objectness times class probability; float32 (A, 5 + C)."""
    boxes, objectness, probs = (each[0].numpy() for each in (boxes, objectness, probs))
    low, high = boxes[:, :2] / size, boxes[:, 2:] / size
    scores = objectness[:, None]
    return np.hstack([(low + high) / 2, high - low, scores, scores * probs])


def compare(folder: Path) -> bool:
    """Log the largest differences to OpenCV; whether all are within TOLERANCE."""
    import cv2

    agreed = True
    for name in SIZES:
        cfg, weights = folder / f"{name}.cfg", folder / f"{name}.weights"
        stored = np.load(folder / f"{name}.npz")
        image, ours = stored["image"], stored["ours"]
        network = cv2.dnn.readNetFromDarknet(str(cfg), str(weights))
        network.setInput(as_input(image))
        theirs = np.concatenate(network.forward(network.getUnconnectedOutLayersNames()))
        difference = np.abs(theirs - ours)
        agreed &= bool(difference.max() <= TOLERANCE)
        log.info(
            "%s, OpenCV %s: %d rows, largest difference of centre %.1e, size %.1e, "
            "objectness %.1e, class score %.1e",
            name,
            cv2.__version__,
            len(ours),
            *(part.max() for part in np.split(difference, [2, 4, 5], axis=1)),
        )
        if name == "small":
            np.savez_compressed(
                folder / "darknet_small.npz",
                cfg=cfg.read_text(),
                weights=np.frombuffer(weights.read_bytes(), np.uint8),
                image=image,
                opencv=theirs,
            )
    return agreed


def main() -> None:
    parser = argparse.ArgumentParser(description="Darknet back end against OpenCV 4")
    parser.add_argument("step", choices=["prepare", "compare"])
    parser.add_argument("folder", type=Path, help="kept between the steps")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if arguments.step == "prepare":
        prepare(arguments.folder)
    elif not compare(arguments.folder):
        raise SystemExit(f"differences beyond {TOLERANCE}")


if __name__ == "__main__":
    main()
