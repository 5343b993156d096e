"""Stage teachers: ResNet-50's outputs for the middle crops of training cubes; random weights."""

from pathlib import Path

import h5py
import synthetic
import torch
from measure import Case, best

from ssmtl import networks
from ssmtl.core.device import chosen_device

UNIT = "cubes"
DEVICES = ("cpu", "cuda")
CUBES = {"cpu": 64, "cuda": 4000}
BATCH, SIDE = 32, 224


def prepare(folder: Path, scale: float) -> None:
    count = round(CUBES[chosen_device().type] * scale)
    synthetic.write_clip(folder, 24 + count // synthetic.OBJECTS)
    files = ("--frames", folder / "frames.h5", "--detections", folder / "detections.h5")
    limit = ("--train-max", count)
    synthetic.run("cubes", folder / "cubes.h5", *files, "--split", "train", *limit)


def stage(folder: Path) -> tuple[int, float]:
    output = folder / "teachers.h5"
    names = ("frames", "detections", "cubes")
    files = sum(((f"--{name}", folder / f"{name}.h5") for name in names), ())
    how = ("--split", "train", "--resnet", "random", "--resnet-size", SIDE, "--batch", BATCH)

    def work() -> int:
        synthetic.run("teachers", output, *files, *how)
        with h5py.File(output) as file:
            return len(file["clip"]["logits"])

    return best(work, before=lambda: output.unlink(missing_ok=True))


def network_alone(folder: Path) -> tuple[int, float]:
    """ResNet-50 on ready crops, in the same batches."""
    device = chosen_device()
    network = networks.load("random").to(device)
    with h5py.File(folder / "cubes.h5") as file:
        count = len(file["clip"]["cubes"])
        crops = torch.from_numpy(file["clip"]["cubes"][:BATCH, 12]).to(device)

    def work() -> int:
        for start in range(0, count, BATCH):
            network.logits(crops[: count - start], SIDE)
        return count

    return best(work)


CASES = [
    Case("ours", "resnet", f"ResNet-50, {SIDE}", stage),
    Case("limit", "resnet", "the network alone", network_alone),
]
