"""Anomaly scores of objects, batch after batch."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from torch import Tensor, nn

from ssmtl.core.errors import InputError
from ssmtl.core.threads import prefetched
from ssmtl.engines import Network
from ssmtl.formats.cubes import open_cubes
from ssmtl.learning import model as models
from ssmtl.learning.tasks.base import Batch
from ssmtl.scoring.settings import Score


def gapless(cubes: np.ndarray, radius: int) -> np.ndarray:
    """The frames -radius..+radius of stored windows, uint8 (N, 2 * radius + 1, S, S, 3)."""
    middle = cubes.shape[1] // 2
    return cubes[:, middle - radius : middle + radius + 1]


class Scores(nn.Module):
    """The task scores of a model as tensors of tensors, for an engine.

    cubes uint8 (N, 2t+1, S, S, 3) and the targets (N, ...) of these names -> (N,) per task.
    """

    def __init__(self, model: models.Model, targets: list[str]):
        super().__init__()
        self.model, self.targets = model, targets

    def forward(self, cubes: Tensor, *targets: Tensor) -> tuple[Tensor, ...]:
        valid = torch.tensor([[0, cubes.shape[1]]], device=cubes.device)
        named = dict(zip(self.targets, targets, strict=True))
        batch = Batch(cubes, valid.expand(cubes.shape[0], 2), targets=named)
        return tuple(each.float() for each in self.model.scores(batch).values())


class ScoringModel:
    """A trained model as it is run: the scores of its tasks, in a precision and by an engine."""

    def __init__(
        self,
        model: models.Model,
        device: torch.device,
        precision: str = "float32",
        engine: str = "torch",
    ):
        self.model, self.tasks, self.device = model, list(model.tasks), device
        self.how: dict[str, Any] = {"precision": precision, "engine": engine, "bounded": True}
        self.network: Network | None = None  # once the names of its targets are known

    @property
    def computed(self) -> str:
        """Precision and engine, for the files that it makes; "" before the first batch."""
        return str(self.network or "")

    def __call__(
        self, cubes: np.ndarray | Tensor, targets: dict[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        """Task scores of gapless cubes uint8 (N, 2t+1, S, S, 3): per task float32 (N,).

        targets: the teachers' rows, `class_probs` float32 (N, C), and what the tasks have measured,
        float32 (N, D) each; none for pictures.
        """
        if self.network is None:
            self.network = Network(Scores(self.model, list(targets)), self.device, **self.how)
        found = self.network(torch.as_tensor(cubes), *map(torch.from_numpy, targets.values()))
        both = zip(self.tasks, found, strict=True)
        return {name: values.cpu().numpy() for name, values in both}


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
    cubes: h5py.Group,
    teachers: h5py.Group | None,
    radius: int,
    batch: int,
    measured: dict[str, h5py.Dataset] | None = None,
) -> Iterator[tuple[np.ndarray, dict]]:
    """Gapless cubes of a clip, or pictures, and the rows beside them, `batch` at a time.

    Those are the teachers', and what the model's tasks have measured.
    """
    crops = open_cubes(cubes)
    beside = {"class_probs": teachers["class_probs"]} if teachers else {}
    beside |= measured or {}
    for start in range(0, len(crops), batch):
        rows = np.s_[start : start + batch]
        yield gapless(crops[rows], radius), {name: values[rows] for name, values in beside.items()}


def measured_rows(model: models.Model, features: h5py.Group | None, where: str) -> dict:
    """The datasets of a clip in `features.h5` that the model's tasks need, by name."""
    if not model.measured:
        return {}
    if features is None:
        raise InputError(
            f"{where}: the model has tasks that need --features, made by `ssmtl features`"
        )
    if missing := [name for name in model.measured if name not in features]:
        raise InputError(
            f"{features.file.filename}: has no {missing[0]}, which a task of the model needs; "
            "pictures have an embedding only"
        )
    return {name: features[name] for name in model.measured}


def clip_scores(model: ScoringModel, batches: Iterable[tuple], name: str) -> dict:
    """Task scores of a clip, per task float32 (N,); batches: cubes and targets as for
    the model; `name` is for the InputError of a score out of range."""
    if model.device.type == "cuda":  # a CPU's cores have enough to do
        batches = prefetched(batches, 1)
    parts = [model(*batch) for batch in batches]
    scores = concatenated(parts, list(model.tasks))
    check_range(scores, name)
    return scores


def name_of(group: h5py.Group) -> str:
    """A clip in its file, for messages."""
    return f"{group.file.filename}: clip {group.name.strip('/')}"


def load_for(
    weights: Path, classes: list[str] | None, cubes: dict, settings: Score, device: torch.device
) -> tuple[ScoringModel, dict]:
    """The model and its card; InputError where it was trained on other classes or cubes.

    classes: the teachers'; cubes: the settings that the cubes or pictures were made with;
    settings: the section score.
    """
    model, card = models.load(weights, settings.task_options)
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
    how = {"precision": settings.precision, "engine": settings.engine}
    return ScoringModel(model.to(device), device, **how), card


def shown(value: int | list[str] | None) -> str:
    """A number, or how many names there are and the first few of them."""
    if not isinstance(value, list):
        return str(value)
    return f"{len(value)} ({', '.join(value[:3])}{', ...' if len(value) > 3 else ''})"


@torch.inference_mode()
def predictions(model: models.Model, cubes: np.ndarray) -> dict[str, np.ndarray]:
    """What the model makes of gapless cubes, uint8 (N, 2t+1, S, S, 3), where it has the tasks.

    `middle_box`: the predicted middle crops, uint8 (N, S, S, 3); `class_probs`: the student's
    class probabilities, float32 (N, C) in [0, 1].
    """
    count, length = cubes.shape[:2]
    device = next(model.parameters()).device
    valid = torch.tensor([[0, length]], device=device).expand(count, 2)
    batch = Batch(torch.from_numpy(cubes).to(device), valid)
    tasks: dict[str, Any] = {
        n: model.tasks[n] for n in ("middle_box", "distillation") if n in model.tasks
    }
    features = model.features(
        {name: make for task in tasks.values() for name, make in task.test_views(batch).items()}
    )
    seen = {}
    if "middle_box" in tasks:
        predicted = tasks["middle_box"].head(features["without_middle"]).float().clamp(0, 1)
        seen["middle_box"] = (predicted * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    if "distillation" in tasks:
        seen["class_probs"] = tasks["distillation"].student(features)[1].clamp(0, 1).cpu().numpy()
    return seen
