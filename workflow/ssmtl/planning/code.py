"""The digest of a stage's code: what makes its jobs run again when the code changes."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from ssmtl.core.digest import Package
from ssmtl.planning.registry import STAGES, Stage

PACKAGE = Package()


def stage_code(name: str, sections: Mapping[str, Mapping], package: Package = PACKAGE) -> str:
    """The digest of a stage's code, with the modules that its settings name.

    sections: settings by section, as in the configuration; a section that is not given names
    nothing. Comments of templates do not count.
    """
    stage = STAGES[name]
    formats = (f"ssmtl.formats.{each}" for each in stage.writes)
    roots = (*stage.code, *formats, *named_code(stage, sections))
    code = package.digest(*roots, without=stage.without)
    if not stage.template:
        return code
    folders = [package.root / place / "templates" for place in ("reporting", "core")]
    text = "".join(templates(folders, stage.template))
    return code + hashlib.sha256(text.encode()).hexdigest()[:8]


def named_code(stage: Stage, sections: Mapping[str, Mapping]) -> Iterator[str]:
    """The code that settings name: a detector, an encoder, the tasks, a reader."""
    for place, code in stage.named.items():
        section, _, key = place.partition(".")
        value = sections.get(section, {}).get(key, ())
        yield from map(code.format, [value] if isinstance(value, str) else value)


def templates(folders: list[Path], name: str) -> Iterator[str]:
    """The text of a template and of all that it includes, without Jinja's comments.

    folders: where they are looked for, in this order.
    """
    path = next(folder / name for folder in folders if (folder / name).exists())
    text = re.sub(r"\{#.*?#\}", "", path.read_text("utf-8"), flags=re.S)
    yield text
    for included in re.findall(r"""\{%-?\s*(?:include|import|from)\s+["']([^"']+)""", text):
        yield from templates(folders, included)
