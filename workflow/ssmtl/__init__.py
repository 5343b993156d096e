"""Self-supervised multi-task anomaly detection as a staged, cacheable pipeline.

`evaluate` measures anomaly scores of any method. Nothing is imported before it is asked for.
"""

from importlib import import_module

__version__ = "0.1.0"
__all__ = ["__version__", "evaluate"]

HOMES = {"evaluate": "ssmtl.evaluation.measure"}


def __getattr__(name: str):
    if name not in HOMES:
        raise AttributeError(f"module 'ssmtl' has no attribute {name!r}")
    return getattr(import_module(HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *HOMES})
