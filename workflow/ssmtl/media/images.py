"""Images that are the frames of a clip."""

import logging
import re
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image

from ssmtl.core.errors import InputError, environment
from ssmtl.media.codec import check_end, decode_depth, decode_image

log = logging.getLogger(__name__)

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp")


ORIENTATION = 0x0112  # of EXIF; 1 is upright
SAMPLE = 16  # images of a clip whose values give the range of them all


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


class ImageClip:
    """The images of a folder as frames: `len(clip)`, `clip.load(i)`.

    Images of 16 bits, of a thermal camera for instance, fill far less than their range, and a
    256th of their values would be some grey levels. The least and the greatest value in SAMPLE
    images spread over the clip become 0 and 255.
    """

    def __init__(self, folder: Path):
        self.files = image_files(folder)
        self.levels = value_range(self.files)
        if self.levels:
            low, high = self.levels
            log.info("%s: images of 16 bits; values %d to %d become 0 to 255", folder, low, high)

    def __len__(self) -> int:
        return len(self.files)

    def load(self, index: int) -> tuple[bytes, np.ndarray]:
        """A frame's file, and its picture, uint8 (H, W, 3) RGB."""
        file = self.files[index]
        data = read_image(file)
        check_end(data, str(file))
        return data, decode_image(data, str(file), self.levels)

    def are_jpeg(self) -> bool:
        """Whether all are JPEG files whose pixels lie as they are to be shown."""
        suffixes = {file.suffix.lower() for file in self.files}
        return suffixes <= {".jpg", ".jpeg"} and all(map(is_upright, self.files))


def read_image(file: Path) -> bytes:
    """An image file's bytes; InputError where it may not be read."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise environment(error, file) or error from error


def value_range(files: list[Path]) -> tuple[int, int] | None:
    """The least and the greatest value of a clip of 16-bit images, from a sample of them; None
    for images of 8 bits."""
    first = decode_depth(read_image(files[0]), str(files[0]))
    if first.dtype == np.uint8:
        return None
    chosen = np.linspace(0, len(files) - 1, min(SAMPLE, len(files))).round().astype(int)
    sample = [decode_depth(read_image(files[i]), str(files[i])) for i in chosen]
    return min(int(p.min()) for p in sample), max(int(p.max()) for p in sample)


def is_upright(file: Path) -> bool:
    """Whether a picture is shown as its pixels lie; what cannot be read, decoding will say."""
    try:
        with Image.open(file) as image:
            return image.getexif().get(ORIENTATION, 1) == 1
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return True
