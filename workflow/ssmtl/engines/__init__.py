"""How a network is run where nothing is learnt: by torch, or by OpenVINO on a CPU.

`Network` is the one door. It takes a module whose inputs and outputs are tensors with a batch in
front, and gives the same outputs within the tolerance of its precision (docs/performance.md).
"""

import importlib.util
import logging
import threading
from collections.abc import Callable

import torch
from torch import Tensor, nn

from ssmtl.core.device import precision as found_precision
from ssmtl.core.errors import InputError

log = logging.getLogger(__name__)

ENGINES = ("torch", "openvino")
# How far outputs may be from torch's in float32, of the largest value, by precision.
TOLERANCE = {"float32": 2e-5, "bfloat16": 0.05}
ROWS = 3  # of a first batch, that are run by both engines; another number than it is traced with


def installed(engine: str) -> bool:
    return importlib.util.find_spec(engine) is not None


def chosen_engine(wanted: str, device: torch.device) -> str:
    """`wanted`, or, for `auto`, the fastest that is installed: OpenVINO on a CPU, else torch.

    Raises InputError for an engine that cannot run here.
    """
    if wanted == "auto":
        return "openvino" if device.type == "cpu" and installed("openvino") else "torch"
    if wanted not in ENGINES:
        raise InputError(f"engine {wanted!r}: choose auto, {' or '.join(ENGINES)}")
    if wanted == "openvino" and device.type != "cpu":
        raise InputError("engine openvino runs on a CPU alone; hide the GPU, or set auto or torch")
    if not installed(wanted):
        raise InputError(f"engine {wanted} is not installed; `pip install {wanted}`, or set auto")
    return wanted


class Network:
    """A module made ready to be run on a device; may be called by several threads.

    module: (tensors (B, ...), ...) -> tuple of tensors, the same whatever B is; precision and
    engine: as in the settings, `auto` for the fastest; calls: how many threads call at the same
    time, each with a share of the cores; uniform: whether torch may hold all of it in a low
    precision, else it chooses by operation; bounded: see `core.device.precision`.

    What an engine compiles, it compiles for each new shape of the inputs, the batch left open, by
    one thread while the others wait, and compares it with torch on a few rows. Where `auto` found
    an engine that cannot run a module, torch does.
    """

    def __init__(
        self,
        module: nn.Module,
        device: torch.device,
        *,
        precision: str = "float32",
        engine: str = "auto",
        calls: int = 1,
        uniform: bool = False,
        bounded: bool = False,
    ):
        self.module, self.device, self.calls, self.uniform = module.eval(), device, calls, uniform
        self.precision = found_precision(device, precision, bounded=bounded)
        self.wanted = engine
        self.engine = chosen_engine(engine, device)
        self.lock = threading.Lock()
        self.ready: dict[tuple, Callable[..., tuple[Tensor, ...]]] = {}  # by the inputs' shapes
        self.eager: Callable | None = None

    def __str__(self) -> str:
        return f"{self.precision} by {self.engine}"

    def __call__(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """The outputs for a batch, on the device; inputs may be anywhere."""
        shapes = tuple(each.shape[1:] for each in inputs)
        run = self.ready.get(shapes)
        if run is None:
            with self.lock:
                if shapes not in self.ready:
                    self.ready[shapes] = self.compiled(inputs)
                run = self.ready[shapes]
        return run(*inputs)

    def compiled(self, inputs: tuple[Tensor, ...]) -> Callable[..., tuple[Tensor, ...]]:
        """What runs batches of these shapes."""
        if self.engine == "openvino":
            from ssmtl.engines import openvino

            some = [torch.cat([each[:1].cpu()] * ROWS) for each in inputs]
            try:
                first = [each[: ROWS - 1] for each in some]
                run = openvino.compiled(self.module, first, self.precision, self.calls)
                check_equal(run(*some), reference(self.module, some), TOLERANCE[self.precision])
                return run
            except Exception as error:
                if self.wanted == "openvino":
                    raise InputError(f"engine openvino cannot run this network: {error}") from error
                log.warning("openvino cannot run this network (%s); torch does", first_line(error))
                self.engine = "torch"
        if self.eager is None:
            from ssmtl.engines.eager import Eager

            self.eager = Eager(self.module, self.device, self.precision, self.uniform)
        return self.eager


@torch.no_grad()
def reference(module: nn.Module, inputs: list[Tensor]) -> tuple[Tensor, ...]:
    """What torch gives in float32."""
    return module(*inputs)


def check_equal(found: tuple, expected: tuple, tolerance: float) -> None:
    """ArithmeticError unless outputs are equal to within `tolerance` of the largest value."""
    for index, (a, b) in enumerate(zip(found, expected, strict=True)):
        if a.shape != b.shape:
            raise ArithmeticError(f"output {index} is {tuple(a.shape)}, not {tuple(b.shape)}")
        largest = float(b.abs().nan_to_num(0, 0, 0).max()) if b.numel() else 0.0
        far = float((a - b).abs().nan_to_num(0, 0, 0).max()) if b.numel() else 0.0
        if far > tolerance * max(1, largest):
            raise ArithmeticError(f"output {index} is {far:.2g} from torch's, up to {largest:.2g}")


def first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
