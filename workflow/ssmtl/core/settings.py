"""What a section of the configuration is: a class of typed keys, each with its meaning.

Every package describes its own sections in its module `settings`. The JSON schema, the options of
the command line and the reference page are made from these classes. They import nothing heavy,
so that planning and `--help` stay fast.
"""

import difflib
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from ssmtl.core.errors import InputError


class Settings(BaseModel):
    """A section: unknown keys are errors, and equal values have one form.

    A number is never read from text, and a whole one becomes a float where the key is one, so
    that equal settings are equal bytes in a file.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, defer_build=True
    )

    # Keys of earlier versions, and what they are called now.
    renamed: ClassVar[dict[str, str]] = {}
    # Values of earlier versions that meant off or automatic, by key, and what to write now.
    respelt: ClassVar[dict[str, tuple[Any, str]]] = {}

    @model_validator(mode="before")
    @classmethod
    def _known(cls, values: Any) -> Any:
        """Refuses keys that there are not, and spellings of earlier versions."""
        for key in values if isinstance(values, dict) else ():
            if key not in cls.model_fields:
                about = {"key": str(key), "hint": cls._hint(str(key))}
                raise PydanticCustomError("unknown_key", "{key}: {hint}", about)
            former, now = cls.respelt.get(key, (None, ""))
            if now and values[key] == former and type(values[key]) is type(former):
                about = {"key": key, "former": repr(former), "now": now}
                raise PydanticCustomError("respelt", "{key}: {former} is {now}", about)
        return values

    @classmethod
    def _hint(cls, key: str) -> str:
        if key in cls.renamed:
            return f"since version 0.2 it is {cls.renamed[key]}"
        known = list(cls.model_fields)
        close = difflib.get_close_matches(key, known, 1)
        if close:
            return f"did you mean '{close[0]}'?"
        return f"known are {', '.join(known)}" if known else "it has none"

    @classmethod
    def parse(cls, values: dict, place: str = "") -> Self:
        """The section of some values; InputError with one line for the first mistake in them.

        place: what the line starts with.
        """
        try:
            return cls.model_validate(values).completed(place)
        except ValidationError as error:
            raise InputError(explained(error, place)) from None

    @classmethod
    def upgraded(cls, values: dict) -> dict:
        """Values that a file of version 0.1 holds, as they are written today."""
        return {
            key: None if key in cls.respelt and value == cls.respelt[key][0] else value
            for key, value in values.items()
        }

    def completed(self, place: str) -> Self:
        """The section with defaults that its other values decide; a subclass may have some."""
        return self


def _odd(value: int) -> int:
    if value % 2 == 0:
        raise PydanticCustomError("odd", "must be odd, so that it has a middle")
    return value


def _distinct(values: list) -> list:
    if twice := [value for value in values if values.count(value) > 1]:
        raise PydanticCustomError("distinct", "has {value} twice", {"value": repr(twice[0])})
    return values


# What networks are computed in and by where nothing is learnt: see `core.device.precision` and
# `engines`.
Precision = Annotated[
    Literal["auto", "float32", "bfloat16"],
    Field(
        description=(
            "What the network is computed in; auto: the fastest here that keeps scores within 1e-3 "
            "of float32."
        )
    ),
]
Engine = Annotated[
    Literal["auto", "torch", "openvino"],
    Field(
        description=(
            "What runs the network; auto: OpenVINO on a CPU where it is installed, else torch."
        )
    ),
]
Count = Annotated[int, Field(ge=1)]
Above = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Odd = Annotated[int, Field(ge=1), AfterValidator(_odd)]
Duration = Annotated[str, Field(pattern=r"^\d+(\.\d+)?(s|m|h|d)$")]  # such as 24h
Distinct = AfterValidator(_distinct)  # of a list
# Part of a section, as a layer over others: only what is given stands in it.
Changes = PlainSerializer(lambda section: section.model_dump(exclude_unset=True))
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")]

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds(duration: str) -> float:
    """The seconds of a Duration."""
    return float(duration[:-1]) * SECONDS[duration[-1]]


KINDS = {
    "int": "not a whole number",
    "float": "not a number",
    "string": "not text",
    "bool": "neither true nor false",
    "list": "not a list",
    "dict": "not a section of keys",
    "model": "not a section of keys",
}
LIMITS = {
    "greater_than_equal": ("ge", "is less than the minimum of"),
    "greater_than": ("gt", "must be above"),
    "less_than_equal": ("le", "is greater than the maximum of"),
    "less_than": ("lt", "must be below"),
    "multiple_of": ("multiple_of", "is not a multiple of"),
}


def explained(error: ValidationError, place: str = "") -> str:
    """One line for the first mistake: where it is, what was found, and what is allowed."""
    first = error.errors()[0]
    about, found = first.get("ctx", {}), f"{first['input']!r}"
    if "://" in found:
        found = "an address"  # which may have a password in it
    names = [str(part) for part in first["loc"] if part != "[key]"]
    at = ".".join([*([place] if place else []), *names]) or "top level"
    kind = first["type"]
    if kind == "unknown_key":
        return f"unknown key '{about['key']}' at {at}; {about['hint']}"
    if kind == "respelt":
        name = f"{at}.{about['key']}" if names or place else about["key"]
        return f"{name}: {about['former']} of version 0.1 is now {about['now']}"
    if kind == "missing":
        return f"{at}: is missing, and has no default"
    if kind in LIMITS:
        limit, words = LIMITS[kind]
        return f"{at}: {found} {words} {about[limit]}"
    if kind == "literal_error":
        return f"{at}: {found} is none of {about['expected'].replace(' or ', ', ')}"
    if kind == "string_pattern_mismatch":
        return f"{at}: {found} does not match {about['pattern']}"
    if kind == "too_short":
        return f"{at}: needs {about['min_length']} or more values"
    if kind == "odd" or kind == "distinct":
        return f"{at}: {found} {first['msg']}"
    if kind == "finite_number":
        return f"{at}: {found} is no finite number"
    for prefix, words in KINDS.items():
        if kind in (f"{prefix}_type", f"{prefix}_parsing", f"{prefix}_from_float"):
            return f"{at}: {found} is {words}"
    return f"{at}: {found}: {first['msg']}"
