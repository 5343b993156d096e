"""Crops of the objects of a block of frames: as many calls for one object as for a thousand.

The stage `cubes`, scoring from frames and `watch` are three drivers of this. On a GPU a block is
one copy, one sampling and one write, whatever the number of its frames and objects; on a CPU each
core takes a picture after the other.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from ssmtl.core.threads import ahead
from ssmtl.media.crops import warped

FRAMES = 64  # of a block, fewer where they would take more than PICTURES
PICTURES = 256 << 20  # bytes of a block's pictures
# Bytes of cubes that are made together; a GPU has room for those of a hundred objects a frame.
CUBES = {"cpu": 128 << 20, "cuda": 1 << 30}
CROPS = 4 << 30  # bytes of crops in single precision that are sampled together


def sampled(pictures: Tensor, which: Tensor, boxes: Tensor, size: int) -> Tensor:
    """Crops of boxes in several pictures, as `crops.crop` gives them within one level.

    pictures uint8 (F, H, W, 3); which int (N,): the picture of each box; boxes float32 (N, 4) in
    pixels. Returns uint8 (N, size, size, 3).
    """
    from torchvision.ops import roi_align  # on a GPU alone: its import takes 3 s

    images = pictures.permute(0, 3, 1, 2).float()
    corners = boxes.new_empty((len(boxes), 5))
    corners[:, 0], corners[:, 1:] = which, boxes
    # The default sampling ratio takes ceil(box / size) samples a side: no aliasing, no waste.
    crops = [
        roi_align(images, some, size, sampling_ratio=-1, aligned=True)
        .round_()
        .clamp_(0, 255)
        .to(torch.uint8)
        for some in corners.split(max(1, CROPS // (12 * size * size)))
    ]
    return torch.cat(crops).permute(0, 2, 3, 1)


def mixed(pictures: Tensor) -> Tensor:
    """The mean of each picture and the next one, of the last and the first: uint8 (N, ...)."""
    both = pictures.to(torch.int16) + pictures.roll(-1, 0)
    return (both // 2).to(torch.uint8)


def uploaded(pictures: list[np.ndarray], device: torch.device) -> Tensor:
    """Pictures of one size on a GPU, uint8 (F, H, W, 3), by one copy that nobody waits for."""
    shape = (len(pictures), *pictures[0].shape)
    staged = torch.empty(shape, dtype=torch.uint8, pin_memory=device.type == "cuda")
    np.stack(pictures, out=staged.numpy())
    return staged.to(device, non_blocking=True)


class Window:
    """The pictures of the latest frames: those that objects still have to be cropped from.

    first: the number of its first frame; stop: one past the last. On a CPU they stay arrays.
    """

    def __init__(self, device: torch.device, first: int = 0):
        self.device, self.first = device, first
        self.arrays: list[np.ndarray] = []
        self.tensor: Tensor | None = None

    @property
    def stop(self) -> int:
        return self.first + len(self.arrays if self.tensor is None else self.tensor)

    def add(self, pictures: list[np.ndarray]) -> None:
        """The next pictures, uint8 (H, W, 3) each."""
        if self.device.type == "cpu":
            self.arrays += pictures
        elif pictures:
            new = uploaded(pictures, self.device)
            self.tensor = new if self.tensor is None else torch.cat((self.tensor, new))

    def drop(self, number: int) -> None:
        """Forgets the frames before `number`."""
        count = max(0, min(number, self.stop) - self.first)
        self.first += count
        del self.arrays[:count]
        if self.tensor is not None:
            self.tensor = self.tensor[count:]

    def pictures(self, numbers: np.ndarray) -> Tensor:
        """Those of some frames, uint8 (F, H, W, 3), on the device."""
        rows = numbers - self.first
        if self.tensor is None:
            return torch.from_numpy(np.stack([self.arrays[row] for row in rows]))
        return self.tensor[torch.from_numpy(rows).to(self.device)]

    def cubes(self, frame: np.ndarray, area: np.ndarray, reach: int, size: int) -> Tensor:
        """The cubes of objects, uint8 (N, 2 * reach + 1, size, size, 3), on the device.

        frame int (N,) ascending; area float32 (N, 4), the boxes to crop, in pixels. Frames that are
        not in the window stay black.
        """
        if self.tensor is None:
            return torch.from_numpy(self._warped(frame, area, reach, size))
        length = 2 * reach + 1
        numbers = frame[:, None] + np.arange(-reach, reach + 1)  # (N, L)
        there = ((numbers >= self.first) & (numbers < self.stop)).ravel()
        which = torch.from_numpy(numbers.ravel()[there] - self.first)
        boxes = torch.from_numpy(area.repeat(length, 0)[there])
        crops = sampled(self.tensor, which.to(self.device), boxes.to(self.device), size)
        if not there.all():
            rows = torch.from_numpy(np.flatnonzero(there)).to(self.device)
            crops = crops.new_zeros(len(there), size, size, 3).index_copy_(0, rows, crops)
        return crops.unflatten(0, (len(frame), length))

    def _warped(self, frame: np.ndarray, area: np.ndarray, reach: int, size: int) -> np.ndarray:
        """The same by OpenCV, in threads, a picture after the other for all objects about it."""
        cubes = np.zeros((len(frame), 2 * reach + 1, size, size, 3), np.uint8)
        low, high = members(frame, np.arange(self.first, self.stop), reach)

        def crop(place: int) -> None:
            rows = np.arange(low[place], high[place])
            slots = self.first + place - frame[rows] + reach
            cubes[rows, slots] = warped(self.arrays[place], area[rows], size)

        for _ in ahead(crop, np.flatnonzero(high > low)):
            pass
        return cubes


def members(frame: np.ndarray, number, reach: int) -> tuple:
    """The rows low..high of the objects whose window holds frame `number`: they are neighbours.

    frame int (N,) ascending; number: an int, or an array of them.
    """
    low = np.searchsorted(frame, number - reach)
    return low, np.searchsorted(frame, number + reach, side="right")


def span(frame: np.ndarray, reach: int, frames: int) -> tuple[int, int]:
    """The part of a clip of `frames` frames that the windows of these objects lie in."""
    if not len(frame):
        return 0, 0
    return max(0, int(frame[0]) - reach), min(frames, int(frame[-1]) + reach + 1)


@dataclass(frozen=True)
class Ready:
    """Objects whose window is there: their rows, and the pictures to crop them from."""

    rows: slice
    window: Window


def ready(
    pictures: Iterable[np.ndarray],
    frame: np.ndarray,
    reach: int,
    span: tuple[int, int],
    device: torch.device,
    most: int,
) -> Iterator[Ready]:
    """A clip's objects in order of rows, at most `most` at a time, in one pass over its pictures.

    pictures: of the frames of `span`, uint8 (H, W, 3) each; frame int (N,) ascending. What was
    yielded is over once the next is asked for.
    """
    window, done, pictures = Window(device, span[0]), 0, iter(pictures)
    while done < len(frame):
        first = list(islice(pictures, 1))
        count = max(reach, min(FRAMES, PICTURES // first[0].nbytes)) if first else 0
        window.add(first + list(islice(pictures, count - 1)) if count > 1 else first)
        ended = not first or window.stop >= span[1]
        there = len(frame) if ended else int(np.searchsorted(frame, window.stop - reach))
        while done < there:
            rows = slice(done, min(done + most, there))
            yield Ready(rows, window)
            done = rows.stop
        if done < len(frame):
            window.drop(int(frame[done]) - reach)


def at_once(reach: int, size: int, device: torch.device) -> int:
    """How many cubes are made together."""
    return max(1, CUBES[device.type] // ((2 * reach + 1) * size * size * 3))
