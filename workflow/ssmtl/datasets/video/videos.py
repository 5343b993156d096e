"""Your own footage: `train/*` and `test/*`, each a video file or a folder of images."""

from dataclasses import replace
from pathlib import Path

from ssmtl.core.errors import InputError
from ssmtl.datasets.clips import About, Clip, clips_in, first_existing, mask_file, track_file
from ssmtl.datasets.labels import csv_clips, frame_labels

__all__ = ["ABOUT", "frame_labels", "list_clips"]

ABOUT = About(
    title="own footage",
    homepage="your camera",
    terms="your own",
)


def list_clips(root: Path) -> list[Clip]:
    """The clips of `root`; its `labels.csv`, if there is one, labels the test clips."""
    root = Path(root)
    # A released model needs no training footage.
    if not (root / "train").is_dir() and not (root / "test").is_dir():
        raise InputError(
            f"{root}: no folders 'train' and 'test' here; put normal footage into train/ and "
            "footage to judge into test/, each clip a video file or a folder of images"
        )
    labels = first_existing(root / "labels.csv")
    test = [
        replace(
            clip,
            labels=labels,
            tracks=track_file(root, clip.name),
            masks=mask_file(root, clip.name),
        )
        for clip in clips_in(root / "test", "test")
    ]
    unknown = sorted(csv_clips(Path(labels)) - {clip.name for clip in test}) if labels else []
    if unknown:
        raise InputError(
            f"{labels}: no clip {unknown[0]} in {root / 'test'}; correct the name (a video's is "
            "without its suffix), or remove its rows"
        )
    return clips_in(root / "train", "train") + test
