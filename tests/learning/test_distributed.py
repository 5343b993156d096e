"""Training by several processes against training by one: nothing but rounding may differ."""

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import made_files
import numpy as np
import pandas as pd
import pytest
import safetensors.torch
import torch
from forks import context
from torch import distributed as dist
from torch import nn
from torch.nn import functional as F

from ssmtl import cli
from ssmtl.core.errors import InputError
from ssmtl.learning import distributed, tasks, training
from ssmtl.learning import model as models
from ssmtl.learning import samples as data

PATIENCE = 60  # seconds
STEPS, ROWS, HELD, BATCH = 20, 33, 9, 7


@dataclass
class Ended:
    """How a process ended, and what it said on standard error."""

    status: int
    said: str


@pytest.fixture(scope="module")
def launch(tmp_path_factory):
    """Runs a function in several processes as torch's launcher would; returns how each ended."""

    def run(count: int, body, *arguments) -> list[Ended]:
        logs = tmp_path_factory.mktemp("logs")
        server = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
        joined = [
            context.Process(target=child, args=(number, count, server.port, logs, body, arguments))
            for number in range(count)
        ]
        for process in joined:
            process.start()
        for process in joined:
            process.join(PATIENCE)
            hangs = process.is_alive()
            process.kill()
            assert not hangs, "a process hangs"
        return [
            Ended(process.exitcode, (logs / str(number)).read_text())
            for number, process in enumerate(joined)
        ]

    return run


def child(number: int, count: int, port: int, logs: Path, body, arguments) -> None:
    sys.stderr = open(logs / str(number), "w", buffering=1)  # noqa: SIM115
    torch.set_num_threads(1)
    os.environ |= {
        "CUDA_VISIBLE_DEVICES": "",
        "RANK": str(number),
        "LOCAL_RANK": str(number),
        "WORLD_SIZE": str(count),
        "LOCAL_WORLD_SIZE": str(count),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "TORCHELASTIC_RUN_ID": "test",
        "TORCHELASTIC_USE_AGENT_STORE": "True",
    }
    body(*arguments)


def compute_in_double() -> None:
    """Float64 wherever this process would compute in float32."""
    torch.set_default_dtype(torch.float64)
    torch.Tensor.float = torch.Tensor.double


# Batch norm


def normalise(x, weight, bias, share, slices, output) -> None:
    """One process's part of batch norm and its gradients, to a file."""
    if weight.dtype == torch.float64:
        compute_in_double()
    x, share = (torch.split(values, slices)[int(os.environ["RANK"])] for values in (x, share))
    x, weight, bias = (values.clone().requires_grad_() for values in (x, weight, bias))
    running = torch.full_like(weight, 0.3).detach(), torch.full_like(weight, 2.0).detach()
    with distributed.session():
        y = distributed.batch_norm(x, *running, weight, bias, True, 0.1, 1e-5)
        (y * share).sum().backward()
        gradients = [distributed.total(values.grad) for values in (weight, bias)]
    torch.save([y.detach(), x.grad, *gradients, *running], output / os.environ["RANK"])


