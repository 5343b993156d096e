"""`ssmtl measure`: the metrics of scores of any method, from files."""

import json
from pathlib import Path

from ssmtl.core.errors import InputError


def measure(
    scores: Path | None,
    *,
    labels: Path,
    lengths: str | None = None,
    boxes: Path | None = None,
    tracks: Path | None = None,
    masks: Path | None = None,
    maps: Path | None = None,
    output: Path | None = None,
    **switches,
) -> None:
    """Prints what `ssmtl.evaluate` finds in files, and writes it to `output` as JSON.

    lengths: a file, or frames per clip as in 180,200; switches: as of `evaluate`.
    """
    from ssmtl.core import store
    from ssmtl.evaluation.measure import evaluate

    paths = {"scores": scores, "labels": labels, "boxes": boxes, "tracks": tracks}
    for name, path in (paths | {"masks": masks, "maps": maps}).items():
        if path is not None and not path.exists():
            raise InputError(f"{path}: no such file or folder, given as {name}")
    found = evaluate(
        scores,
        labels,
        lengths=None if lengths is None else counts(lengths),
        boxes=boxes,
        tracks=tracks,
        masks=masks,
        maps=maps,
        **switches,
    )
    print(found)
    if output:
        with store.replacing(output) as path:
            path.write_text(json.dumps(found.to_dict(), indent=1) + "\n")


def counts(text: str) -> list[int] | Path:
    """Whole numbers between commas, or the path of a file with them."""
    words = text.split(",")
    return [int(word) for word in words] if all(w.strip().isdigit() for w in words) else Path(text)
