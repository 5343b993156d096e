"""Blocks of frames: the crops of one at a time, in any division, by a constant number of calls."""

from collections import Counter

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from ssmtl.media import blocks
from ssmtl.media.crops import crop

CPU = torch.device("cpu")


def film(frames: int, height: int = 48, width: int = 64) -> list[np.ndarray]:
    """Smooth pictures, since a sampler may round half a level either way where they are not."""
    rng = np.random.default_rng(0)
    coarse = torch.from_numpy(rng.random((frames, 3, 6, 8), dtype=np.float32))
    fine = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic")
    return list((fine.clamp(0, 1) * 255).byte().permute(0, 2, 3, 1).contiguous().numpy())


def boxes(count: int, height: int = 48, width: int = 64) -> np.ndarray:
    """Boxes of all sizes inside a picture, some of them larger than a crop."""
    rng = np.random.default_rng(1)
    low = rng.uniform(0, 0.6, (count, 2)) * (width, height)
    high = low + rng.uniform(0.05, 0.4, (count, 2)) * (width, height)
    return np.concatenate((low, high), 1).astype(np.float32)


def one_by_one(pictures, frame, area, reach: int, size: int) -> np.ndarray:
    found = np.zeros((len(frame), 2 * reach + 1, size, size, 3), np.uint8)
    for row, number in enumerate(frame):
        for slot in range(2 * reach + 1):
            if 0 <= (place := number + slot - reach) < len(pictures):
                picture = torch.from_numpy(pictures[place])
                found[row, slot] = crop(picture, torch.from_numpy(area[row : row + 1]), size)[0]
    return found


def on_a_gpu(window: blocks.Window) -> blocks.Window:
    """The window as it is on a GPU: one tensor, and one sampling for all crops."""
    window.tensor = torch.from_numpy(np.stack(window.arrays))
    return window


@pytest.mark.parametrize(("size", "apart"), [(16, 1), (48, 1)])
def test_one_sampling_gives_the_crops_of_one_at_a_time_within_one_level(size, apart):
    pictures, area = film(9), boxes(30)
    frame = np.sort(np.random.default_rng(2).integers(0, 9, 30))
    window = blocks.Window(CPU)
    window.add(pictures)
    expected = one_by_one(pictures, frame, area, 2, size)
    np.testing.assert_array_equal(window.cubes(frame, area, 2, size).numpy(), expected)
    found = on_a_gpu(window).cubes(frame, area, 2, size).numpy()
    assert np.abs(found.astype(int) - expected).max() <= apart


@pytest.mark.parametrize("frames", [1, 4, 64])
@pytest.mark.parametrize("most", [1, 7, 1000])
def test_objects_come_in_order_whatever_the_blocks(monkeypatch, frames, most):
    monkeypatch.setattr(blocks, "FRAMES", frames)
    pictures, reach = film(40), 3
    frame = np.array([0, 0, 5, 6, 6, 6, 30, 39])  # windows that leave the clip, and a gap
    area = boxes(len(frame))
    first, stop = span = blocks.span(frame, reach, len(pictures))
    parts, rows, held = [], [], 0
    for part in blocks.ready(iter(pictures[first:stop]), frame, reach, span, CPU, most):
        rows += range(*part.rows.indices(len(frame)))
        parts.append(part.window.cubes(frame[part.rows], area[part.rows], reach, 16).numpy())
        held = max(held, part.window.stop - part.window.first)
    assert rows == list(range(len(frame)))
    np.testing.assert_array_equal(
        np.concatenate(parts), one_by_one(pictures, frame, area, reach, 16)
    )
    assert held <= max(frames, reach) + 2 * reach, "memory would grow with the clip"


def test_no_objects_need_no_pictures():
    pictures = iter(film(3))
    none = np.zeros(0, int)
    assert list(blocks.ready(pictures, none, 3, blocks.span(none, 3, 3), CPU, 5)) == []
    assert len(list(pictures)) == 3


class Counting(TorchDispatchMode):
    """Counts the operations that a device would be asked for."""

    def __init__(self):
        super().__init__()
        self.calls = Counter()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.calls[str(function)] += 1
        return function(*args, **(kwargs or {}))


def calls(frames: int, objects: int) -> Counter:
    """The operations for a block of so many frames with so many objects in each."""
    window = blocks.Window(CPU)
    window.add(film(frames + 6))
    frame = np.arange(3, frames + 3).repeat(objects)
    on_a_gpu(window)
    with Counting() as counting:
        window.cubes(frame, boxes(len(frame)), 3, 8)
    return counting.calls


def test_the_number_of_calls_grows_neither_with_objects_nor_with_frames():
    few = calls(4, 10)
    assert few == calls(4, 100) == calls(16, 10)
    assert sum(few.values()) < 40
