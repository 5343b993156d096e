"""Settings as options of the command line."""

import shlex
from typing import Any


def flags(values: dict, prefix: str = "") -> str:
    """Settings as command-line options, in a fixed order: `--batch 16 --no-flip --iou 0.45`.

    prefix: what the options' names begin with, such as `cubes_`.
    """
    names = ((name, (prefix + name).replace("_", "-")) for name in sorted(values))
    return " ".join(word for name, option in names for word in words(option, values[name]))


def words(option: str, value: Any) -> list[str]:
    """One setting as words for the shell; a section of keys has an option for each."""
    if isinstance(value, bool):
        return [f"--{option}" if value else f"--no-{option}"]
    if isinstance(value, dict):
        return [word for key in sorted(value) for word in words(f"{option}.{key}", value[key])]
    if isinstance(value, list):
        text = ",".join(map(str, value))
    else:
        text = "null" if value is None else str(value)
    return [f"--{option}", shlex.quote(text)]
