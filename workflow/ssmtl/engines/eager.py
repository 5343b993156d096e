"""Networks run by torch, operation by operation."""

import torch
from torch import Tensor, nn


class Eager:
    """A module on a device, in a precision."""

    def __init__(self, module: nn.Module, device: torch.device, precision: str, uniform: bool):
        low = precision != "float32"
        self.device, self.dtype = device, getattr(torch, precision)
        self.cast, self.autocast = low and uniform, low and not uniform
        self.module = module.to(device, self.dtype if self.cast else torch.float32)

    @torch.inference_mode()
    def __call__(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        placed = [each.to(self.device, non_blocking=True) for each in inputs]
        if self.cast:
            placed = [e.to(self.dtype) if e.is_floating_point() else e for e in placed]
        with torch.autocast(self.device.type, self.dtype, enabled=self.autocast):
            return self.module(*placed)
