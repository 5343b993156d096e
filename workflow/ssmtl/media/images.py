"""Images that are the frames of a clip."""

import re
from itertools import pairwise
from pathlib import Path

from ssmtl.core.errors import InputError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp")


def frame_number(path: Path) -> int:
    """The last run of digits in a file's name: 12 for `frame_012.jpg`."""
    digits = re.findall(r"\d+", path.stem)
    if not digits:
        raise InputError(
            f"{path}: no frame number in the file's name; rename it, or exclude the clip"
        )
    return int(digits[-1])


def image_files(folder: Path, suffixes: tuple[str, ...] = IMAGE_SUFFIXES) -> list[Path]:
    """The images of a clip in the order of their frame numbers.

    Raises InputError for a folder that is missing or empty, and for a gap or a repetition in
    the numbers: a missing frame would shift every label behind it.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder of frames")
    files = sorted(
        (f for f in folder.iterdir() if f.suffix.lower() in suffixes and f.name[0] != "."),
        key=frame_number,
    )
    if not files:
        raise InputError(f"{folder}: no frames in this folder; add them or exclude the clip")
    for before, after in pairwise(files):
        step = frame_number(after) - frame_number(before)
        if step != 1:
            what = "two files have one frame number" if step == 0 else f"{step - 1} frames missing"
            raise InputError(
                f"{folder}: {what} between {before.name} and {after.name}; "
                "fetch the clip again or exclude it"
            )
    return files
