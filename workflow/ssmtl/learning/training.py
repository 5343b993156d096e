"""Stage `train`: all tasks jointly, on normal video or pictures only.

The weights with the lowest loss on what is held out of training, whole clips or single pictures,
are kept [M]. Test labels are never seen here. Constants: docs/methods.md.
"""

import importlib.metadata
import io
import json
import logging
import math
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from ssmtl import __version__
from ssmtl.core import store
from ssmtl.core.device import chosen_device, memory_errors, precision, seed_everything
from ssmtl.core.errors import InputError
from ssmtl.core.progress import progress
from ssmtl.formats.tables import write_csv
from ssmtl.learning import distributed
from ssmtl.learning import model as models
from ssmtl.learning.samples import (
    POOL,
    VALIDATION,
    Loader,
    Samples,
    Split,
    draws,
    epoch_order,
    epoch_steps,
    held_out,
)
from ssmtl.learning.settings import Train

log = logging.getLogger(__name__)

MEASURED = 20_000  # training objects whose measured rows tasks are shown
READ = 20  # steps whose losses are read from the device at once


@dataclass
class State:
    """All that a run needs to go on where it was."""

    step: int = 0
    best_loss: float = math.inf
    best_step: int = 0
    best: dict = field(default_factory=dict)  # the model's state at best_step
    history: list[dict] = field(default_factory=list)
    # Since the last validation: sums of the losses, steps and objects.
    running: dict[str, float] = field(default_factory=dict)
    steps: int = 0
    objects: int = 0


def total_steps(rows: int, settings: Train) -> int:
    """Optimiser steps of the run: `cubes_seen` objects where that is set, else `epochs`."""
    per_epoch = epoch_steps(rows, settings.batch)
    if settings.cubes_seen:
        return max(1, round(settings.cubes_seen / rows * per_epoch))
    return settings.epochs * per_epoch


def rate(step: int, total: int, settings: Train) -> float:
    """The learning rate of a step: constant, or falling to zero along half a cosine."""
    if settings.schedule == "constant":
        return settings.learning_rate
    return settings.learning_rate * 0.5 * (1 + math.cos(math.pi * step / total))


def optimiser(model: models.Model, settings: Train, fused: bool) -> torch.optim.Optimizer:
    """Adam, or stochastic gradient descent with Nesterov's momentum."""
    common = {
        "lr": settings.learning_rate,
        "weight_decay": settings.weight_decay,
        "fused": fused,
    }
    if settings.optimiser == "adam":
        return torch.optim.Adam(model.parameters(), **common)
    momentum = settings.momentum
    return torch.optim.SGD(model.parameters(), momentum=momentum, nesterov=momentum > 0, **common)


