"""How words of the command line are read where a type does not say it."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from ssmtl.core.errors import InputError


def read_json(_: Any, tokens: tuple) -> Any:
    try:
        return json.loads(tokens[0].value)
    except json.JSONDecodeError as error:
        raise InputError(f"{tokens[0].keyword}: no readable JSON ({error})") from None


def read_list(_: Any, tokens: tuple) -> list[str]:
    return [word for word in tokens[0].value.split(",") if word]


def is_single(annotation: Any) -> bool:
    """Whether a parameter is a `MaybeFile`."""
    return SINGLE in getattr(annotation, "__metadata__", ())


Json = Annotated[dict, Parameter(converter=read_json, n_tokens=1, accepts_keys=False)]
# Between commas, in one word.
Texts = Annotated[Sequence[str], Parameter(converter=read_list, n_tokens=1, consume_multiple=False)]
# A file that a rule may have none of: the option alone is the same as no such option. The command
# gets the path, or None.
SINGLE = "at most one"
MaybeFile = Annotated[
    tuple[Path, ...], Parameter(consume_multiple=(0, 1), show_default=False, metavar="PATH"), SINGLE
]
Files = Annotated[tuple[Path, ...], Parameter(show_default=False)]  # of which there may be none
FLAG = Parameter(negative=(), show_default=False)
