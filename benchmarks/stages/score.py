"""Stage score: cubes.h5 + teachers.h5 -> scores, by the demo's released model (crops of 32)."""

from pathlib import Path

import h5py
import synthetic
from measure import Case, best

from ssmtl.core.device import chosen_device
from ssmtl.learning import model as models
from ssmtl.scoring import objects

UNIT = "cubes"
DEVICES = ("cpu", "cuda")
FRAMES = {"cpu": 200, "cuda": 4000}
MODELS = Path(__file__).parents[2] / "workflow" / "models"
MODEL, BATCH = MODELS / "demo-best" / "model.safetensors", 256


def prepare(folder: Path, scale: float) -> None:
    synthetic.write_clip(folder, round(FRAMES[chosen_device().type] * scale))
    frames, found, cubes = (folder / f"{name}.h5" for name in ("frames", "found", "cubes"))
    how = ("--weights", MODELS / "demo-detector.pt", "--image-size", 320, "--confidence", 0.4)
    synthetic.run("detect", found, "--frames", frames, *how)
    files = ("--frames", frames, "--detections", found, "--split", "test")
    synthetic.run("cubes", cubes, *files, "--size", 32)
    synthetic.run("teachers", folder / "teachers.h5", *files, "--cubes", cubes)


def stage(folder: Path) -> tuple[int, float]:
    output = folder / "scores.h5"
    files = ("--cubes", folder / "cubes.h5", "--teachers", folder / "teachers.h5")
    how = ("--fusion", "fisher", "--calibration", MODEL.with_name("calibration.h5"))

    def work() -> int:
        synthetic.run("score", output, "--model", MODEL, *files, *how, "--batch", BATCH)
        with h5py.File(output) as file:
            return len(file["clip"]["combined"])

    return best(work, before=lambda: output.unlink(missing_ok=True))


def network_alone(folder: Path) -> tuple[int, float]:
    """The model on one batch that is in memory, again and again."""
    device = chosen_device()
    model = models.load(MODEL)[0].to(device)
    scored = objects.ScoringModel(model, device, "auto", "auto")
    with h5py.File(folder / "cubes.h5") as file, h5py.File(folder / "teachers.h5") as teachers:
        crops, count = file["clip"]["cubes"][:BATCH], len(file["clip"]["cubes"])
        targets = {"class_probs": teachers["clip"]["class_probs"][: len(crops)]}

    def work() -> int:
        done = 0
        while done < count:
            scored(crops, targets)
            done += len(crops)
        return done

    return best(work)


CASES = [
    Case("ours", "score", "demo's model, 7 x 32 x 32", stage),
    Case("limit", "score", "the network alone", network_alone),
]
