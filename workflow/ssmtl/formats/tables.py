"""JSON and CSV files as tables."""

import json
from pathlib import Path

import pandas as pd

from ssmtl.core.errors import InputError


def unreadable(path: Path, error: Exception) -> InputError:
    return InputError(f"{path}: missing or damaged ({type(error).__name__}); run its stage again")


def read_json(path: Path) -> dict:
    """The object in a JSON file; InputError where it is missing or broken."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error


def read_csv(path: Path, text: tuple[str, ...]) -> pd.DataFrame:
    """A CSV file: the columns in `text` as str, all others as numbers, empty cells as NaN."""
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        numbers = [name for name in table.columns if name not in text]
        return table.assign(**{name: pd.to_numeric(table[name]) for name in numbers})
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error
