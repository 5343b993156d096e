"""Networks as files for other programs: ONNX, or OpenVINO's own format.

What is written is read back and compared with torch before it gets its name.
"""

import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import Tensor, nn

from ssmtl.core.errors import InputError
from ssmtl.engines import check_equal, installed, reference

SUFFIX = {"onnx": ".onnx", "openvino": ".xml"}
NEEDS = {"onnx": ("onnx", "openvino"), "openvino": ("openvino",)}
TOLERANCE = 1e-4  # of the largest value, in float32
TRACED, COMPARED = 2, 5  # rows; the batch is left open


def export(
    module: nn.Module, inputs: dict[str, Tensor], outputs: list[str], path: Path, form: str
) -> float:
    """Writes a network to `path`; returns how far its outputs are from torch's at most.

    module: inputs by name, each with COMPARED rows -> a tuple of the outputs named. An OpenVINO
    network has its weights beside it, in a .bin. Raises InputError for a suffix of another format,
    a package that is missing and a network that does not give what torch gives.
    """
    if path.suffix != SUFFIX[form]:
        raise InputError(f"{path}: {form} has the suffix {SUFFIX[form]}; name the file so")
    if missing := [name for name in NEEDS[form] if not installed(name)]:
        raise InputError(f"export to {form} needs {missing[0]}; `pip install {missing[0]}`")
    from ssmtl.engines import openvino

    module, given = module.eval(), list(inputs.values())
    some = [each[:TRACED] for each in given]
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as name:
        folder, temporary = Path(name), Path(name, path.name)
        if form == "onnx":
            write_onnx(module, some, list(inputs), outputs, temporary)
        else:
            openvino.save(openvino.converted(module, some), list(inputs), outputs, temporary)
        found, expected = openvino.loaded(temporary)(*given), reference(module, given)
        try:
            check_equal(found, expected, TOLERANCE)
        except ArithmeticError as error:
            raise InputError(f"{path}: the exported network is not the model ({error})") from error
        far = max(float((a - b).abs().max()) for a, b in zip(found, expected, strict=True))
        for file in sorted(folder.iterdir()):  # the weights before what refers to them
            file.replace(path.parent / file.name)
    return far


def write_onnx(
    module: nn.Module, inputs: list[Tensor], names: list[str], outputs: list[str], path: Path
) -> None:
    """The module as an ONNX file with an open batch."""
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of tracing; what it gives is compared afterwards
        torch.onnx.export(
            module,
            tuple(inputs),
            str(path),
            dynamo=False,
            input_names=names,
            output_names=outputs,
            dynamic_axes={name: {0: "objects"} for name in (*names, *outputs)},
        )


def random_like(shape: tuple[int, ...], dtype: torch.dtype, rows: int = COMPARED) -> Tensor:
    """Rows to compare by: levels of pictures, or numbers from 0 to 1."""
    rng = np.random.default_rng(0)
    if dtype == torch.uint8:
        return torch.from_numpy(rng.integers(0, 256, (rows, *shape), dtype=np.uint8))
    return torch.from_numpy(rng.random((rows, *shape), dtype=np.float32))