class Trainer:
    """One run: `fit` from the start or from a state, `state` to keep."""

    def __init__(
        self, model: models.Model, loader: Loader, train, validation, settings: Train, seed: int
    ):
        self.model, self.loader, self.settings, self.seed = model, loader, settings, seed
        self.train_rows, self.validation_rows = train, validation
        self.optimiser = optimiser(model, settings, fused=loader.device.type == "cuda")
        self.total = total_steps(len(train), settings)
        self.per_epoch = epoch_steps(len(train), settings.batch)
        self.state = State()
        self.unread: list[torch.Tensor] = []  # losses of the last steps, still on the device

    def losses(self, batch) -> dict[str, torch.Tensor]:
        """Task losses of a batch; weights and losses are float32 whatever the precision."""
        low = self.settings.precision == "bfloat16"
        with torch.autocast(self.loader.device.type, torch.bfloat16, enabled=low):
            return self.model.losses(batch)

    def step(self, batch) -> None:
        """One optimiser step."""
        for group in self.optimiser.param_groups:
            group["lr"] = rate(self.state.step, self.total, self.settings)
        losses = self.losses(batch)
        self.unread.append(over_processes(losses, batch))
        self.optimiser.zero_grad(set_to_none=True)
        losses["total"].backward()
        distributed.add_gradients(self.model.parameters())
        self.optimiser.step()
        self.state.step += 1

    def read_losses(self) -> None:
        """Adds the losses of the last steps to the running sums; InputError for one not finite.

        Not at every step, since the device would then wait for the host; but before anything is
        kept of the weights.
        """
        names = ["total", *self.model.trained]
        first = self.state.step - len(self.unread)
        rows = torch.stack(self.unread).tolist() if self.unread else []
        self.unread = []
        for step, (*means, count) in enumerate(rows, first):
            values = dict(zip(names, means, strict=True))
            self.check_finite(values, "loss", step)
            for name, value in values.items():
                self.state.running[name] = self.state.running.get(name, 0) + value
            self.state.steps += 1
            self.state.objects += int(count)

    def check_finite(self, losses: dict[str, float], what: str, step: int) -> None:
        """InputError for a loss that is not finite: from then on all weights are lost."""
        if bad := [name for name, value in losses.items() if not math.isfinite(value)]:
            raise InputError(
                f"training: the {what} of {' and '.join(bad)} is {losses[bad[0]]} at step "
                f"{step}; lower train.learning_rate ({self.settings.learning_rate}), "
                "or, where it is so from step 0, make the teachers' files again"
            )

    @torch.inference_mode()
    def validate(self) -> None:
        """Losses on the held-out rows, always with the same views; keeps the best weights."""
        self.model.eval()
        numbers = self.draws(VALIDATION)
        names, sums, count = ["total", *self.model.trained], 0, 0
        pools = np.split(self.validation_rows, range(POOL, len(self.validation_rows), POOL))
        for batch in self.loader.batches(pools, self.settings.batch, numbers):
            values = over_processes(self.losses(batch), batch)
            sums = sums + values[:-1] * values[-1]
            count += int(values[-1])
        if count != len(self.validation_rows):
            raise RuntimeError(f"validated {count} of {len(self.validation_rows)} samples")
        self.model.train()
        state = self.state
        seen = state.objects + (state.history[-1]["cubes_seen"] if state.history else 0)
        train = {name: value / state.steps for name, value in state.running.items()}
        validation = {name: value / count for name, value in zip(names, sums.tolist(), strict=True)}
        self.check_finite(validation, "validation loss", state.step)
        for split, values in (("train", train), ("validation", validation)):
            row = {"step": state.step, "cubes_seen": int(seen), "split": split}
            state.history.append(row | {f"loss_{name}": v for name, v in values.items()})
        state.running, state.steps, state.objects = {}, 0, 0
        if validation["total"] < state.best_loss:
            state.best_loss, state.best_step = validation["total"], state.step
            state.best = {k: v.detach().clone() for k, v in self.model.state_dict().items()}
        log.info(
            "step %d of %d: validation %s",
            state.step,
            self.total,
            ", ".join(f"{name} {value:.4f}" for name, value in validation.items()),
        )

    def keep_fitted(self) -> None:
        """The state of a model whose tasks have nothing to learn."""
        row = {"step": 0, "cubes_seen": 0, "split": "validation", "loss_total": 0.0}
        self.state = State(best_loss=0.0, best=self.model.state_dict(), history=[row])

    def draws(self, epoch: int) -> dict[str, torch.Tensor]:
        names = [*self.model.tasks, "flip"]
        return draws(len(self.loader.samples), self.seed, epoch, names)

    def remaining(self):
        """The batches from the current step to the end of the run."""
        while self.state.step < self.total:
            epoch, skip = divmod(self.state.step, self.per_epoch)
            pools = epoch_order(self.train_rows, self.seed, epoch)
            numbers = self.draws(epoch)
            for batch in self.loader.batches(pools, self.settings.batch, numbers, skip):
                if self.settings.flip:
                    batch.mirrored = batch.draws["flip"] < 0.5
                yield batch

    def fit(self, checkpoint: "Checkpoint") -> None:
        """Trains to the last step, validating and checkpointing on the way."""
        if not self.model.trained:
            self.keep_fitted()
            return
        marks = np.linspace(0, self.total, self.settings.validations + 1).round().astype(int)
        saves = {*marks, *range(0, self.total, self.settings.checkpoint_steps)}
        self.model.train()
        left = self.total - self.state.step
        batches = self.remaining()
        if distributed.is_first():
            batches = progress(batches, "train", "step", left)
        for batch in batches:
            self.step(batch)
            if self.state.step in marks or self.state.step in saves or len(self.unread) == READ:
                self.read_losses()
            if self.state.step in marks:
                self.validate()
            if self.state.step in saves and distributed.is_first():
                checkpoint.save(self)
            if self.state.step == self.total:
                break