@pytest.mark.parametrize(
    "dtype,slices,tolerance",
    [
        (torch.float64, (6, 1), 1e-12),
        (torch.float64, (7, 0), 1e-12),
        (torch.float32, (4, 3), 1e-5),
        (torch.bfloat16, (4, 3), 2e-2),
    ],
)
def test_batch_norm_is_that_of_the_whole_batch(launch, tmp_path, dtype, slices, tolerance):
    torch.manual_seed(0)
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    # Far from zero, where a sum of squares would lose the variance.
    x = (torch.randn(7, 5, 2, 4, 4, dtype=wide) + 50).to(dtype)
    share, weight, bias = torch.randn(x.shape, dtype=wide), torch.rand(5), torch.rand(5)
    weight, bias = weight.to(wide), bias.to(wide)
    ended = launch(2, normalise, x, weight, bias, share, slices, tmp_path)
    assert [end.status for end in ended] == [0, 0], ended
    inputs = [values.clone().requires_grad_() for values in (x, weight, bias)]
    running = torch.full((5,), 0.3, dtype=wide), torch.full((5,), 2.0, dtype=wide)
    y = F.batch_norm(inputs[0], *running, *inputs[1:], True, 0.1, 1e-5)
    (y * share).sum().backward()
    first, second = (torch.load(tmp_path / str(number)) for number in range(2))
    close = {"atol": tolerance, "rtol": tolerance}
    torch.testing.assert_close(torch.cat((first[0], second[0])), y.detach(), **close)
    torch.testing.assert_close(torch.cat((first[1], second[1])), inputs[0].grad, **close)
    assert all(map(torch.equal, first[2:], second[2:]))
    for found, expected in zip(first[2:], [*(v.grad for v in inputs[1:]), *running], strict=True):
        torch.testing.assert_close(found, expected, atol=50 * tolerance, rtol=tolerance)


def test_every_batch_norm_is_one_over_the_whole_batch():
    spec = {
        "encoder": "cnn3d",
        "encoder_options": {"depth": "deep", "width": "narrow"},
        "task_options": {},
        "size": 32,
        "radius": 3,
        "max_gap": 4,
    }
    model = models.build(spec | {"tasks": tasks.available(), "classes": ["a"]})
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    assert len(norms) > 6
    for norm in norms:
        assert type(norm).forward.__globals__["batch_norm"] is distributed.batch_norm, norm


