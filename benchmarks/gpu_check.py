"""One command for a machine with a GPU: `make gpu-check`, or, without an installation,

    PYTHONPATH=workflow python benchmarks/gpu_check.py --output gpu.json

It needs torch, torchvision, h5py, pandas, scipy, scikit-learn, OpenCV, pydantic, safetensors,
psutil, tqdm and pytest; tests that need more are passed over with a line. It runs the tests of all
that computes on a device, a short training of every encoder, and video to frame scores, and prints
a line of PASS or FAIL for each bar. `--device cpu` runs the same, smaller and without the bars of
speed, as CI does.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np

ROOT = Path(__file__).parents[1]
TESTS = (
    "tests/media/test_blocks.py",
    "tests/engines",
    "tests/core/test_device.py",
    "tests/detection",
    "tests/learning/test_tasks.py",
    "tests/stages/test_cubes.py",
    "tests/stages/test_contents.py",
    "tests/stages/test_from_frames.py",
    "tests/scoring",
)
OPTIONAL = ("snakemake", "ultralytics", "plotly", "av", "openvino", "onnx", "cyclopts", "timm")
TESTS_LIMIT = 180  # seconds
# Objects/s of version 0.1 on an H200, batches of 256; of deep-wide, what 30 epochs of Ped2's 28,836
# objects in 5 minutes take.
ENCODERS = {
    ("shallow", "narrow"): 3 * 4801,
    ("shallow", "wide"): 3 * 3370,
    ("deep", "narrow"): 3 * 2899,
    ("deep", "wide"): 30 * 28836 / 300,
}
FRAMES_BAR = 1500  # frames/s from encoded frames to frame scores
HEIGHT, WIDTH, OBJECTS, SIDE, CLASSES = 360, 640, 10, 64, 80


@dataclass
class Row:
    """A figure and, where there is one on this device, the bar that it must reach."""

    what: str
    value: float
    unit: str
    bar: float | None = None
    passed: bool = True

    def __str__(self) -> str:
        word = "PASS" if self.passed else "FAIL"
        bar = "" if self.bar is None else f", bar {self.bar:,.0f}"
        return f"{word}  {self.what}: {self.value:,.1f} {self.unit}{bar}"


def at_least(what: str, value: float, unit: str, bar: float | None) -> Row:
    return Row(what, value, unit, bar, bar is None or value >= bar)


def device():
    from ssmtl.core.device import chosen_device

    return chosen_device()


def is_gpu() -> bool:
    return device().type == "cuda"


def tests() -> list[Row]:
    """Failed tests; a file that needs a package that is not here is passed over with a line."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.xml")
        command = [sys.executable, "-m", "pytest", "-q", "--continue-on-collection-errors"]
        command += [f"--junitxml={report}", "-p", "no:cacheprovider", *TESTS]
        try:
            subprocess.run(command, cwd=ROOT, timeout=TESTS_LIMIT, stdout=subprocess.DEVNULL)
        except subprocess.TimeoutExpired:
            return [Row(f"tests within {TESTS_LIMIT} s", 0, "finished", passed=False)]
        cases = list(ET.parse(report).iter("testcase"))
    failed, done = 0, 0
    for case in cases:
        problem = next((e for e in case if e.tag in ("failure", "error")), None)
        name = f"{case.get('classname')}::{case.get('name')}"
        if problem is None:
            done += case.find("skipped") is None
        elif missing := [n for n in OPTIONAL if f"No module named '{n}" in (problem.text or "")]:
            print(f"skip  {name}: needs {missing[0]}")
        else:
            failed += 1
            print(f"      {name}: {(problem.get('message') or '').splitlines()[:1]}")
    return [Row("failing tests", failed, f"of {done + failed}", 0, not failed and done > 0)]


