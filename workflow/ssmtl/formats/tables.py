"""JSON and CSV files. Text is text: a clip may be called NA, 01, 1e5 or True."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ssmtl.core import store
from ssmtl.core.errors import InputError, environment
from ssmtl.core.spreadsheet import plain_cell, safe_cell

if TYPE_CHECKING:
    import pandas as pd

INTEGER = r"[+-]?[0-9]{1,15}"
NUMBER = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?"
SHOWN = 40  # characters of a value that an error shows


def read_text(path: Path) -> str:
    """A text file in UTF-8; InputError where it is none, or may not be read."""
    try:
        return Path(path).read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise environment(error, path) or error from error
    except UnicodeDecodeError as error:
        raise unreadable(path, "no text in UTF-8") from error


def unreadable(path: Path, reason: str) -> InputError:
    return InputError(f"{path}: missing or damaged ({reason}); run its stage again")


def read_json(path: Path, **needed: type | tuple[type, ...]) -> dict:
    """The object in a JSON file; InputError where it is missing, broken, or lacks what is needed.

    needed: keys that it must have, and the types of their values.
    """
    try:
        found = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise unreadable(path, f"no JSON: {str(error)[:80]}") from error
    if not isinstance(found, dict):
        raise unreadable(path, "no JSON object")
    for key, kinds in needed.items():
        if key not in found:
            raise unreadable(path, f"no '{key}'")
        if not isinstance(found[key], kinds) or isinstance(found[key], bool) != (kinds is bool):
            raise unreadable(path, f"'{key}' is {json.dumps(found[key])[:SHOWN]}")
    return found


def write_csv(path: Path, table: pd.DataFrame, float_format: str | None = "%.6f") -> None:
    """Writes a table, whose texts no spreadsheet runs; `read_csv` gives back what they were."""
    safe = {n: table[n].map(safe_text) for n in table.columns if table[n].dtype.kind not in "biuf"}
    with store.replacing(path) as temporary:
        table.assign(**safe).to_csv(
            temporary, index=False, float_format=float_format, lineterminator="\n"
        )


def safe_text(value: object) -> object:
    return safe_cell(value) if isinstance(value, str) else value


def read_csv(
    path: Path, text: tuple[str, ...], needed: tuple[str, ...] = (), integers: tuple[str, ...] = ()
) -> pd.DataFrame:
    """A CSV file: the columns in `text` as str, all others as numbers, empty cells as NaN.

    needed: columns that there must be; integers: those without fractions or empty cells, as int.
    Raises InputError, with the line, for a cell that is no number.
    """
    table = read_cells(path)
    if missing := [name for name in needed if name not in table]:
        raise unreadable(path, f"no column {', '.join(missing)}")
    numbers = [name for name in table.columns if name not in text]
    return table.assign(**{n: numeric(table[n], n in integers, path) for n in numbers})


def read_cells(path: Path) -> pd.DataFrame:
    """A CSV file with every cell as text; InputError unless all rows are as long as the first."""
    import pandas as pd  # here, since every start of the workflow reads a JSON file at most

    content = read_text(path)
    if not content.endswith("\n"):
        raise unreadable(path, "its end is missing")
    try:
        # pandas' own reader takes a short row for one with empty cells.
        lines = csv.reader(io.StringIO(content, newline=""), strict=True)
        head, *rows = [[plain_cell(cell) for cell in row] for row in lines if row]
    except (ValueError, csv.Error) as error:
        raise unreadable(path, str(error)[:80]) from error
    if bad := [number for number, row in enumerate(rows, 2) if len(row) != len(head)]:
        raise unreadable(path, f"line {bad[0]} is longer or shorter than the first")
    if len(set(head)) < len(head) or "\0" in content:
        raise unreadable(path, "a column twice, or zero bytes")
    return pd.DataFrame(rows, columns=head, dtype=str)


def numeric(cells: pd.Series, integer: bool, path: Path) -> pd.Series:
    """Cells of text as float, NaN where they are empty, or as int; InputError for any other."""
    good = cells.str.fullmatch(INTEGER if integer else NUMBER)
    values = cells.where(good).astype(float)
    bad = ~good if integer else ~(good & np.isfinite(values)) & (cells != "")
    if bad.any():
        line = int(np.flatnonzero(bad)[0]) + 2  # the header is line 1
        kind = "whole number" if integer else "finite number"
        value = cells[bad].iloc[0][:SHOWN]
        raise InputError(
            f"{path}, line {line}: '{cells.name}' is {value!r}, no {kind}; run its stage again"
        )
    return values.astype(np.int64) if integer else values
