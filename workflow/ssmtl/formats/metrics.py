"""metrics.json: what was measured of one run; figures are shares of 1, null where there is none."""

from pathlib import Path

from ssmtl.formats.tables import read_json, unreadable


def read_metrics(path: Path) -> dict:
    """The checked content of a metrics.json; InputError where it is another file."""
    found = read_json(
        path,
        dataset=str,
        model=str,
        seed=(int, type(None)),
        columns=list,
        tasks=list,
        border=str,
        frames=int,
        labelled=bool,
        scores=dict,
        clips=dict,
    )
    if found["labelled"] and found["border"] not in found["scores"]:
        raise unreadable(path, f"no scores at its border {found['border']}")
    for place, value in figures(found["scores"], "scores"):
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if value is not None and not (number and 0 <= value <= 1):
            raise unreadable(path, f"{place} is {value!r}")
    return found


def figures(values: dict, place: str):
    """All leaves of nested objects, and where they are."""
    for key, value in values.items():
        if isinstance(value, dict):
            yield from figures(value, f"{place}.{key}")
        else:
            yield f"{place}.{key}", value