def model(depth: str, width: str):
    """A model of the four tasks with random weights, on the device."""
    import torch

    from ssmtl.learning import model as models

    torch.manual_seed(0)
    spec = {
        "encoder": "cnn3d",
        "encoder_options": {"depth": depth, "width": width},
        "tasks": ["arrow_of_time", "motion_irregularity", "middle_box", "distillation"],
        "size": SIDE,
        "radius": 3,
        "max_gap": 4,
        "classes": [str(number) for number in range(CLASSES)],
        "task_options": {},
    }
    return models.build(spec).to(device())


def batch(count: int):
    """Training cubes and teachers on the device."""
    import torch

    from ssmtl.learning.tasks.base import Batch

    place = device()
    cubes = torch.randint(0, 256, (count, 25, SIDE, SIDE, 3), dtype=torch.uint8, device=place)
    valid = torch.tensor([[0, 25]], device=place).expand(count, 2)
    draws = {"motion_irregularity": torch.rand(count, dtype=torch.float64, device=place)}
    targets = {"class_probs": torch.rand(count, CLASSES, device=place)}
    for name in ("resnet50", "logits"):  # the teacher's name, and what it was called
        targets[name] = torch.randn(count, 1000, device=place)
    return Batch(cubes, valid, draws, targets)


def training() -> list[Row]:
    """Objects/s of optimiser steps of every encoder."""
    import torch

    from ssmtl.core.device import precision

    count, steps = (256, 20) if is_gpu() else (8, 2)
    given, kind = batch(count), precision(device(), "auto")
    rows = []
    for (depth, width), bar in ENCODERS.items():
        network = model(depth, width).train()
        optimiser = torch.optim.Adam(network.parameters(), 1e-3, fused=is_gpu())

        def step(network=network, optimiser=optimiser) -> None:
            low = kind != "float32"
            with torch.autocast(device().type, torch.bfloat16, enabled=low):
                loss = network.losses(given)["total"]
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()

        seconds = timed(step, steps, warm=5 if is_gpu() else 1)
        what = f"training {depth}-{width}, {kind}"
        reached = bar if is_gpu() else None
        rows.append(at_least(what, count * steps / seconds, "objects/s", reached))
    return rows


def timed(work: Callable[[], object], times: int, warm: int) -> float:
    """Seconds for so many calls, after some that are not counted."""
    import torch

    for _ in range(warm):
        work()
    wait = torch.cuda.synchronize if is_gpu() else lambda: None
    wait()
    start = time.perf_counter()
    for _ in range(times):
        work()
    wait()
    return time.perf_counter() - start


def film(count: int) -> list[bytes]:
    """Encoded frames, JPEG, of noise that moves."""
    rng = np.random.default_rng(0)
    wide = cv2.resize(rng.integers(0, 256, (45, 160, 3), dtype=np.uint8), (2 * WIDTH, HEIGHT))
    shifted = (wide[:, (4 * number) % WIDTH :][:, :WIDTH] for number in range(count))
    return [cv2.imencode(".jpg", each)[1].tobytes() for each in shifted]


def planted(folder: Path):
    """YOLOv3-tiny with random weights and the same ten objects in every picture."""
    import torch

    from ssmtl import detection
    from ssmtl.detection import darknet

    cfg = ROOT / "workflow/models/yolov3-tiny.cfg"
    network = darknet.Darknet(darknet.parse_cfg(cfg.read_text(), "tiny"), "tiny")
    count = sum(sum(layer.counts) for layer in network.convolutions)
    values = np.random.default_rng(0).normal(0, 0.01, count).astype("<f4")
    weights = folder / "tiny.weights"
    weights.write_bytes(np.array([0, 2, 0, 0, 0], "<i4").tobytes() + np.abs(values).tobytes())
    found = detection.load(
        "darknet", str(weights), cfg=str(cfg), image_size=416, device=str(device())
    )
    side = torch.arange(OBJECTS, device=device()) * 35.0
    boxes = torch.stack((side, side / 2, side + 20, side / 2 + 45), 1)
    plain = found.raw

    def raw(images):
        box, objectness, probs = (each.clone() for each in plain(images))
        objectness.zero_()
        box[:, :OBJECTS], objectness[:, :OBJECTS], probs[:, :OBJECTS] = boxes, 1, 0.9
        return box, objectness, probs

    found.raw = raw
    return found