def over_processes(losses: dict[str, torch.Tensor], batch) -> torch.Tensor:
    """The losses of a batch over all processes, and its number of samples: (losses + 1,)."""
    parts = torch.stack(list(losses.values())).detach()
    return distributed.total(torch.cat((parts, parts.new_tensor([len(batch.cubes)]))))


class Checkpoint:
    """The resumable state of a run, outside the declared outputs.

    It is used again only for the same settings, samples and code.
    """

    def __init__(self, path: Path, fingerprint: str):
        self.path, self.fingerprint = path, fingerprint

    def save(self, trainer: Trainer) -> None:
        state = {
            "fingerprint": self.fingerprint,
            "model": trainer.model.state_dict(),
            "optimiser": trainer.optimiser.state_dict(),
            "state": vars(trainer.state),
        }
        # Opened here, since torch's own writer does not say that the disk is full.
        with store.replacing(self.path) as path, open(path, "wb") as file:
            torch.save(state, file)

    def restore(self, trainer: Trainer) -> None:
        """Puts a matching state back; a foreign or damaged one is passed over with a line."""
        # One process reads for all: the others may be on machines that do not see the file.
        state = distributed.from_first(lambda: self.path.exists() and self.path.read_bytes())
        if not state:
            return
        try:
            device = trainer.loader.device
            saved = torch.load(io.BytesIO(state), map_location=device, weights_only=True)
        except Exception as error:
            log.warning("%s: unreadable (%s), training starts anew", self.path, error)
            return
        if saved["fingerprint"] != self.fingerprint:
            log.info("%s: of other settings or data, training starts anew", self.path)
            return
        trainer.model.load_state_dict(saved["model"])
        trainer.optimiser.load_state_dict(saved["optimiser"])
        trainer.state = State(**saved["state"])
        log.info("resuming at step %d of %d", trainer.state.step, trainer.total)


def specification(samples: Samples, settings: Train) -> dict:
    """What `model.build` needs, as kept in the model's card."""
    # A picture is a cube of one frame.
    cubes = {"radius": 0, "max_gap": 1} | samples.settings
    frames = 2 * cubes["radius"] * cubes["max_gap"] + 1
    if samples.shape[0] != frames:
        raise InputError(
            f"{samples.pairs[0][0].file.filename}: cubes of {samples.shape[0]} frames, not the "
            f"{frames} of its settings; delete it and run the stage cubes again"
        )
    return {
        "tasks": settings.tasks,
        "encoder": settings.encoder,
        "encoder_options": settings.encoder_options,
        "size": cubes["size"],
        "radius": cubes["radius"],
        "max_gap": cubes["max_gap"],
        "classes": samples.classes,
        "task_options": settings.task_options,
    }