# Training


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Noise in the form of a training shard: two clips, one of which validates."""
    folder, rng = tmp_path_factory.mktemp("shard"), np.random.default_rng(0)
    cubes, teachers = folder / "cubes.h5", folder / "teachers.h5"
    settings = {"size": 16, "radius": 2, "max_gap": 2}
    clips = {}
    # The seed holds out the first clip.
    for clip, count in (("a", HELD), ("b", ROWS)):
        clips[clip] = {
            "cubes": rng.integers(0, 256, (count, 9, 16, 16, 3), np.uint8),
            # Every third one has no room for a gap, so that a part of a batch may lack any.
            "valid": np.where(np.arange(count)[:, None] % 3 == 0, [2, 7], [0, 9]),
            "logits": rng.random((count, 1000), dtype=np.float32),
            "class_probs": rng.random((count, 2), dtype=np.float32),
        }
    return made_files.write_cubes(cubes, teachers, clips, settings, classes=("a", "b"))


def train(files, output, double=True, spoil=lambda: None, **options) -> None:
    """The command `train`; pools of 16 samples leave one over, for one process only."""
    data.BLOCK, data.POOL = 1, 16
    if double:
        compute_in_double()
    spoil()
    settings = {
        "cubes_seen": round(STEPS / data.epoch_steps(ROWS, BATCH) * ROWS),
        "batch": BATCH,
        "validations": 4,
        "checkpoint_steps": 5,
        "precision": "float32",
        "seed": SEED,
    } | options
    words = [word for name, value in settings.items() for word in (f"--{name}", str(value))]
    words = [word.replace("_", "-") if word.startswith("--") else word for word in words]
    cli.main(
        [
            "train",
            str(output),
            "--cubes",
            str(files[0]),
            "--teachers",
            str(files[1]),
            "--flip",
            *words,
        ]
    )


SEED = next(seed for seed in range(9) if np.random.default_rng([seed, 15]).choice([0, 1], 1) == [0])


@pytest.fixture(scope="module")
def alone(launch, files, tmp_path_factory):
    """The output folder of one process, in double precision."""
    folder = tmp_path_factory.mktemp("alone")
    assert launch(1, train, files, folder)[0].status == 0
    return folder


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return safetensors.torch.load_file(folder / "model.safetensors")


def same_run(folder: Path, other: Path, tolerance: float) -> None:
    history, expected = (pd.read_csv(f / "history.csv") for f in (folder, other))
    assert history["step"].max() == STEPS
    pd.testing.assert_frame_equal(history, expected, rtol=max(tolerance, 2e-6))
    for name, values in weights(other).items():
        close = {"atol": tolerance, "rtol": tolerance}
        torch.testing.assert_close(weights(folder)[name], values, **close)
    ours, theirs = (json.loads((f / "model.json").read_text()) for f in (folder, other))
    for card in (ours, theirs):
        card["best"]["validation_loss"] = pytest.approx(
            card["best"]["validation_loss"], rel=tolerance
        )
    assert ours["train"] == theirs["train"] and ours["fingerprint"] == theirs["fingerprint"]


def test_two_processes_change_nothing(launch, files, alone, tmp_path):
    ended = launch(2, train, files, tmp_path)
    assert [end.status for end in ended] == [0, 0], ended
    same_run(tmp_path, alone, 1e-9)
    assert f"step {STEPS} of {STEPS}" in ended[0].said
    assert not ended[1].said
    assert names(tmp_path) == names(alone)
    again = launch(2, train, files, tmp_path)
    assert [end.status for end in again] == [0, 0], again
    assert "trained already" in again[0].said
    assert names(tmp_path) == names(alone)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_single_precision_differs_by_rounding_only(launch, files, tmp_path):
    for count in (1, 2):
        ended = launch(count, train, files, tmp_path / str(count), False)
        assert [end.status for end in ended] == [0] * count, ended
    alone, both = (pd.read_csv(tmp_path / f"{count}/history.csv") for count in (1, 2))
    pd.testing.assert_frame_equal(both, alone, rtol=1e-3)


def die_at_half() -> None:
    """Ends this process without a word once the state of the tenth step is kept."""
    save = training.Checkpoint.save

    def once(self, trainer):
        save(self, trainer)
        if trainer.state.step == STEPS // 2:
            os._exit(9)

    training.Checkpoint.save = once


def test_another_number_of_processes_goes_on(launch, files, alone, tmp_path):
    first = launch(3, train, files, tmp_path, True, die_at_half)
    assert first[0].status == 9, first
    assert all(end.status for end in first)
    second = launch(2, train, files, tmp_path)
    assert f"resuming at step {STEPS // 2} of {STEPS}" in second[0].said
    same_run(tmp_path, alone, 1e-9)


# Errors


def refusal(ended: list[Ended]) -> str:
    """The one line of all processes together; none of them ends well."""
    assert [end.status for end in ended] == [2] * len(ended), ended
    lines = "".join(end.said for end in ended).splitlines()
    said = [line for line in lines if not line.startswith(INFORMATION)]
    assert len(said) == 1, said
    return said[0]


INFORMATION = ("42 samples", "step ")


def diverge() -> None:
    training.rate = lambda step, total, settings: 1e30


def test_a_loss_that_is_not_finite_stops_all_with_one_line(launch, files, tmp_path):
    line = refusal(launch(2, train, files, tmp_path, False, diverge))
    assert line.startswith("error: training: the loss of total")
    assert "at step 1; lower" in line
    assert not list(tmp_path.glob("[!.]*"))


def fail_in_the_second() -> None:
    step = training.Trainer.step

    def failing(self, batch):
        if distributed.rank() == 1 and self.state.step == 3:
            raise InputError("cubes.h5: gone")
        step(self, batch)

    training.Trainer.step = failing


def test_bad_input_of_one_process_ends_the_others(launch, files, tmp_path):
    line = refusal(launch(2, train, files, tmp_path, False, fail_in_the_second))
    assert line == "error: cubes.h5: gone"


def test_bad_input_of_all_is_said_once(launch, files, tmp_path):
    line = refusal(launch(2, train, (files[0], tmp_path / "none.h5"), tmp_path))
    assert "none.h5: no such file" in line


def test_more_processes_than_gpus(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    with pytest.raises(InputError, match=r"2 processes, but 1 GPUs .* at most --nproc_per_node=1"):
        distributed.join(None, 1, 2)