def video() -> list[Row]:
    """Encoded frames to frame scores, with ten objects in each."""
    from ssmtl.core.threads import ahead
    from ssmtl.media.video import Frame
    from ssmtl.scoring.objects import ScoringModel
    from ssmtl.watching.frame_scores import scored_frames
    from ssmtl.watching.settings import Scoring
    from ssmtl.watching.stream import Scorer

    frames = film(2000 if is_gpu() else 24)
    settings = Scoring.parse({"detect": {"iou": 1.0, "batch": 64}})
    with tempfile.TemporaryDirectory() as folder:
        network = ScoringModel(model("shallow", "narrow").eval(), device(), "auto", "auto")
        scorer = Scorer(planted(Path(folder)), network, {}, settings, device())

    def decode(data: bytes) -> np.ndarray:
        return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)

    def work() -> None:
        timed = map(Frame, ahead(decode, frames), np.arange(len(frames)) / 25)
        found = [score for _, _, score in scored_frames(timed, scorer)]
        assert len(found) == len(frames) and np.isfinite(found).all()

    seconds = timed(work, 1, warm=1)
    bar = FRAMES_BAR if is_gpu() else None
    return [at_least("video to frame scores", len(frames) / seconds, "frames/s", bar)]


def calls() -> list[Row]:
    """Operations to crop a block, with ten objects a frame and with a hundred."""
    import torch
    from torch.profiler import ProfilerActivity, profile

    from ssmtl.media.blocks import Window

    def counted(objects: int) -> int:
        window = Window(device())
        pictures = [np.full((HEIGHT, WIDTH, 3), 90, np.uint8)] * 22
        window.add(pictures)
        if window.tensor is None:  # on a CPU as on a GPU
            window.tensor = torch.from_numpy(np.stack(pictures))
        frame = np.arange(3, 19).repeat(objects)
        area = np.tile(np.array([[10, 10, 60, 90]], np.float32), (len(frame), 1))
        window.cubes(frame, area, 3, SIDE)  # the first one makes ready
        kinds = [ProfilerActivity.CUDA] if is_gpu() else [ProfilerActivity.CPU]
        with profile(activities=kinds) as found:
            window.cubes(frame, area, 3, SIDE)
        return len(found.events())

    few, many = counted(10), counted(100)
    row = Row("launches to crop 16 frames, 100 objects a frame", many, "launches", few)
    row.passed = many == few
    return [row]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--parts", default="calls,video,training,tests", help="in this order")
    parser.add_argument("--output", type=Path, default=Path("results/gpu-check.json"))
    arguments = parser.parse_args()
    if arguments.device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    import torch

    if arguments.device == "cuda" and not torch.cuda.is_available():
        sys.exit("gpu-check: no GPU here that torch sees; --device cpu runs it on the CPU")
    name = torch.cuda.get_device_name() if is_gpu() else "CPU"
    print(f"torch {torch.__version__}, {name}", flush=True)
    known: dict[str, Callable[[], list[Row]]] = {
        "calls": calls, "video": video, "training": training, "tests": tests
    }  # fmt: skip
    rows: list[Row] = []
    for part in arguments.parts.split(","):
        start = time.monotonic()
        try:
            found = known[part]()
        except Exception as error:
            found = [Row(f"{part}: {type(error).__name__}: {error}", 0, "", passed=False)]
        rows += found
        print("\n".join(map(str, found)), f"({time.monotonic() - start:.0f} s)", flush=True)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    about = {"torch": torch.__version__, "device": name, "rows": [asdict(row) for row in rows]}
    arguments.output.write_text(json.dumps(about, indent=1) + "\n")
    sys.exit(not all(row.passed for row in rows))


if __name__ == "__main__":
    main()
