"""CUHK Avenue: the official videos and masks, and the JPEG layout of later code."""

from dataclasses import replace
from functools import partial
from pathlib import Path

from ssmtl.datasets.clips import (
    About,
    Clip,
    Download,
    clip_number,
    clips_in,
    find_folder,
    first_existing,
    mask_file,
    numbered_track_file,
    with_tracks,
)
from ssmtl.datasets.labels import frame_labels

__all__ = ["ABOUT", "frame_labels", "list_clips"]

SITE = "http://www.cse.cuhk.edu.hk/leojia/projects/detectabnormal"
ABOUT = About(
    title="CUHK Avenue",
    homepage=f"{SITE}/dataset.html",
    terms="academic research only, as anomalib's documentation states",
    expected={"": {"train": (16, 15328), "test": (21, 15324)}},
    # The checksums are anomalib's; we never fetched the files.
    downloads=(
        Download(
            f"{SITE}/Avenue_Dataset.zip",
            "fc9cb8432a11ca79c18aa180c72524011411b69d3b0ff27c8816e41c0de61531",
        ),
        Download(
            f"{SITE}/ground_truth_demo.zip",
            "60fec1728ec8f73a58aad3aeb5729d70a805a47e0b8eb4bf91ab67ef06386d77",
        ),
    ),
)


LAYOUTS = (("training_videos", "testing_videos"), ("training/frames", "testing/frames"))


def list_clips(root: Path, tracks: str = "files") -> list[Clip]:
    """The clips in or below `root`; test clips take the first kind of labels that is there.

    tracks: `files`, or `from_masks`, the components of the masks.
    """
    for train, test in LAYOUTS:
        # `ground_truth_demo` has a folder `testing_videos` too, so the training videos are the
        # mark; a released model needs none of them.
        base = find_folder(root, partial(has_folder, name=train)) or (
            find_folder(root, partial(is_footage, test=test))
        )
        if base is not None:
            masks, tables = mask_files(root), label_tables(base)
            clips = [
                replace(
                    clip,
                    labels=masks.get(clip_number(clip.name), "") if masks else tables,
                    tracks=numbered_track_file(base, clip.name),
                    masks=masks.get(clip_number(clip.name)) or mask_file(base, clip.name),
                )
                for clip in clips_in(base / test, "test")
            ]
            return clips_in(base / train, "train") + with_tracks(clips, tracks)
    raise ABOUT.not_found(root, "training_videos and training/frames")


def has_folder(folder: Path, name: str) -> bool:
    return (folder / name).is_dir()


def is_footage(folder: Path, test: str) -> bool:
    """Whether a folder has test clips, and is not the ground truth's."""
    return (folder / test).is_dir() and not (folder / "testing_label_mask").is_dir()


def mask_files(root: Path) -> dict[int, str]:
    """`testing_label_mask/7_label.mat`, or a folder `7_label` of images, by the clip's number."""
    truth = find_folder(root, lambda folder: (folder / "testing_label_mask").is_dir())
    # A file sorts behind the folder of its name, and so is the one that is kept.
    files = sorted((truth / "testing_label_mask").glob("*_label*")) if truth else []
    return {clip_number(file.stem): str(file) for file in files}


def label_tables(base: Path) -> str:
    return first_existing(base / "testing" / "labels.csv", base / "labels.csv", base / "avenue.mat")
