"""Sections of settings as options of a command, one for each key."""

import importlib
import inspect
import json
import types
from collections.abc import Callable
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from cyclopts import Group, Parameter
from pydantic.fields import FieldInfo

from ssmtl.core.settings import Settings

NULL = "null"  # as in the config

# Where a section is that a command names as text, so that only what is called gets imported.
MODULES = {
    "ssmtl.stages.settings": ("Frames", "Detect", "Cubes", "Teachers", "Features", "Images"),
    "ssmtl.learning.settings": ("Train",),
    "ssmtl.scoring.settings": ("Score",),
    "ssmtl.evaluation.settings": ("Evaluate", "Sensitivity", "Point", "Measure"),
    "ssmtl.watching.settings": ("Detector", "Watch"),
}


def typed(function: Callable) -> inspect.Signature:
    """A command's signature with classes where it names sections of settings as text."""
    signature = inspect.signature(function)
    named = {p.annotation for p in signature.parameters.values() if isinstance(p.annotation, str)}
    sections = {
        name: getattr(importlib.import_module(module), name)
        for module, names in MODULES.items()
        for name in named.intersection(names)
    }
    hints = get_type_hints(function, localns=sections, include_extras=True)
    parameters = [p.replace(annotation=hints[name]) for name, p in signature.parameters.items()]
    return signature.replace(parameters=parameters)


def expanded(function: Callable) -> tuple[inspect.Signature, dict[str, type[Settings]]]:
    """A command's signature with an option for every key in place of its sections of settings.

    Also returns the sections by the parameters' names.
    """
    signature = typed(function)
    sections = {
        name: parameter.annotation
        for name, parameter in signature.parameters.items()
        if isinstance(parameter.annotation, type) and issubclass(parameter.annotation, Settings)
    }
    kept = [p for name, p in signature.parameters.items() if name not in sections]
    options = [
        option(name, field, Group(f"Settings: {section.__name__.lower()}", sort_key=10 + place))
        for place, (parameter, names) in enumerate(option_names(sections).items())
        for section in [sections[parameter]]
        for name, field in zip(names.values(), section.model_fields.values(), strict=True)
    ]
    return signature.replace(parameters=[*kept, *options]), sections


def option_names(sections: dict[str, type[Settings]]) -> dict[str, dict[str, str]]:
    """What options are called, by parameter and key: after a first section with its name."""
    first = next(iter(sections), None)
    return {
        name: {key: key if name == first else f"{name}_{key}" for key in section.model_fields}
        for name, section in sections.items()
    }


def option(name: str, field: FieldInfo, group: Group) -> inspect.Parameter:
    """The keyword of a signature that a key of a section becomes."""
    about: dict[str, Any] = {"help": field.description, "group": group, "show_default": shown}
    kind: Any = field.annotation
    inner = base(kind)
    if inner is not bool and inner is not dict:
        # Whether a value fits is the section's to say, in its own words.
        kind, about["metavar"] = Any, METAVARS.get(inner, "CHOICE")
        about |= {"converter": read_words(field), "n_tokens": 1, "consume_multiple": False}
        if inner is Literal:
            about["choices"] = get_args(kind_of(field.annotation))
    elif inner is dict:
        # --task-options.jigsaw.margin 0.2
        nested = base(get_args(kind)[1]) is dict
        kind = dict[str, dict[str, str]] if nested else dict[str, str]
        about["show_default"] = False
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=field.get_default(call_default_factory=True, validated_data={}),
        annotation=Annotated[kind, Parameter(**about)],
    )


METAVARS = {int: "INT", float: "NUMBER", str: "TEXT", list: "A,B,..."}


def shown(value: Any) -> str:
    """A default as it is written on the command line."""
    if isinstance(value, list):
        return ",".join(map(str, value))
    return NULL if value is None else str(value)


UNIONS = (Union, types.UnionType)


def kind_of(annotation: Any) -> Any:
    """The type of a key without its limits and `null`."""
    parts = get_args(annotation) if get_origin(annotation) in UNIONS else [annotation]
    [kind] = [part for part in parts if part is not type(None)]
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind


def base(annotation: Any) -> Any:
    """The same, and of a list or a section of keys the kind alone."""
    kind = kind_of(annotation)
    return get_origin(kind) or kind


def read_words(field: FieldInfo) -> Callable[[Any, tuple], Any]:
    """What reads a key's value from its word: text, a number, `null`, or some between commas."""
    inner = base(field.annotation)
    optional = get_origin(field.annotation) in UNIONS

    def read(_: Any, tokens: tuple) -> Any:
        word = tokens[-1].value
        if optional and word == NULL:
            return None
        if inner is list:
            elements = base(get_args(field.annotation)[0])
            return [scalar(part, elements) for part in word.split(",") if part]
        return scalar(word, inner)

    return read


def scalar(word: str, kind: Any) -> Any:
    """A word as a number where it is one and the key is no text."""
    if kind not in (int, float):
        return word
    try:
        return json.loads(word)
    except json.JSONDecodeError:
        return word


def numbers(value: Any) -> Any:
    """Options by name with numbers, true, false and null as such; any other value as it is."""
    if not isinstance(value, dict):
        return value
    return {
        key: scalar(each, float) if isinstance(each, str) else numbers(each)
        for key, each in value.items()
    }


def gathered(arguments: dict[str, Any], sections: dict[str, type[Settings]]) -> dict[str, Any]:
    """The arguments with their sections of settings in place of single keys.

    Raises InputError for a value that a section does not allow.
    """
    rest = dict(arguments)
    found = {}
    for parameter, names in option_names(sections).items():
        section = sections[parameter]
        values = {key: numbers(rest.pop(name)) for key, name in names.items() if name in rest}
        found[parameter] = section.parse(values, section.__name__.lower())
    return rest | found
