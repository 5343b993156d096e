"""An exported model is the model, for a program that knows nothing of this one."""

from pathlib import Path

import numpy as np
import pytest
import torch

from ssmtl.core.errors import InputError
from ssmtl.engines import export as engine
from ssmtl.learning import model as models
from ssmtl.scoring.export import export_model
from ssmtl.scoring.objects import ScoringModel

openvino = pytest.importorskip("openvino", reason="needs openvino, an optional package")

DEMO = Path(__file__).parents[2] / "workflow/models/demo-best/model.safetensors"


@pytest.mark.parametrize(("form", "name"), [("onnx", "m.onnx"), ("openvino", "m.xml")])
def test_the_released_model_scores_the_same_in_another_format(tmp_path, form, name):
    if form == "onnx":
        pytest.importorskip("onnx", reason="needs onnx, an optional package")
    path = tmp_path / "out" / name
    export_model(path, model=DEMO, format=form, reduction="mean")
    beside = {"m.xml": ["m.bin", "m.xml"], "m.onnx": ["m.onnx"]}[name]
    assert sorted(file.name for file in path.parent.iterdir()) == beside
    model, card = models.load(DEMO, {"distillation": {"reduction": "mean"}})
    spec, rng = card["spec"], np.random.default_rng(5)
    shape = (9, 2 * spec["radius"] + 1, spec["size"], spec["size"], 3)
    cubes = rng.integers(0, 256, shape, dtype=np.uint8)
    probs = rng.random((9, len(spec["classes"])), dtype=np.float32)
    network = openvino.Core().compile_model(path, "CPU")
    found = network({"cubes": cubes, "class_probs": probs})
    expected = ScoringModel(model, torch.device("cpu"))(cubes, {"class_probs": probs})
    for output in network.outputs:
        [task] = output.names & set(expected)
        np.testing.assert_allclose(found[output], expected[task], atol=2e-6)


class Shifting(torch.nn.Module):
    """Gives something else each time."""

    def forward(self, rows):
        return (rows + torch.rand(1),)


def test_a_network_that_is_not_the_model_is_not_kept(tmp_path):
    inputs = {"rows": engine.random_like((3,), torch.float32)}
    with pytest.raises(InputError, match="is not the model"):
        engine.export(Shifting(), inputs, ["sum"], tmp_path / "x.xml", "openvino")
    with pytest.raises(InputError, match=r"has the suffix \.onnx"):
        engine.export(Shifting(), inputs, ["sum"], tmp_path / "x.xml", "onnx")
    assert not list(tmp_path.iterdir())
