"""The proxy tasks, one file each, found by the name in the config."""

import importlib
from pathlib import Path

from ssmtl.core.errors import InputError
from ssmtl.learning.tasks.base import Shapes, Task

MODULES = ("__init__", "base", "nearest")


def available() -> list[str]:
    """Names of the tasks in this folder."""
    files = Path(__file__).parent.glob("*.py")
    return sorted(file.stem for file in files if file.stem not in MODULES)


def load(name: str) -> type[Task]:
    """The class of a task by its name, which is also its file's."""
    if name not in available():
        raise InputError(f"train.tasks: no task '{name}'; there are {', '.join(available())}")
    module = importlib.import_module(f"ssmtl.learning.tasks.{name}")
    return next(
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Task) and vars(value).get("name") == name
    )


def measured(names: list[str]) -> list[str]:
    """The rows of features.h5 that the tasks of these names need, each once."""
    return list(dict.fromkeys(row for name in names for row in load(name).measured))


def build(names: list[str], shapes: Shapes) -> list[Task]:
    """The tasks of a model, in the order of the config."""
    return [load(name)(shapes) for name in names]
