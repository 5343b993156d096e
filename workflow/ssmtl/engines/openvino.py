"""Networks run by OpenVINO on a CPU. The package is optional, and imported in this file alone."""

import threading
import warnings
from collections.abc import Callable
from pathlib import Path

import openvino
import torch
from openvino.frontend import FrontEndManager
from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder
from torch import Tensor, nn

from ssmtl.core.machine import cores


def converted(module: nn.Module, inputs: list[Tensor]) -> openvino.Model:
    """The module as an OpenVINO model for inputs of these shapes, the batch left open.

    By the front end itself: `openvino.convert_model` would report its use online.
    """
    shapes = [openvino.PartialShape([-1, *each.shape[1:]]) for each in inputs]
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # what tracing cannot know is compared afterwards
        traced = torch.jit.trace(module, tuple(inputs), check_trace=False)
        decoder = TorchScriptPythonDecoder(traced, example_input=tuple(inputs))
    front_end = FrontEndManager().load_by_framework("pytorch")
    model = front_end.convert(front_end.load(decoder))
    for parameter, shape, each in zip(model.get_parameters(), shapes, inputs, strict=True):
        parameter.set_partial_shape(shape)
        parameter.set_element_type(TYPES[each.dtype])
    model.validate_nodes_and_infer_types()
    return model


TYPES = {torch.float32: openvino.Type.f32, torch.uint8: openvino.Type.u8}


def compiled(
    module: nn.Module, inputs: list[Tensor], precision: str, calls: int
) -> Callable[..., tuple[Tensor, ...]]:
    """What runs the module on batches like `inputs`, by `calls` threads at the same time."""
    options = {
        "INFERENCE_PRECISION_HINT": {"float32": "f32", "bfloat16": "bf16"}[precision],
        "INFERENCE_NUM_THREADS": cores(),
        "NUM_STREAMS": calls,
    }
    return Compiled(openvino.Core().compile_model(converted(module, inputs), "CPU", options))


def save(model: openvino.Model, inputs: list[str], outputs: list[str], path: Path) -> None:
    """Writes a model, .xml and .bin, in single precision, with names for what goes in and out."""
    for port, name in zip([*model.inputs, *model.outputs], [*inputs, *outputs], strict=True):
        port.set_names({name})
    openvino.save_model(model, path, compress_to_fp16=False)


def loaded(path: Path) -> "Compiled":
    """A network of a file, OpenVINO's or ONNX, in single precision."""
    options = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": cores()}
    return Compiled(openvino.Core().compile_model(path, "CPU", options))


class Compiled:
    """A compiled model with a request for each thread that calls it."""

    def __init__(self, model: openvino.CompiledModel):
        self.model, self.own = model, threading.local()

    def __call__(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        if not hasattr(self.own, "request"):
            self.own.request = self.model.create_infer_request()
        found = self.own.request.infer([each.contiguous().numpy() for each in inputs])
        return tuple(torch.from_numpy(found[output].copy()) for output in self.model.outputs)
