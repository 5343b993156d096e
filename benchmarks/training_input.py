"""Input of the training benchmarks, and the two loops on it."""

import json
from itertools import islice
from pathlib import Path

import numpy as np
import ordinary_loop
import synthetic
import torch
from torch import nn

from ssmtl.core import store
from ssmtl.core.device import chosen_device, precision, seed_everything
from ssmtl.formats import hdf5
from ssmtl.formats.teachers import TEACHERS
from ssmtl.learning import model as models
from ssmtl.learning import samples as data
from ssmtl.learning import training
from ssmtl.learning.settings import Train

CLASSES = 80
EVERY = {"cpu": 4, "cuda": 1}  # of the objects in the frames one gets a cube


def write(folder: Path, frames: int, size: int) -> None:
    """`cubes.h5` of one training clip, and made-up teachers."""
    synthetic.write_clip(folder, frames)
    files = ("--frames", folder / "frames.h5", "--detections", folder / "detections.h5")
    cubes = folder / f"cubes{size}.h5"
    thin = ("--train-stride", EVERY[chosen_device().type])
    synthetic.run("cubes", cubes, *files, "--split", "train", "--size", size, *thin)
    rng = np.random.default_rng(0)
    about = {"classes": json.dumps([str(number) for number in range(CLASSES)]), "split": "train"}
    with (
        store.read(cubes, "cubes") as found,
        store.create(folder / f"teachers{size}.h5", "teachers", **about) as file,
    ):
        for clip, group in found.items():
            count, teacher = len(group["frame"]), file.create_group(clip)
            teacher["logits"] = rng.normal(0, 1, (count, 1000)).astype(np.float32)
            teacher["class_probs"] = rng.random((count, CLASSES), np.float32)
            store.set_attributes(teacher, cubes=store.attribute(group, "digest"))
            hdf5.complete(teacher, TEACHERS)


def settings(depth: str, width: str, batch: int) -> Train:
    encoder = {"encoder_options": {"depth": depth, "width": width}}
    how = {"precision": precision(chosen_device(), "auto")}
    return Train.parse(encoder | how | {"batch": batch, "validation": 0.15})


def trainer(samples: data.Samples, values: Train, share: float = 0.5) -> training.Trainer:
    """Ours at its first step; cubes are kept in memory where they fit into `share` of it."""
    seed_everything(0)
    device = chosen_device()
    split = data.held_out(samples, values.validation, values.calibration, 0)
    model = models.build(training.specification(samples, values)).to(device)
    for task in model.tasks.values():
        task.fit({name: rows[split.train] for name, rows in samples.targets.items()})
    model.train()
    loader = data.Loader(samples, device, share)
    return training.Trainer(model, loader, split.train, split.validation, values, 0)


def our_steps(ours: training.Trainer):
    """Steps without end; yields nothing."""
    for batch in ours.remaining():
        ours.step(batch)
        if len(ours.unread) == training.READ:
            ours.read_losses()
        yield


def ordinary_steps(ours: training.Trainer, cubes: Path, teachers: Path, steps: int, layout):
    """The same steps by the ordinary loop; yields their losses."""
    values, device, spec = ours.settings, chosen_device(), ours.model
    plan, draws = [], []
    rows, size = ours.train_rows, values.batch
    for epoch in range(-(-steps // ours.per_epoch)):
        for pool in data.epoch_order(rows, 0, epoch):
            plan += np.array_split(pool, data.steps(len(pool), size))
        draws.append(ours.draws(epoch)["motion_irregularity"])
    clip = ours.loader.samples.clips[0]
    shapes = spec.tasks["motion_irregularity"].shapes
    if len(draws) > 1:
        raise ValueError("the ordinary loop knows the draws of one epoch; give more frames")
    batches = ordinary_loop.Batches(
        cubes, teachers, clip, plan[:steps], draws[0], shapes.radius, shapes.max_gap
    )
    size = shapes.side << shapes.pools
    network = ordinary_loop.Network(*values.encoder_options.values(), size, CLASSES)
    network.copy_weights(spec)
    network.encoder.to(memory_format=layout)
    distillation = spec.tasks["distillation"]
    low = values.precision == "bfloat16"
    yield from ordinary_loop.train(
        network.to(device), batches, distillation.mean, distillation.deviation, device, low
    )


def open_samples(folder: Path, size: int) -> data.Samples:
    return data.Samples([folder / f"cubes{size}.h5"], [folder / f"teachers{size}.h5"])


def convolutions(model: models.Model, batch) -> list[tuple[nn.Module, torch.Size, bool]]:
    """Every convolution of a step: the layer, its input, and whether that has a gradient."""
    found, hooks = [], []
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d | nn.Conv3d):
            hooks.append(
                layer.register_forward_hook(
                    lambda m, x, y: found.append((m, x[0].shape, x[0].requires_grad))
                )
            )
    model.losses(batch)
    for hook in hooks:
        hook.remove()
    return found


def work_of(layer: nn.Module, shape: torch.Size, gradient: bool) -> float:
    """Floating-point operations of a convolution of stride 1, forwards and backwards."""
    pixels = shape[0] * int(np.prod(shape[2:]))
    passes = 3 if gradient else 2  # the first layer's input has no gradient
    return passes * 2 * layer.weight.numel() * pixels


def first_batch(ours: training.Trainer):
    return next(islice(ours.remaining(), 1))
