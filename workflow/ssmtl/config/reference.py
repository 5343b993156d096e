"""The reference page of the settings, made from their classes."""

import json
import types
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MultipleOf
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from ssmtl.config.sections import SECTIONS, Config, Dataset, ImageDataset, Run
from ssmtl.core.settings import Settings
from ssmtl.learning.options import ENCODERS, TASKS
from ssmtl.learning.settings import TaskOptions
from ssmtl.stages.settings import DETECTORS
from ssmtl.watching.settings import Camera, Cameras, Keep, Tell

HEAD = """\
# Settings

Every key of `config.yaml`, made from the code by `ssmtl settings docs/settings.md`; `ssmtl settings
--schema` prints the same as a JSON schema, for editors that complete and check YAML. Unknown keys
are errors. [P] paper or the authors' repository, [A] the authors' released tools, [M] from memory
of the paper, [D] decided here; [methods](methods.md) has the reasons.

The value in use is the last of: the default, the section of the config, that of the model, that of
the data set, and of a variant of the ablation what it changes. `null` is off, or chosen by the
program, as the key says.
"""
OPTIONS = (
    ("Options", TASKS, "`train.task_options.{}`"),
    ("ScoreOptions", TASKS, "`score.task_options.{}`"),
    ("Options", ENCODERS, "`train.encoder_options` of the encoder `{}`"),
    ("Options", DETECTORS, "`backend_options` of the detector `{}`, in `detect` and `teachers`"),
)
TOP = ("run", "models", "datasets", "image_datasets", "seed")
NAMES = {int: "whole number", float: "number", str: "text", bool: "true or false", Any: "anything"}
BOUNDS = ((Ge, "ge", "at least"), (Gt, "gt", "above"), (Le, "le", "at most"), (Lt, "lt", "below"))


def reference() -> str:
    """The page, Markdown."""
    parts = [HEAD, heading("The whole file", Config, dict.fromkeys(TOP))]
    parts += [heading(f"`{name}`", section) for name, section in SECTIONS.items()]
    parts += [
        heading("`run`", Run),
        heading("A data set, `datasets.{name}`", Dataset),
        heading("A data set of pictures, `image_datasets.{name}`", ImageDataset),
        heading("The file of `ssmtl cameras`", Cameras),
        heading("Its `tell`", Tell),
        heading("Its `keep`", Keep),
        heading("A camera, `cameras.{name}`", Camera),
        heading("Options of every task, `train.task_options.{task}`", TaskOptions),
    ]
    for kind, choices, title in OPTIONS:
        parts += [
            heading(title.format(name), section)
            for name in choices.names()
            if (section := choices.options_class(name, kind))
        ]
    return "\n".join(parts)


def heading(title: str, section: type[Settings], only: dict | None = None) -> str:
    """A section as a heading, its meaning and a table of its keys."""
    lines = [
        f"## {title}",
        "",
        flat(section.__doc__ or ""),
        "",
        "| key | values | default | meaning |",
    ]
    lines.append("|---|---|---|---|")
    for name in only or section.model_fields:
        field = section.model_fields[name]
        values = values_of(field.annotation, field.metadata)
        cells = (f"`{name}`", values, default(field), flat(field.description or ""))
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def flat(text: str) -> str:
    return " ".join(text.split())


def default(field: FieldInfo) -> str:
    if field.is_required():
        return "none"
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is PydanticUndefined or isinstance(value, Settings):
        return ""
    if isinstance(value, dict) and any(isinstance(each, Settings) for each in value.values()):
        value = {name: {} for name in value}
    return f"`{json.dumps(value)}`"


def values_of(annotation: Any, metadata: tuple | list = ()) -> str:
    """What a key takes, in words: `whole number, at least 1`."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return values_of(arguments[0], arguments[1:])
    if origin in (Union, types.UnionType):
        return " or ".join(
            "`null`" if each is type(None) else values_of(each, metadata) for each in arguments
        )
    if origin is Literal:
        return ", ".join(f"`{each}`" for each in arguments)
    if origin is list:
        return f"list of {values_of(arguments[0])}"
    if origin is dict:
        return f"names, each with {values_of(arguments[1])}"
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        return "a section"
    return ", ".join([NAMES[annotation], *bounds(metadata)])


def bounds(metadata: tuple | list) -> list[str]:
    """Limits of a number in words."""
    flat_metadata = [each for item in metadata for each in getattr(item, "metadata", [item])]
    found = [
        f"{words} {getattr(item, name):g}"
        for item in flat_metadata
        for kind, name, words in BOUNDS
        if isinstance(item, kind)
    ]
    return found + [f"n · {m.multiple_of}" for m in flat_metadata if isinstance(m, MultipleOf)]
