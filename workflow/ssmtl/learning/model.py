"""One shared encoder with the heads of its tasks, and how it is kept on disk."""

import json
from pathlib import Path

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from ssmtl.core import store
from ssmtl.core.errors import InputError, environment
from ssmtl.formats.card import read_card
from ssmtl.learning import distributed, encoders, tasks
from ssmtl.learning.tasks.base import Batch, Shapes, Views


class Model(nn.Module):
    """Encoder and tasks; knows nothing of a task beyond its interface."""

    def __init__(self, encoder: nn.Module, heads: list[tasks.Task]):
        super().__init__()
        self.encoder = encoder
        self.tasks = nn.ModuleDict({task.name: task for task in heads})

    @property
    def trained(self) -> dict[str, tasks.Task]:
        """The tasks that have something to learn."""
        return {name: task for name, task in self.tasks.items() if task.trained}

    @property
    def measured(self) -> list[str]:
        """The rows of features.h5 that the tasks need."""
        return tasks.measured(list(self.tasks))

    def judged(self, targets: dict[str, Tensor]) -> dict[str, Tensor]:
        """What the tasks judge objects by beside their cubes, (N, D) by name."""
        return {k: v for task in self.tasks.values() for k, v in task.judged(targets).items()}

    def features(self, views: Views) -> dict[str, Tensor]:
        """Encoded views by name, (B, C, side, side); views of one length share a forward pass."""
        made = {name: make() for name, make in views.items()}
        lengths: dict[int, list[str]] = {}
        for name, view in made.items():
            lengths.setdefault(view.shape[2], []).append(name)
        features = {}
        for names in lengths.values():
            joined = torch.cat([made[name] for name in names])
            parts = self.encoder(joined).chunk(len(names))
            features.update(zip(names, parts, strict=True))
        return features

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """The loss of every task that learns, and their weighted sum as `total`.

        Where several processes share the batch, each gets its part of the losses, and the sum
        of the parts is the loss of the whole batch.
        """
        views = {k: v for task in self.trained.values() for k, v in task.views(batch).items()}
        features = self.features(views)
        counts = torch.stack([task.usable(batch).sum() for task in self.trained.values()])
        shares = counts / distributed.total(counts).clamp(min=1)
        losses = {}
        for (name, task), count, share in zip(self.trained.items(), counts, shares, strict=True):
            # The mean over no sample at all is not a number, but takes no part either.
            losses[name] = torch.where(count > 0, task.loss(features, batch) * share, 0.0)
        total = sum(self.tasks[name].options.weight * loss for name, loss in losses.items())
        return {"total": total, **losses}

    def scores(self, batch: Batch) -> dict[str, Tensor]:
        """The anomaly score of every task, float32 (B,) in [0, 1]."""
        views = {k: v for task in self.tasks.values() for k, v in task.test_views(batch).items()}
        features = self.features(views)
        return {name: task.score(features, batch) for name, task in self.tasks.items()}

    @torch.inference_mode()
    def told_apart(self, batch: Batch) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Scores (n,) of normal objects, and of the anomalies that each task makes of them.

        Of the tasks that make some, and the samples that they can make one of.
        """
        found = {}
        for name, task in self.tasks.items():
            if made := task.made(batch):
                usable = task.usable(batch).cpu().numpy()
                pair = (task.test_views(batch), batch), made
                scores = [task.score(self.features(v), b).float().cpu().numpy() for v, b in pair]
                found[name] = scores[0][usable], scores[1][usable]
        return found


def build(spec: dict, score_options: dict[str, dict] | None = None) -> Model:
    """The model of a specification.

    spec: tasks and task_options, encoder and encoder_options, size, radius, max_gap, classes (of
    the detector); score_options: `score.task_options`.
    """
    encoder = encoders.build(spec)
    shapes = Shapes(
        channels=encoder.channels,
        side=encoder.side,
        pools=encoder.pools,
        radius=spec["radius"],
        max_gap=spec["max_gap"],
        classes=len(spec["classes"]),
        options=spec["task_options"],
        score_options=score_options or {},
    )
    return Model(encoder, tasks.build(spec["tasks"], shapes))


def save(folder: Path, model: Model, card: dict) -> None:
    """Writes model.safetensors and model.json; `card` holds the specification and more."""
    state = {name: value.contiguous() for name, value in model.state_dict().items()}
    with store.replacing(folder / "model.safetensors") as path:
        # Written here, since safetensors' own writer does not say that the disk is full.
        path.write_bytes(safetensors.torch.save(state))
    write_card(folder, card)


def check_finite(state: dict[str, Tensor]) -> None:
    """RuntimeError for weights that are not finite: every score would be none."""
    for name, values in state.items():
        if values.is_floating_point() and not values.isfinite().all():
            raise RuntimeError(f"{name} has values that are not finite")


def write_card(folder: Path, card: dict) -> None:
    """Writes model.json."""
    with store.replacing(folder / "model.json") as path:
        path.write_text(json.dumps(card, indent=1, sort_keys=True) + "\n")


def load(weights: Path, score_options: dict[str, dict] | None = None) -> tuple[Model, dict]:
    """The model of a `model.safetensors` and its card, the `model.json` beside it.

    score_options: `score.task_options`. Nothing is unpickled. InputError
    for files that are missing, corrupt or do not fit together.
    """
    card_path = weights.with_suffix(".json")
    if not weights.exists():
        raise InputError(f"{weights}: no such file; train the model first, or check the path")
    card = read_card(card_path)
    try:
        model = build(card["spec"], score_options)
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{card_path}: not the card of an ssmtl model ({error!r})") from error
    try:
        weights.open("rb").close()  # what safetensors may not read it calls missing
        state = safetensors.torch.load_file(weights)
        model.load_state_dict(state)
        check_finite(state)
    except OSError as error:
        raise environment(error, weights) or error from error
    except (safetensors.SafetensorError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:150]  # with the first of the names that are missing
        raise InputError(
            f"{weights}: does not fit {card_path.name} beside it ({reason})"
        ) from error
    return model.eval(), card
