"""Self-supervised multi-task anomaly detection as a staged, cacheable pipeline.

`load` opens a watcher, which scores recordings and cameras; `evaluate` measures anomaly scores of
any method. Nothing is imported before it is asked for.
"""

from importlib import import_module

__version__ = "0.2.0"
__all__ = ["__version__", "evaluate", "load"]

HOMES = {"evaluate": "ssmtl.evaluation.measure", "load": "ssmtl.watching.model"}


def __getattr__(name: str):
    if name not in HOMES:
        raise AttributeError(f"module 'ssmtl' has no attribute {name!r}")
    return getattr(import_module(HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *HOMES})
