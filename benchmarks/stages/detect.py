"""Stage detect: frames.h5 -> detections.h5, by the demo's detector and by YOLOv3-tiny.

The rival reads the clip's images from its folder, as one does with Ultralytics. YOLOv3-tiny has
random weights: its speed is that of the trained one, its boxes mean nothing.
"""

import struct
from contextlib import nullcontext
from pathlib import Path

import h5py
import numpy as np
import synthetic
import torch
from measure import Case, best
from torchvision.ops import box_iou

from ssmtl import detection
from ssmtl.core.device import chosen_device, one_torch_thread
from ssmtl.detection import base, darknet
from ssmtl.formats.frames import Frames
from ssmtl.stages.detect import CPU_BATCH

UNIT = "frames"
DEVICES = ("cpu", "cuda")
FRAMES = {"cpu": 160, "cuda": 4000}
MODELS = Path(__file__).parents[2] / "workflow" / "models"
BATCH, IOU = 16, 0.45
OBJECTNESS = -3  # of the random detector: some 30 candidates a frame at its confidence
DETECTORS = {
    "demo": {
        "backend": "ultralytics",
        "weights": str(MODELS / "demo-detector.pt"),
        "image_size": 320,
        "confidence": 0.4,
    },
    "tiny": {
        "backend": "darknet",
        "weights": "tiny.weights",
        "cfg": str(MODELS / "yolov3-tiny.cfg"),
        "image_size": 416,
        "confidence": 0.1,
    },
}


def prepare(folder: Path, scale: float) -> None:
    synthetic.write_clip(folder, round(FRAMES[chosen_device().type] * scale))
    write_weights(folder / "tiny.weights", MODELS / "yolov3-tiny.cfg")


def write_weights(path: Path, cfg: Path) -> None:
    """Random Darknet weights that keep the variance; the norms change nothing, objects are rare."""
    network = darknet.Darknet(darknet.parse_cfg(cfg.read_text(), str(cfg)), str(cfg))
    rng = np.random.default_rng(0)
    arrays = []
    for layer in network.convolutions:
        *norm, kernel = layer.counts
        arrays += [np.full(n, value) for n, value in zip(norm, (0, 1, 0, 1), strict=False)]
        if not layer.normalised:  # a head: x, y, w, h, objectness, classes, for each anchor
            arrays[-1].reshape(3, -1)[:, 4] = OBJECTNESS
        deviation = (2 * len(layer.conv.weight) / kernel) ** 0.5
        arrays.append(rng.normal(0, deviation, kernel))
    path.write_bytes(
        struct.pack("<3iq", 0, 2, 0, 0) + np.concatenate(arrays).astype("<f4").tobytes()
    )


def options(name: str, folder: Path) -> dict:
    return DETECTORS[name] | {"weights": str(folder / DETECTORS[name]["weights"])}


def flag(key: str) -> str:
    """The option of the command for a key of the detector or of its backend."""
    return "backend-options.cfg" if key == "cfg" else key.replace("_", "-")


def stage(name: str):
    def run(folder: Path) -> tuple[int, float]:
        output = folder / f"{name}.h5"
        given = options(name, folder) | {"batch": BATCH, "iou": IOU}

        def work() -> int:
            flags = (f"--{flag(key)}={value}" for key, value in given.items())
            synthetic.run("detect", output, "--frames", folder / "frames.h5", *flags)
            return synthetic.frames_in(folder / "frames.h5")

        return best(work, before=lambda: output.unlink(missing_ok=True))

    return run


def network_alone(name: str):
    """Forward passes over tensors that are ready: on a CPU one per core, each by one thread."""

    def run(folder: Path) -> tuple[int, float]:
        given = options(name, folder)
        del given["confidence"]
        detector = detection.load(**given, device=chosen_device())
        with h5py.File(folder / "frames.h5") as file:
            frames = Frames(file["clip"])
            fit = base.fit_of(detector, (frames.height, frames.width))
            size = CPU_BATCH if chosen_device().type == "cpu" else BATCH
            images = base.place([frames[i] for i in range(size)], fit, detector)
            starts = range(0, len(frames), size)

        def forward(start: int) -> list:
            with torch.inference_mode():
                return detector.raw(images)

        with one_torch_thread() if chosen_device().type == "cpu" else nullcontext():
            return best(lambda: size * synthetic.on_all_cores(forward, starts))

    return run


def predict(folder: Path) -> tuple[int, float]:
    """Ultralytics' own `YOLO.predict` with our weights, size, batch, thresholds and precision."""
    from ultralytics import YOLO

    model = YOLO(DETECTORS["demo"]["weights"])
    found = []

    def work() -> int:
        found[:] = [
            (result.boxes.xyxy.cpu().numpy(), result.boxes.conf.cpu().numpy())
            for result in model.predict(
                str(folder / "test" / "clip"),
                stream=True,
                batch=BATCH,
                imgsz=DETECTORS["demo"]["image_size"],
                conf=DETECTORS["demo"]["confidence"],
                iou=IOU,
                half=chosen_device().type == "cuda",
                device=str(chosen_device()),
                verbose=False,
            )
        ]
        return len(found)

    answer = best(work)
    np.savez(
        folder / "rival.npz",
        frame=np.repeat(np.arange(len(found)), [len(boxes) for boxes, _ in found]),
        box=np.concatenate([boxes for boxes, _ in found]),
        confidence=np.concatenate([confidence for _, confidence in found]),
    )
    return answer


def agreement(folder: Path) -> dict:
    """Of the boxes of each, how many the other has too, with an IoU of at least 0.9."""
    theirs = np.load(folder / "rival.npz")
    with h5py.File(folder / "demo.h5") as file:
        ours = {name: file["clip"][name][:] for name in ("frame", "box", "confidence")}
    both = 0
    for frame in np.union1d(ours["frame"], theirs["frame"]):
        a, b = (each["box"][each["frame"] == frame] for each in (ours, theirs))
        both += (
            int((box_iou(*map(torch.from_numpy, (a, b))) >= 0.9).any(1).sum())
            if len(a) and len(b)
            else 0
        )
    share = both / max(len(ours["box"]), len(theirs["box"]))
    assert share >= 0.98, f"{both} common boxes of {len(ours['box'])} and {len(theirs['box'])}"
    return {"boxes": len(ours["box"]), "rival_boxes": len(theirs["box"]), "common": both}


CASES = [
    Case("ours", "demo", "demo detector, 320", stage("demo")),
    Case("limit", "demo", "the network alone", network_alone("demo")),
    Case("rival", "demo", "Ultralytics predict", predict),
    Case("check", "demo", "the same boxes", agreement),
    Case("ours", "tiny", "YOLOv3-tiny, 416", stage("tiny")),
    Case("limit", "tiny", "the network alone", network_alone("tiny")),
]
