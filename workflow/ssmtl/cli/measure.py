"""`ssmtl measure`: the metrics of scores of any method, from files."""

import json
from pathlib import Path
from typing import Literal

from ssmtl.cli.program import REPORTS, command
from ssmtl.core.errors import InputError


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
    normalise: Literal["clip", "all"] | None = None,
    smoothing: Literal["gaussian", "causal"] | None = None,
    sigma: float | None = None,
    border: Literal["zero", "replicate"] = "zero",
    threshold: float | None = None,
    fps: float | None = None,
    pause: float = 3.0,
    output: Path | None = None,
) -> None:
    """Measure anomaly scores of any method; docs/measure.md has the layouts.

    Args:
        scores: Folder of .npy per clip, .npy, .npz, .mat, or CSV of clip,frame,score.
        labels: Labels, a folder, CSV, .mat, .m, .npy or .npz.
        lengths: Frames of every clip, 180,200, or a file, for clips end to end.
        boxes: CSV of clip,frame,x1,y1,x2,y2,score.
        tracks: Folder of ground-truth tracks, for RBDC and TBDC.
        masks: Folder of ground-truth masks, for the pixel AUC.
        maps: Folder of score maps, .npy (T, H, W) per clip.
        normalise: Min-max to 0 to 1, per clip or over all; as they are where not given.
        smoothing: Smoothing of frame scores in time; none where not given.
        sigma: Sigma of the smoothing, in frames.
        border: What the smoothing sees beyond a clip's ends.
        threshold: Count alarms above this frame score.
        fps: Frames per second, for alarms per hour.
        pause: Seconds below the threshold that end an alarm.
        output: JSON to write too.
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
        normalise=normalise,
        smoothing=smoothing,
        sigma=sigma,
        border=border,
        threshold=threshold,
        fps=fps,
        pause=pause,
    )
    print(found)
    if output:
        with store.replacing(output) as path:
            path.write_text(json.dumps(found.to_dict(), indent=1) + "\n")


def counts(text: str) -> list[int] | Path:
    """Whole numbers between commas, or the path of a file with them."""
    words = text.split(",")
    return [int(word) for word in words] if all(w.strip().isdigit() for w in words) else Path(text)
