"""The tasks and encoders that there are, with their options; see `core.options`."""

from pathlib import Path

from ssmtl.core.options import Choices

FOLDER = Path(__file__).parent
TASKS = Choices(
    FOLDER / "tasks",
    "task",
    others=("__init__", "base", "nearest"),
    light=("ssmtl.learning.settings",),
)
ENCODERS = Choices(FOLDER / "encoders", "encoder")