def train_model(
    output: Path,
    *,
    cubes: list[Path],
    teachers: list[Path],
    state: Path | None = None,
    seed: int,
    settings: Train,
    code: str,
    name: str = "model",
    groups: list[str] | None = None,
    features: Sequence[Path] = (),
) -> None:
    """Writes model.safetensors, model.json and history.csv into a folder.

    cubes: of video, with teachers beside them, and features where a task has measured some, or
    pictures, without; groups: the classes of pictures to learn, all where not given; name: of the
    model, which its scores will carry. `state` is a folder for the resumable state, `.state` in the
    output where not given, removed when the run is complete. The first of several processes writes.
    """
    state = state or output / ".state"
    seed_everything(seed)
    with (
        distributed.session(),
        Samples(cubes, teachers, groups, features) as samples,
        locked(state),
    ):
        device = chosen_device()
        settings = settings.model_copy(update={"precision": precision(device, settings.precision)})
        split = held_out(samples, settings.validation, settings.calibration, seed)
        spec = specification(samples, settings)
        mark = store.digest(spec, settings, samples.digest, seed, code, name, groups)
        if distributed.from_first(lambda: finished(output, mark)):
            log.info("%s: trained already", output)
            if distributed.is_first():
                shutil.rmtree(state)
            return
        checkpoint = Checkpoint(state / "state.pt", mark)
        model = models.build(spec).to(device)
        fit(model, samples, split.train)
        with memory_errors(
            f"training with train.batch {settings.batch}", "lower train.batch, or free the GPU"
        ):
            loader = Loader(samples, device)
            trainer = Trainer(model, loader, split.train, split.validation, settings, seed)
            checkpoint.restore(trainer)
            trainer.fit(checkpoint)
        if not distributed.is_first():
            return
        about = {"name": name, "seed": seed, "groups": groups or [], "fingerprint": mark}
        about |= {"spec": spec, "settings": settings.model_dump()}
        save(output, model, trainer.state, about | {"train": learnt(samples, split)})
        shutil.rmtree(state)


def save(output: Path, model: models.Model, result: State, about: dict) -> None:
    """Writes the best weights of a run, its history, and its card, which has `about` in it."""
    model.load_state_dict(result.best)
    history = pd.DataFrame(result.history)
    write_csv(output / "history.csv", history, "%.6g")
    train = about["train"] | {
        "cubes_seen": int(history["cubes_seen"].max()),
        "parameters": sum(values.numel() for values in model.parameters()),
    }
    best = {"step": result.best_step, "validation_loss": result.best_loss}
    models.save(output, model.cpu(), about | {"train": train, "best": best, "versions": versions()})


def fit(model: models.Model, samples: Samples, rows: np.ndarray) -> None:
    """Shows every task the training rows' targets, and what is measured of MEASURED of them.

    Those are evenly spaced, so that all clips and times are among them.
    """
    targets = {name: values[rows] for name, values in samples.targets.items()}
    kept = rows[np.linspace(0, len(rows) - 1, min(MEASURED, len(rows))).round().astype(int)]
    if model.measured and not samples.measured:
        raise InputError(
            f"train.tasks: {', '.join(t for t, k in model.tasks.items() if k.measured)} need "
            "--features, made by `ssmtl features`"
        )
    if missing := [name for name in model.measured if name not in samples.measured[0]]:
        raise InputError(
            f"{samples.measured[0].file.filename}: has no {missing[0]}, which a task of "
            "train.tasks needs; pictures have an embedding only"
        )
    targets |= {name: samples.rows_of(name, kept) for name in model.measured}
    for task in model.tasks.values():
        task.fit(targets)


def learnt(samples: Samples, split: Split) -> dict:
    """What a card says of the samples."""
    if samples.pictures:
        return {
            "classes": samples.clips,
            "pictures": len(split.train),
            "validation_pictures": len(split.validation),
            "calibration_pictures": len(split.calibration),
            "digest": samples.digest,
        }
    return {
        "clips": len(np.unique(samples.clip[split.train])),
        "objects": len(split.train),
        "validation_clips": clips_of(samples, split.validation),
        "validation_objects": len(split.validation),
        "calibration_clips": clips_of(samples, split.calibration),
        "calibration_objects": len(split.calibration),
    }


def clips_of(samples: Samples, rows: np.ndarray) -> list[str]:
    return sorted({samples.clips[clip] for clip in samples.clip[rows]})


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds a folder for all processes that train together."""
    with store.locked(folder) if distributed.is_first() else nullcontext():
        distributed.wait()
        yield


def finished(output: Path, mark: str) -> bool:
    """Whether another process completed this very run while ours waited for it."""
    card, weights = output / "model.json", output / "model.safetensors"
    return (
        card.exists() and weights.exists() and json.loads(card.read_text())["fingerprint"] == mark
    )


def versions() -> dict[str, str]:
    """Versions of the packages that the numbers depend on."""
    names = ("torch", "torchvision", "ultralytics", "numpy", "h5py", "scipy")
    return {"ssmtl": __version__} | {name: importlib.metadata.version(name) for name in names}
