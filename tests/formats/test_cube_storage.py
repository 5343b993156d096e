"""How cubes lie in their file: read as they were written, or nearly so for jpeg."""

import h5py
import numpy as np
import pytest

from ssmtl.core.errors import InputError
from ssmtl.formats import cubes as cube_storage


def smooth(count: int, length: int = 5, size: int = 16) -> np.ndarray:
    """Cubes whose brightness changes slowly, each frame another colour."""
    rng = np.random.default_rng(count)
    ramp = np.linspace(0, 90, size)[:, None, None] + np.linspace(0, 60, size)[:, None]
    colour = rng.uniform(0, 100, (count, length, 1, 1, 3))
    return (ramp + colour).round().astype(np.uint8)


@pytest.mark.parametrize("storage", ["raw", "lzf", "gzip", "jpeg"])
def test_appended_cubes_are_read_in_any_way(tmp_path, storage):
    parts = [smooth(0), smooth(3), smooth(7), smooth(1)]
    whole = np.concatenate(parts)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        for part in parts:
            cube_storage.append(file, part, storage)
        found = cube_storage.open_cubes(file)
        assert len(found) == 11 and found.shape == whole.shape
        read = found[:]
        assert read.dtype == np.uint8
        apart = np.abs(read.astype(int) - whole)
        assert apart.max() <= (4 if storage == "jpeg" else 0)
        # A crop does not bleed into the next.
        np.testing.assert_allclose(read.mean((2, 3)), whole.mean((2, 3)), atol=1)
        for key in (4, np.s_[2:9], np.s_[::3], np.s_[5:], np.s_[2:9, 2], np.s_[11:20]):
            assert (found[key] == read[key]).all()


def test_a_damaged_cube_is_named(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        clip = file.create_group("clip")
        cube_storage.append(clip, smooth(3), "jpeg")
        start, stop = clip["offsets"][1:3]
        clip["bytes"][start:stop] = 0
        with pytest.raises(InputError, match=r"x\.h5: a cube of clip: unreadable"):
            cube_storage.open_cubes(clip)[:]
        assert len(cube_storage.open_cubes(clip)[2:]) == 1


def test_jpeg_is_at_least_as_small_as_is_reckoned_with():
    rng = np.random.default_rng(0)
    cube = smooth(20, 7, 64) + rng.normal(0, 2, (20, 7, 64, 64, 3))
    sizes = [len(cube_storage.encoded(c.clip(0, 255).astype(np.uint8))) for c in cube]
    assert np.mean(sizes) * cube_storage.LEAST["jpeg"] < cube[0].size
