"""Networks run by an engine give what torch gives, whatever the batch, from any thread."""

import logging
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import nn

from ssmtl import engines
from ssmtl.core.errors import InputError
from ssmtl.learning import model as models
from ssmtl.learning import tasks
from ssmtl.scoring.objects import ScoringModel

CPU = torch.device("cpu")
SPEC = {
    "encoder": "cnn3d",
    "encoder_options": {"depth": "shallow", "width": "narrow"},
    "size": 32,
    "radius": 3,
    "max_gap": 4,
    "classes": list("abc"),
    "task_options": {"jigsaw": {"permutations": 4, "margin": 0.1}},
}

pytest.importorskip("openvino", reason="needs openvino, an optional package")


class Both(nn.Module):
    """Two inputs, two outputs, one of them of another shape for every shape of the picture."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, images, rows):
        found = self.layer(images).relu()
        return found.flatten(2).transpose(1, 2), found.mean((2, 3)) + rows


def inputs(count: int, height: int = 8, width: int = 12) -> tuple:
    torch.manual_seed(count)
    return torch.rand(count, 3, height, width), torch.rand(count, 4)


def test_openvino_gives_what_torch_gives_for_any_batch_and_shape():
    network, module = engines.Network(Both(), CPU, engine="openvino"), Both()
    for given in (inputs(1), inputs(5), inputs(2, 16, 8)):
        with torch.no_grad():
            for found, expected in zip(network(*given), module(*given), strict=True):
                torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    assert str(network) == "float32 by openvino"


def test_threads_that_come_first_at_the_same_time_wait_for_one_that_compiles():
    network, module = engines.Network(Both(), CPU, engine="openvino", calls=2), Both()
    made = []
    compiled = network.compiled
    network.compiled = lambda given: made.append(1) or compiled(given)
    batches = [inputs(count) for count in range(1, 9)]
    with ThreadPoolExecutor(4) as pool, torch.no_grad():
        for given, found in zip(batches, pool.map(lambda g: network(*g), batches), strict=True):
            torch.testing.assert_close(found[0], module(*given)[0], rtol=1e-5, atol=1e-6)
    assert len(made) == 1


class Counting(nn.Module):
    """What tracing cannot know: the number of rows goes in as a constant."""

    def forward(self, rows):
        return (rows * float(len(rows)),)


def test_a_network_that_openvino_gets_wrong_is_run_by_torch_with_a_line(caplog):
    network = engines.Network(Counting(), CPU)
    with caplog.at_level(logging.WARNING):
        [found] = network(torch.ones(5, 2))
    assert (found == 5).all() and network.engine == "torch"
    assert "torch does" in caplog.text
    with pytest.raises(InputError, match="openvino cannot run this network"):
        engines.Network(Counting(), CPU, engine="openvino")(torch.ones(5, 2))


@pytest.mark.parametrize("names", [[name] for name in tasks.available()], ids=lambda n: n[0])
def test_every_task_scores_the_same_by_either_engine(names):
    """A task that openvino cannot run would fall back in silence otherwise."""
    torch.manual_seed(0)
    model = models.build(SPEC | {"tasks": names}).eval()
    for module in model.modules():  # statistics that are not those of a fresh norm
        if getattr(module, "running_var", None) is not None:
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
    rng = np.random.default_rng(0)
    cubes = rng.integers(0, 256, (5, 7, 32, 32, 3), dtype=np.uint8)
    targets = {"class_probs": rng.random((5, 3), dtype=np.float32)}
    for task in model.tasks.values():  # those with a memory of what was measured
        wide = {row: 1 if row in ("step", "height") else 8 for row in task.measured}
        targets |= {row: rng.random((5, n), dtype=np.float32) for row, n in wide.items()}
        if not task.trained:
            task.fit({row: torch.rand(20, n) for row, n in wide.items()})
    ours = ScoringModel(model, CPU, "float32", "openvino")(cubes, targets)
    theirs = ScoringModel(model, CPU, "float32", "torch")(cubes, targets)
    for name in names:
        np.testing.assert_allclose(ours[name], theirs[name], atol=1e-5)


def test_an_engine_that_cannot_be_is_refused():
    with pytest.raises(InputError, match="runs on a CPU alone"):
        engines.chosen_engine("openvino", torch.device("cuda"))
    with pytest.raises(InputError, match="choose auto, torch or openvino"):
        engines.chosen_engine("tensorrt", CPU)


def test_without_the_package_torch_runs_the_network(monkeypatch):
    monkeypatch.setattr(engines, "installed", lambda name: name == "torch")
    assert engines.chosen_engine("auto", CPU) == "torch"
    with pytest.raises(InputError, match="pip install openvino"):
        engines.chosen_engine("openvino", CPU)
