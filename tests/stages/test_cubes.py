"""Cropping: known answers, and one pass over the frames against one crop at a time."""

import h5py
import numpy as np
import pytest
import torch

from ssmtl.media import blocks, codec
from ssmtl.media.crops import crop
from ssmtl.stages import cubes


class Film:
    """Frames in memory, with the interface that cropping uses."""

    def __init__(self, pictures):
        self.pictures = pictures
        self.asked = []

    def __len__(self):
        return len(self.pictures)

    def decoded(self, start, stop):
        for number in range(start, stop):
            self.asked.append(number)
            yield self.pictures[number]


def test_crop_of_its_own_size_is_the_picture():
    picture = torch.randint(0, 256, (40, 50, 3), dtype=torch.uint8)
    found = crop(picture, torch.tensor([[5.0, 3.0, 37.0, 35.0]]), 32)
    assert torch.equal(found[0], picture[3:35, 5:37])


def test_crop_halves_by_the_mean_of_four():
    picture = torch.randint(0, 256, (64, 64, 3), dtype=torch.uint8)
    found = crop(picture, torch.tensor([[0.0, 0.0, 64.0, 64.0]]), 32)[0]
    expected = picture.float().reshape(32, 2, 32, 2, 3).mean((1, 3))
    assert (found.float() - expected).abs().max() <= 0.5


def test_crop_does_not_keep_the_aspect():
    picture = torch.zeros(60, 60, 3, dtype=torch.uint8)
    picture[:, 20:30] = 200  # the left half of a box 20 wide and 60 high
    found = crop(picture, torch.tensor([[20.0, 0.0, 40.0, 60.0]]), 16)[0]
    # Bilinear samples at the box's edge reach half a pixel into its surroundings.
    assert (found[:, 1:7] == 200).all()
    assert (found[:, 9:] == 0).all()


@pytest.mark.parametrize("flush", [1, 3, 256])
def test_one_pass_equals_one_crop_at_a_time(tmp_path, monkeypatch, flush):
    monkeypatch.setattr(cubes, "FLUSH", flush)
    monkeypatch.setattr(blocks, "FRAMES", 2 * flush)
    rng = np.random.default_rng(0)
    film = Film([rng.integers(0, 256, (48, 64, 3), dtype=np.uint8) for _ in range(23)])
    frame = np.sort(rng.choice(23, 17)).astype(np.int32)
    frame[:2] = 0  # objects at the very start, with half their window outside the clip
    low = rng.uniform(0, 30, (17, 2))
    box = np.concatenate((low, low + rng.uniform(4, 17, (17, 2))), 1).astype(np.float32)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        cubes.write_cubes(file, film, frame, box, 4, 16)
        found = file["cubes"][:]
    assert film.asked == sorted(set(film.asked)), "a frame was decoded twice"
    valid = cubes.windows(frame, 4, 23)
    for number, i in enumerate(frame):
        for slot in range(9):
            there = 0 <= i + slot - 4 < 23
            assert there == (valid[number, 0] <= slot < valid[number, 1])
            expected = np.zeros((16, 16, 3))
            if there:
                picture = torch.from_numpy(film.pictures[i + slot - 4])
                expected = crop(picture, torch.from_numpy(box[number : number + 1]), 16)[0]
            np.testing.assert_array_equal(found[number, slot], expected)


def test_no_objects_give_an_empty_dataset(tmp_path):
    film = Film([np.zeros((20, 20, 3), np.uint8)] * 9)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        cubes.write_cubes(file, film, np.zeros(0, int), np.zeros((0, 4), np.float32), 3, 16)
        assert file["cubes"].shape == (0, 7, 16, 16, 3)
    assert film.asked == []


def test_box_filters():
    box = np.array([[0, 0, 40, 40], [5, 5, 15, 15], [35, 35, 55, 55], [60, 0, 64, 30]], np.float32)
    frame = np.array([0, 0, 0, 0])
    off = {"min_side": None, "max_aspect": None, "nested": None}
    assert cubes.keep_boxes(box, frame, **off).all()
    assert cubes.keep_boxes(box, frame, **off | {"min_side": 10}).tolist() == [1, 1, 1, 0]
    assert cubes.keep_boxes(box, frame, **off | {"max_aspect": 7}).tolist() == [1, 1, 1, 0]
    assert cubes.keep_boxes(box, frame, **off | {"nested": 0.8}).tolist() == [1, 0, 1, 1]
    # in another frame the large box hides nothing
    apart = np.array([0, 1, 1, 1])
    assert cubes.keep_boxes(box, apart, **off | {"nested": 0.8}).all()


def test_thinning():
    assert cubes.thinned(7, 3, None, 0).tolist() == [0, 3, 6]
    some = cubes.thinned(100, 1, 10, 5)
    assert len(set(some)) == 10
    assert (np.diff(some) > 0).all()
    assert (cubes.thinned(100, 1, 10, 5) == some).all()
    assert (cubes.thinned(100, 1, 10, 6) != some).any()


def test_expanded_boxes_stay_in_the_picture():
    found = cubes.expanded(np.array([[10, 10, 20, 30], [0, 0, 8, 8]], np.float32), 2, 40, 36)
    assert found.tolist() == [[5, 0, 25, 36], [0, 0, 12, 12]]


def test_jpeg_is_kept_byte_for_byte_and_png_is_lossless():
    picture = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    assert (codec.decode_image(codec.encode_png(picture), "x") == picture).all()
    smooth = np.full((20, 30, 3), (200, 30, 90), np.uint8)
    lossy = codec.decode_image(codec.encode_jpeg(smooth, 95), "x")
    assert np.abs(lossy.astype(int) - smooth).max() <= 3
