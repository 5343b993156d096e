"""Text in CSV files that somebody may open in a spreadsheet."""

FORMULA = ("=", "+", "-", "@", "\t", "\r")
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
