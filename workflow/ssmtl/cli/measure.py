"""`ssmtl measure`: the metrics of scores of any method, from files."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ssmtl.cli.program import REPORTS, command
from ssmtl.core.errors import InputError

if TYPE_CHECKING:
    from ssmtl.evaluation.settings import Measure


@command(REPORTS, quiet=True)
def measure(
    scores: Path | None = None,
    /,
    *,
    labels: Path,
    lengths: str | None = None,
    boxes: Path | None = None,
    tracks: Path | None = None,
    masks: Path | None = None,
    maps: Path | None = None,
    output: Path | None = None,
    settings: "Measure",
) -> None:
    """Measure anomaly scores of any method; docs/measure.md has the layouts.

    Args:
        scores: Folder of .npy per clip, .npy, .npz, .mat, or CSV of clip,frame,score.
        labels: Labels, a folder, CSV, .mat, .m, .npy or .npz.
        lengths: Frames of every clip, 180,200, or a file, for clips end to end.
        boxes: CSV of clip,frame,x1,y1,x2,y2,score.
        tracks: Folder of ground-truth tracks, for RBDC and TBDC; or from_masks, which makes them
            of --masks.
        masks: Folder of ground-truth masks, for the pixel AUC.
        maps: Folder of score maps, .npy (T, H, W) per clip.
        output: JSON to write too.
    """
    from ssmtl.core import store
    from ssmtl.datasets.clips import FROM_MASKS
    from ssmtl.evaluation.measure import evaluate

    files: dict[str, Any] = {"boxes": boxes, "tracks": tracks, "masks": masks, "maps": maps}
    for name, path in {"scores": scores, "labels": labels, **files}.items():
        if path is not None and not path.exists() and (name, str(path)) != ("tracks", FROM_MASKS):
            raise InputError(f"{path}: no such file or folder, given as {name}")
    given = None if lengths is None else counts(lengths)
    found = evaluate(scores, labels, lengths=given, **files, **settings.model_dump())
    print(found)
    if output:
        with store.replacing(output) as path:
            path.write_text(json.dumps(found.to_dict(), indent=1) + "\n")


def counts(text: str) -> list[int] | Path:
    """Whole numbers between commas, or the path of a file with them."""
    words = text.split(",")
    return [int(word) for word in words] if all(w.strip().isdigit() for w in words) else Path(text)
