"""Stage features: optical flow and a frozen network's features of test objects."""

from pathlib import Path

import h5py
import synthetic
import torch
from measure import Case, best

from ssmtl import networks
from ssmtl.core.device import chosen_device

UNIT = "objects"
DEVICES = ("cpu", "cuda")
OBJECTS = {"cpu": 400, "cuda": 8000}
BATCH, SIDE = 64, 64


def prepare(folder: Path, scale: float) -> None:
    count = round(OBJECTS[chosen_device().type] * scale)
    synthetic.write_clip(folder, 8 + count // synthetic.OBJECTS)
    files = ("--frames", folder / "frames.h5", "--detections", folder / "detections.h5")
    synthetic.run("cubes", folder / "cubes.h5", *files, "--split", "test", "--size", SIDE)


def stage(folder: Path) -> tuple[int, float]:
    output = folder / "features.h5"
    files = sum(((f"--{name}", folder / f"{name}.h5") for name in ("frames", "cubes")), ())

    def work() -> int:
        synthetic.run("features", output, *files, "--split", "test", "--batch", BATCH)
        with h5py.File(output) as file:
            return len(file["clip"]["flow"])

    return best(work, before=lambda: output.unlink(missing_ok=True))


def network_alone(folder: Path) -> tuple[int, float]:
    """EfficientNet-Lite0 on ready crops, in the same batches."""
    device = chosen_device()
    network = networks.load("efficientnet_lite0").to(device)
    with h5py.File(folder / "cubes.h5") as file:
        count = len(file["clip"]["cubes"])
        crops = torch.from_numpy(file["clip"]["cubes"][:BATCH, 3]).to(device)

    def work() -> int:
        for start in range(0, count, BATCH):
            network.features(crops[: count - start], SIDE)
        return count

    return best(work)


CASES = [
    Case("ours", "features", f"flow and EfficientNet-Lite0, {SIDE}", stage),
    Case("limit", "features", "the network alone", network_alone),
]
