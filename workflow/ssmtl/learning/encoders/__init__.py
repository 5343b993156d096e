"""The shared encoders, one file each, found by the name in the config.

An encoder takes views float (B, 3, T, S, S) to features (B, `channels`, `side`, `side`), after
`pools` halvings of the picture that a decoder can undo; 0 where it keeps no picture. Each file
has one class with its `name`, its `Options`, see `learning.options`, and `from_spec`.
"""

import importlib
from pathlib import Path
from typing import Any

from torch import nn

from ssmtl.core.errors import InputError


def available() -> list[str]:
    """Names of the encoders in this folder."""
    return sorted(f.stem for f in Path(__file__).parent.glob("*.py") if f.stem != "__init__")


def load(name: str) -> type[nn.Module]:
    """The class of an encoder by its name, which is also its file's."""
    if name not in available():
        raise InputError(f"train.encoder: no encoder '{name}'; there are {', '.join(available())}")
    module = importlib.import_module(f"ssmtl.learning.encoders.{name}")
    return next(v for v in vars(module).values() if getattr(v, "name", None) == name)


def build(spec: dict) -> nn.Module:
    """The encoder of a model's specification; InputError for a name or size that cannot be."""
    encoder: Any = load(spec["encoder"])  # each has `from_spec`, which nn.Module has not
    return encoder.from_spec(spec)
