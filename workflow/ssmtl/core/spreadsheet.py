"""Text in CSV files that somebody may open in a spreadsheet."""

FORMULA = ("=", "+", "-", "@", "\t", "\r")


def safe_cell(text: str) -> str:
    """A text that no spreadsheet runs: behind an apostrophe where it begins like a formula.

    For texts alone; a negative number is a number.

    >>> safe_cell("=HYPERLINK(A1)"), safe_cell("gate")
    ("'=HYPERLINK(A1)", 'gate')
    """
    return f"'{text}" if text.startswith(FORMULA) else text
