"""ShanghaiTech Campus: training videos, test frames, arrays of frame labels and masks."""

from dataclasses import replace
from pathlib import Path

from ssmtl.datasets.clips import (
    About,
    Clip,
    clips_in,
    find_folder,
    first_existing,
    mask_file,
    track_file,
    with_tracks,
)
from ssmtl.datasets.labels import frame_labels

__all__ = ["ABOUT", "frame_labels", "list_clips"]

# Nothing to download: the authors' page links to shared drives that need a browser.
ABOUT = About(
    title="ShanghaiTech Campus",
    homepage="https://svip-lab.github.io/dataset/campus_dataset.html",
    terms="none verified; see the authors' page",
    expected={"": {"train": (330, 274515), "test": (107, 40791)}},
)


def list_clips(root: Path, tracks: str = "files") -> list[Clip]:
    """The clips in or below `root`: training videos (or frames), test frames (or videos).

    tracks: `files`, or `from_masks`, the components of the masks.
    """
    # A released model needs no training clips.
    base = find_folder(root, lambda folder: bool(clips_of(folder, "training", "train"))) or (
        find_folder(root, lambda folder: bool(clips_of(folder, "testing", "test")))
    )
    if base is None:
        raise ABOUT.not_found(root, "training/videos and testing/frames")
    frames = base / "testing" / "test_frame_mask"
    pixels = base / "testing" / "test_pixel_mask"
    clips = [
        replace(
            clip,
            labels=first_existing(frames / f"{clip.name}.npy"),
            tracks=track_file(base, clip.name),
            masks=first_existing(pixels / f"{clip.name}.npy") or mask_file(base, clip.name),
        )
        for clip in clips_of(base, "testing", "test")
    ]
    return clips_of(base, "training", "train") + with_tracks(clips, tracks)


def clips_of(base: Path, folder: str, split: str) -> list[Clip]:
    """A split's clips; the published form wins where both videos and frames are there."""
    kinds = ("videos", "frames") if split == "train" else ("frames", "videos")
    found = (clips_in(base / folder / kind, split) for kind in kinds)
    return next((clips for clips in found if clips), [])
