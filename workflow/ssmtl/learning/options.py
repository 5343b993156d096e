"""The options of tasks and encoders, read from their files without importing torch.

Planning and the reference page need them, and must stay fast. A file's classes `Options` and
`ScoreOptions` therefore use only what `LIGHT` modules give them.
"""

import ast
import difflib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from ssmtl.core.errors import InputError
from ssmtl.core.settings import Settings

FOLDER = Path(__file__).parent
LIGHT = ("typing", "pydantic", "ssmtl.core.settings", "ssmtl.learning.settings")
NO_NAMES = ("__init__", "base", "nearest")


def names(folder: str) -> list[str]:
    """The tasks (`tasks`) or encoders (`encoders`) that there are."""
    return sorted(path.stem for path in (FOLDER / folder).glob("*.py") if path.stem not in NO_NAMES)


@cache
def options_class(folder: str, name: str, kind: str = "Options") -> type[Settings] | None:
    """A file's class of options, `Options` or `ScoreOptions`; None where it has none of its own."""
    path = FOLDER / folder / f"{name}.py"
    tree = ast.parse(path.read_text("utf-8"), str(path))
    wanted: list[ast.stmt] = [
        node
        for node in tree.body
        if (isinstance(node, ast.ImportFrom) and node.module in LIGHT)
        or (isinstance(node, ast.ClassDef) and node.name == kind)
    ]
    found: dict[str, Any] = {"__name__": f"ssmtl.learning.{folder}.{name}"}
    exec(compile(ast.Module(wanted, []), str(path), "exec"), found)  # noqa: S102 a part of this package
    return found.get(kind)


def completed(
    folder: str,
    used: list[str],
    given: Mapping[str, Mapping],
    place: str,
    kind: str = "Options",
    default: type[Settings] = Settings,
) -> dict[str, dict]:
    """All options of what is used, by name; what there is none of is left out.

    given: options that differ from their defaults, also of what is not used. Raises InputError for
    names and options that there are not, and values that may not be; `place` begins its line.
    """
    for name in given:
        known(folder, name, place)
    sections = {
        name: (options_class(folder, name, kind) or default).parse(
            dict(given.get(name, {})), f"{place}.{name}"
        )
        for name in dict.fromkeys((*used, *given))
    }
    values = {name: sections[name].model_dump() for name in used}
    return {name: options for name, options in values.items() if options}


def known(folder: str, name: str, place: str) -> None:
    """InputError for a task or encoder that there is not."""
    if name not in (there := names(folder)):
        close = difflib.get_close_matches(name, there, 1)
        hint = f"did you mean '{close[0]}'?" if close else f"there are {', '.join(there)}"
        raise InputError(f"{place}: no {folder.removesuffix('s')} '{name}'; {hint}")
