"""Stage `images`: the pictures of one split, all of one size, as cubes of one frame.

A picture's largest centred square is resized with antialiasing, so that nothing is distorted.
Pillow decodes here, since it refuses a truncated file and turns photographs upright.
"""

import logging
import struct
from collections.abc import Iterable
from itertools import groupby, islice
from pathlib import Path

import h5py
import numpy as np
from PIL import Image, ImageOps

from ssmtl.core import store
from ssmtl.core.errors import InputError
from ssmtl.core.progress import progress
from ssmtl.core.threads import ahead
from ssmtl.datasets import images as image_readers
from ssmtl.datasets.images import Picture
from ssmtl.formats import hdf5
from ssmtl.formats.images import IMAGES
from ssmtl.stages.settings import Images

log = logging.getLogger(__name__)

THREADS = 4
WRITE = 1024  # pictures written to HDF5 at once
FORMATS = ("JPEG", "PNG", "BMP", "WEBP")
UNREADABLE = (OSError, SyntaxError, ValueError, struct.error, Image.DecompressionBombError)


def make_images(
    output: Path,
    *,
    dataset: str,
    reader: str,
    path: Path,
    options: dict,
    split: str,
    settings: Images,
) -> None:
    """Writes `images.h5` of a data set, one group per class; rows are in the reader's order.

    Raises InputError for an unknown reader or option, a missing or empty folder and an unreadable
    picture.
    """
    pictures = image_readers.reader(reader, options).pictures(path, split, **options)
    with store.create(output, "images", settings, dataset=dataset) as file:
        for label, members in groupby(progress(pictures, "images", "picture"), lambda p: p.label):
            write_class(file.create_group(label), members, settings.size)
            file.flush()
        counts = [group.attrs["frames"] for group in file.values()]
    log.info("images: %s, %d classes, %d pictures", split, len(counts), sum(counts))


def write_class(group: h5py.Group, pictures: Iterable[Picture], size: int) -> None:
    """Stores the pictures of one class, decoded by threads, in bounded memory."""
    names, subjects, digests = [], [], []
    decoded = ahead(lambda p: (p, cropped(p, size)), pictures, THREADS)
    while block := list(islice(decoded, WRITE)):
        cubes = np.stack([pixels for _, pixels in block])[:, None]  # (n, 1, S, S, 3)
        names += [picture.name for picture, _ in block]
        subjects += [picture.subject for picture, _ in block]
        digests.append(store.digest(cubes))
        store.write_rows(group, "cubes", cubes, fletcher32=True)
    group["frame"] = np.arange(len(names))
    group["valid"] = np.tile([0, 1], (len(names), 1))
    write_text(group, "name", names)
    if any(subjects):
        write_text(group, "subject", subjects)
    group.attrs.update(frames=len(names), width=size, height=size)
    hdf5.complete(group, IMAGES, store.digest(digests))


def write_text(group: h5py.Group, name: str, values: list[str]) -> None:
    data = [store.encoded(value) for value in values]
    group.create_dataset(name, data=np.array(data, store.text_type(values)))


def cropped(picture: Picture, size: int) -> np.ndarray:
    """The picture's centred square at `size`, uint8 (size, size, 3) RGB."""
    if isinstance(picture.pixels, np.ndarray):
        image = Image.fromarray(picture.pixels)
    else:
        image = decoded_file(picture.pixels, size)
    side = min(image.size)
    left, top = (image.width - side) / 2, (image.height - side) / 2
    box = (left, top, left + side, top + side)
    return np.asarray(image.resize((size, size), Image.Resampling.BICUBIC, box))


def decoded_file(file: Path, size: int) -> Image.Image:
    """The picture in a file, upright, RGB; a large JPEG at a fraction of its size.

    Grey becomes RGB, transparent parts become black, of 16 bits the upper 8 are kept. Raises
    InputError for a file that cannot be decoded in full.
    """
    try:
        with Image.open(file, formats=FORMATS) as image:
            image.draft(None, (2 * size, 2 * size))  # at least that large, for antialiasing
            image.load()
            return rgb(ImageOps.exif_transpose(image))
    except UNREADABLE as error:
        raise InputError(
            f"{file}: unreadable image ({error}); fetch it again, or remove it"
        ) from error


def rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "black"), image)
    return image.convert("RGB")
