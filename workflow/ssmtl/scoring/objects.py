"""Anomaly scores of objects, batch after batch."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import h5py
import numpy as np
import torch

from ssmtl.core.errors import InputError
from ssmtl.core.threads import prefetched
from ssmtl.formats.cubes import open_cubes
from ssmtl.learning import model as models
from ssmtl.learning.tasks.base import Batch


def gapless(cubes: np.ndarray, radius: int) -> np.ndarray:
    """The frames -radius..+radius of stored windows, uint8 (N, 2 * radius + 1, S, S, 3)."""
    middle = cubes.shape[1] // 2
    return cubes[:, middle - radius : middle + radius + 1]


@torch.inference_mode()
def score_batch(
    model: models.Model, cubes: np.ndarray | torch.Tensor, targets: dict[str, np.ndarray], device
) -> dict[str, np.ndarray]:
    """Task scores of gapless cubes uint8 (N, 2t+1, S, S, 3): per task float32 (N,).

    targets: the teachers' rows, `class_probs` float32 (N, C); none for pictures.
    """
    count, length = cubes.shape[:2]
    batch = Batch(
        torch.as_tensor(cubes).to(device),
        torch.tensor([[0, length]], device=device).expand(count, 2),
        targets={name: torch.from_numpy(values).to(device) for name, values in targets.items()},
    )
    with torch.autocast("cuda", torch.bfloat16, enabled=device.type == "cuda"):
        scores = model.scores(batch)
    return {name: values.float().cpu().numpy() for name, values in scores.items()}


def concatenated(parts: list[dict[str, np.ndarray]], names: list[str]) -> dict[str, np.ndarray]:
    """Scores of several batches as one array per name."""
    return {
        name: np.concatenate([part[name] for part in parts] or [np.zeros(0, np.float32)])
        for name in names
    }


def check_range(scores: dict[str, np.ndarray], where: str) -> None:
    """InputError unless all scores are in [0, 1].

    Empty ground scores 0, and the padded macro AUC adds 0 and 1.
    """
    for name, values in scores.items():
        if not ((values >= 0) & (values <= 1)).all():
            bad = values[~((values >= 0) & (values <= 1))][0]
            raise InputError(
                f"{where}: score {bad} of {name} is not in [0, 1]; train the model again"
            )


def stored_batches(
    cubes: h5py.Group, teachers: h5py.Group | None, radius: int, batch: int
) -> Iterator[tuple[np.ndarray, dict]]:
    """Gapless cubes of a clip, or pictures, and the teachers' rows, `batch` at a time."""
    crops = open_cubes(cubes)
    for start in range(0, len(crops), batch):
        rows = np.s_[start : start + batch]
        targets = {"class_probs": teachers["class_probs"][rows]} if teachers else {}
        yield gapless(crops[rows], radius), targets


def clip_scores(model: models.Model, batches: Iterable[tuple], name: str, device) -> dict:
    """Task scores of a clip, per task float32 (N,); batches: cubes and targets as for
    `score_batch`; `name` is for the InputError of a score out of range."""
    if device.type == "cuda":  # a CPU's cores have enough to do
        batches = prefetched(batches, 1)
    parts = [score_batch(model, *batch, device) for batch in batches]
    scores = concatenated(parts, list(model.tasks))
    check_range(scores, name)
    return scores


def name_of(group: h5py.Group) -> str:
    """A clip in its file, for messages."""
    return f"{group.file.filename}: clip {group.name.strip('/')}"


def load_for(weights: Path, classes: list[str], cubes: dict, settings: dict, device):
    """The model and its card; InputError where it was trained on other classes or cubes.

    classes: the teachers'; cubes: the settings that the cubes or pictures were made with.
    """
    model, card = models.load(weights, settings)
    stage = "cubes" if "radius" in cubes else "images"
    spec, cubes = card["spec"], {"radius": 0} | cubes
    if spec["classes"] and stage == "images":
        raise InputError(f"{weights}: a model of video, whose cubes and teachers it needs")
    for what, found, expected in (
        ("detector classes", classes, spec["classes"]),
        (f"{stage}.size", cubes["size"], spec["size"]),
        ("cubes.radius", cubes["radius"], spec["radius"]),
    ):
        if found != expected:
            raise InputError(
                f"{weights}: trained with the {what} {shown(expected)}, the data has "
                f"{shown(found)}; score with the settings that the model was trained with"
            )
    return model.to(device), card


def shown(value: int | list[str]) -> str:
    """A number, or how many names there are and the first few of them."""
    if isinstance(value, int):
        return str(value)
    return f"{len(value)} ({', '.join(value[:3])}{', ...' if len(value) > 3 else ''})"


def model_settings(settings: dict) -> dict:
    return {"distillation_reduction": settings["distillation_reduction"]}
