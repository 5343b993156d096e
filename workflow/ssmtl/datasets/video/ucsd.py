"""UCSD Ped1 and Ped2: the official TIF layout, and the JPEG layout of later code."""

from dataclasses import replace
from pathlib import Path

from ssmtl.core.errors import InputError
from ssmtl.datasets.clips import (
    About,
    Clip,
    Download,
    clips_in,
    find_folder,
    first_existing,
    mask_file,
    numbered_track_file,
    with_tracks,
)
from ssmtl.datasets.labels import frame_labels

__all__ = ["ABOUT", "frame_labels", "list_clips"]

ABOUT = About(
    title="UCSD Anomaly Detection Dataset",
    homepage="http://www.svcl.ucsd.edu/projects/anomaly/dataset.htm",
    terms="none verified; anomalib's documentation names BSD-2-Clause; cite the authors",
    expected={
        "ped1": {"train": (34, 6800), "test": (36, 7200)},
        "ped2": {"train": (16, 2550), "test": (12, 2010)},
    },
    # The checksum is anomalib's; we never fetched the file.
    downloads=(
        Download(
            "http://www.svcl.ucsd.edu/projects/anomaly/UCSD_Anomaly_Dataset.tar.gz",
            "2329af326951f5097fdd114c50e853957d3e569493a49d22fc082a9fd791915b",
        ),
    ),
)


def list_clips(root: Path, variant: str, tracks: str = "files") -> list[Clip]:
    """The clips of `ped1` or `ped2` in or below `root`, in either layout.

    tracks: `files`, or `from_masks`, the components of the masks.
    """
    root = Path(root)
    if variant not in ABOUT.expected:
        raise InputError(f"UCSD variant '{variant}': expected one of {', '.join(ABOUT.expected)}")
    base = find_folder(root, lambda folder: is_base(folder, root, variant))
    if base is None:
        raise ABOUT.not_found(root, f"UCSD{variant}/Train and {variant}/training/frames")
    tif = (base / "Train").is_dir() or (base / "Test").is_dir()
    return with_tracks(official(base, variant) if tif else common(base, variant), tracks)


def is_base(folder: Path, root: Path, variant: str) -> bool:
    named = folder == root or folder.name.lower() in (variant, f"ucsd{variant}")
    # Training clips may be missing where only released models are to be scored.
    layouts = ("Train", "Test", "training/frames", "testing/frames")
    return named and any((folder / layout).is_dir() for layout in layouts)


def official(base: Path, variant: str) -> list[Clip]:
    """`Train/Train001/*.tif`, `Test/Test001/*.tif`, with `.m` labels or `Test001_gt` masks."""
    test = base / "Test"
    # Only some of Ped1's clips have masks; the `.m` file labels every clip.
    return clips_in(base / "Train", "train", r"Train\d+") + [
        replace(
            clip,
            labels=first_existing(test / f"UCSD{variant}.m", test / f"{clip.name}_gt"),
            tracks=numbered_track_file(base, clip.name),
            masks=first_existing(test / f"{clip.name}_gt") or mask_file(base, clip.name),
        )
        for clip in clips_in(test, "test", r"Test\d+")
    ]


def common(base: Path, variant: str) -> list[Clip]:
    """`training/frames/01/*.jpg`, `testing/frames/01/*.jpg`, labels in a `.csv` or `.mat`."""
    labels = first_existing(base / "testing" / "labels.csv", base / f"{variant}.mat")
    return clips_in(base / "training" / "frames", "train") + [
        replace(
            clip,
            labels=labels,
            tracks=numbered_track_file(base, clip.name),
            masks=mask_file(base / "testing", clip.name) or mask_file(base, clip.name),
        )
        for clip in clips_in(base / "testing" / "frames", "test")
    ]
