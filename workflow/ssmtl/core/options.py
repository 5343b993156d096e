"""The options of what the configuration names by its file, read without importing that file.

A detector, an encoder or a task is a module that the configuration names, with options of its own
in classes of that module. Planning and the reference page need them, and must stay free of torch:
so the classes are read from the source, and use only what the `light` modules give them.
"""

import ast
import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ssmtl.core.errors import InputError
from ssmtl.core.settings import Settings

LIGHT = ("typing", "pydantic", "ssmtl.core.settings")


@dataclass(frozen=True)
class Choices:
    """The modules of a folder of this package that the configuration can name.

    noun: what one of them is. others: modules that are none. light: what their options may import
    beside `LIGHT`.
    """

    folder: Path
    noun: str
    others: tuple[str, ...] = ("__init__", "base")
    light: tuple[str, ...] = ()

    def names(self) -> list[str]:
        """What there is."""
        return sorted(
            path.stem for path in self.folder.glob("*.py") if path.stem not in self.others
        )

    def known(self, name: str, place: str) -> None:
        """InputError for a name that there is not; `place` begins its line."""
        if name not in (there := self.names()):
            close = difflib.get_close_matches(name, there, 1)
            hint = f"did you mean '{close[0]}'?" if close else f"there are {', '.join(there)}"
            raise InputError(f"{place}: no {self.noun} '{name}'; {hint}")

    def options_class(self, name: str, kind: str = "Options") -> type[Settings] | None:
        """A module's class of options, of the name `kind`; None where it has none of its own."""
        return _class_in(self.folder / f"{name}.py", kind, (*LIGHT, *self.light))

    def parsed(self, name: str, given: Mapping[str, Any], place: str) -> dict:
        """All options of one module, those that are given over their defaults."""
        return (self.options_class(name) or Settings).parse(dict(given), place).model_dump()

    def completed(
        self,
        used: list[str],
        given: Mapping[str, Mapping],
        place: str,
        kind: str = "Options",
        default: type[Settings] = Settings,
    ) -> dict[str, dict]:
        """All options of what is used, by name; what there is none of is left out.

        given: options that differ from their defaults, also of what is not used. Raises InputError
        for names and options that there are not, and values that may not be; `place` begins its
        line.
        """
        for name in given:
            self.known(name, place)
        sections = {
            name: (self.options_class(name, kind) or default).parse(
                dict(given.get(name, {})), f"{place}.{name}"
            )
            for name in dict.fromkeys((*used, *given))
        }
        values = {name: sections[name].model_dump() for name in used}
        return {name: options for name, options in values.items() if options}


@cache
def _class_in(path: Path, kind: str, light: tuple[str, ...]) -> type[Settings] | None:
    tree = ast.parse(path.read_text("utf-8"), str(path))
    wanted: list[ast.stmt] = [
        node
        for node in tree.body
        if (isinstance(node, ast.ImportFrom) and node.module in light)
        or (isinstance(node, ast.ClassDef) and node.name == kind)
    ]
    found: dict[str, Any] = {"__name__": f"{__package__}.options.{path.stem}"}
    exec(compile(ast.Module(wanted, []), str(path), "exec"), found)  # noqa: S102 a part of this package
    return found.get(kind)
