"""Text in CSV files that somebody may open in a spreadsheet."""

import csv
import io
from collections.abc import Sequence

# What a formula begins with; the last four are the wide signs of East Asian keyboards.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
MARK = "'"


def is_run(text: str) -> bool:
    """Whether a spreadsheet may take a text for a formula, whatever marks are before it."""
    return text.lstrip(MARK).startswith(FORMULA)


def safe_cell(text: str) -> str:
    """A text that no spreadsheet runs: behind an apostrophe where it begins like a formula.

    For texts alone; a negative number is a number.

    >>> safe_cell("=HYPERLINK(A1)"), safe_cell("gate")
    ("'=HYPERLINK(A1)", 'gate')
    """
    return f"{MARK}{text}" if is_run(text) else text


def plain_cell(cell: str) -> str:
    """The text that `safe_cell` has made a cell of.

    >>> plain_cell("'=HYPERLINK(A1)"), plain_cell("'gate'")
    ('=HYPERLINK(A1)', "'gate'")
    """
    return cell[1:] if cell.startswith(MARK) and is_run(cell) else cell


def csv_line(cells: Sequence) -> str:
    """A line of a CSV file with its end, whose texts no spreadsheet runs.

    >>> csv_line([1, -0.5, "=A1", None])
    "1,-0.5,'=A1,\\r\\n"
    """
    text = io.StringIO()
    csv.writer(text).writerow([safe_cell(c) if isinstance(c, str) else c for c in cells])
    return text.getvalue()
