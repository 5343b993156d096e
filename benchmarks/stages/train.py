"""Stage train: the shallow-narrow encoder on crops of 64 x 64, beside an ordinary loop.

Training is bound by its convolutions, so the limit is what they take alone, forwards and backwards,
each as large as in the network and in the layout that is fastest for it here.
"""

import json
import time
from itertools import islice
from pathlib import Path

import numpy as np
import torch
import training_input
from measure import Case, synchronize
from torch.profiler import ProfilerActivity, profile

from ssmtl.core.device import chosen_device

UNIT = "cubes"
DEVICES = ("cpu", "cuda")
FRAMES, SIZE, SMALL = 330, 64, 32
BATCH = {"cpu": 32, "cuda": 256}
STEPS = {"cpu": 5, "cuda": 30}  # that are timed, after WARM others
WARM = 2
EQUAL = 50  # steps whose losses are compared, on crops of SMALL in batches of EQUAL_BATCH
EQUAL_BATCH = 14


def prepare(folder: Path, scale: float) -> None:
    training_input.write(folder, round(FRAMES * scale), SIZE)
    training_input.write(folder / "small", FRAMES, SMALL)


def timed(steps, batch: int) -> tuple[int, float]:
    """Cubes and seconds of some steps, each the median's time."""
    times = []
    for _ in islice(steps, WARM):
        pass
    synchronize()
    start = time.perf_counter()
    for _ in islice(steps, STEPS[chosen_device().type]):
        synchronize()
        times.append(time.perf_counter() - start)
    steps.close()
    each = float(np.median(np.diff([0, *times])))
    return batch, each


def values() -> dict:
    return training_input.settings("shallow", "narrow", BATCH[chosen_device().type])


def ours(share: float):
    def run(folder: Path) -> tuple[int, float]:
        with training_input.open_samples(folder, SIZE) as samples:
            trainer = training_input.trainer(samples, values(), share)
            return timed(training_input.our_steps(trainer), BATCH[chosen_device().type])

    return run


def ordinary(layout: torch.memory_format):
    def run(folder: Path) -> tuple[int, float]:
        files = folder / f"cubes{SIZE}.h5", folder / f"teachers{SIZE}.h5"
        steps = WARM + STEPS[chosen_device().type]
        with training_input.open_samples(folder, SIZE) as samples:
            trainer = training_input.trainer(samples, values())
            loop = training_input.ordinary_steps(trainer, *files, steps, layout)
            return timed(loop, BATCH[chosen_device().type])

    return run


def convolutions_alone(depth: str, width: str):
    def run(folder: Path) -> tuple[int, float]:
        device = chosen_device()
        given = training_input.settings(depth, width, BATCH[device.type])
        with training_input.open_samples(folder, SIZE) as samples:
            trainer = training_input.trainer(samples, given)
            batch = training_input.first_batch(trainer)
            layers = training_input.convolutions(trainer.model, batch)
        kind = torch.bfloat16 if given.precision == "bfloat16" else torch.float32
        seconds = sum(alone(*layer, device, kind) for layer in layers)
        return len(batch.cubes), seconds

    return run


def alone(layer, shape: torch.Size, gradient: bool, device, kind: torch.dtype) -> float:
    """Seconds of one convolution forwards and backwards, in the faster of two layouts."""
    channels_last = torch.channels_last_3d if len(shape) == 5 else torch.channels_last
    found = []
    for layout in (channels_last, torch.contiguous_format):
        own = layer.to(device, kind, memory_format=layout)
        x = torch.rand(shape, device=device, dtype=kind).to(memory_format=layout)
        x.requires_grad_(gradient)
        back = torch.rand_like(own(x))

        def work(own=own, x=x, back=back) -> None:
            own(x).backward(back)

        work()
        synchronize()
        for _ in range(3):
            start = time.perf_counter()
            work()
            synchronize()
            found.append(time.perf_counter() - start)
    return min(found)


# Operators by what they do; the first group whose word is in an operator's name has it.
GROUPS = {
    "convolutions": ("conv",),
    "batch norm": ("batch_norm", "batchnorm"),
    "pooling": ("pool", "amax"),
    "ReLU": ("threshold", "clamp", "relu"),
    "optimiser": ("optimizer", "adam", "foreach"),
    "copies, casts and fills": ("copy", "fill", "zero", "cat", "index", "flip"),
}


def profiled(folder: Path) -> dict:
    """The share of every group of operators in the time of a step of ours."""
    cuda = chosen_device().type == "cuda"
    kinds = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * cuda
    with training_input.open_samples(folder, SIZE) as samples:
        steps = training_input.our_steps(training_input.trainer(samples, values()))
        for count in (
            WARM,
            STEPS[chosen_device().type],
        ):  # the first for the profiler to get its memory
            with profile(activities=kinds) as found:
                for _ in islice(steps, count):
                    synchronize()
        steps.close()
    times = dict.fromkeys((*GROUPS, "the rest"), 0.0)
    for event in found.key_averages():
        name = event.key.lower()
        group = (group for group, words in GROUPS.items() if any(word in name for word in words))
        spent = event.self_device_time_total if cuda else event.self_cpu_time_total
        times[next(group, "the rest")] += spent
    return {name: round(spent / sum(times.values()), 3) for name, spent in times.items()}


def same_losses(folder: Path) -> dict:
    """The total losses of both loops over EQUAL steps from the same weights."""
    small, given = folder / "small", training_input.settings("shallow", "narrow", EQUAL_BATCH)
    given = given.model_copy(update={"precision": "float32"})
    with training_input.open_samples(small, SMALL) as samples:
        trainer = training_input.trainer(samples, given)
        files = small / f"cubes{SMALL}.h5", small / f"teachers{SMALL}.h5"
        layout = torch.channels_last_3d
        theirs = list(training_input.ordinary_steps(trainer, *files, EQUAL, layout))
        losses = []
        for batch in islice(trainer.remaining(), EQUAL):
            trainer.step(batch)
            losses.append(float(trainer.unread.pop()[0]))
    apart = np.abs(np.array(losses) - theirs)
    assert len(theirs) == EQUAL and apart.max() < 1e-3, json.dumps([losses, theirs])
    return {
        "steps": EQUAL,
        "first_loss": losses[0],
        "last_loss": losses[-1],
        "largest_difference": float(apart.max()),
    }


ABOUT = f"shallow-narrow, {SIZE} x {SIZE}"
CASES = [
    Case("ours", "resident", f"{ABOUT}, cubes in memory", ours(0.5)),
    Case("limit", "resident", "its convolutions alone", convolutions_alone("shallow", "narrow")),
    Case("rival", "resident", "an ordinary loop", ordinary(torch.contiguous_format)),
    Case("rival", "resident", "the same, channels last", ordinary(torch.channels_last_3d)),
    Case("check", "resident", "the same losses", same_losses),
    Case("profile", "resident", "shares of a step", profiled),
    Case("ours", "streamed", f"{ABOUT}, cubes streamed", ours(0)),
    Case("limit", "streamed", "its convolutions alone", convolutions_alone("shallow", "narrow")),
]
