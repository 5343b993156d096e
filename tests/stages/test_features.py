"""Stage features: rows that belong to the cubes, and known motion."""

import cv2
import h5py
import made_files
import numpy as np
import pytest
import torch

from ssmtl import networks
from ssmtl.core.errors import InputError
from ssmtl.formats.features import read_features
from ssmtl.formats.frames import Frames
from ssmtl.media.crops import crop
from ssmtl.stages.features import DIRECTIONS, flow_rows, reduced, write_image_features
from ssmtl.stages.settings import Features


def texture(rng, height=96, width=160):
    """A smooth random picture, uint8 (H, W)."""
    noise = cv2.GaussianBlur(rng.random((height, width)).astype(np.float32), (0, 0), 2)
    return cv2.normalize(noise, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)


def test_flow_of_a_known_motion():
    """A picture that moves by whole pixels: speed over the box's height, in its direction."""
    first = texture(np.random.default_rng(0))
    box = np.float32([[40, 30, 60, 70], [80, 20, 120, 40]])
    for direction, move in ((0, (3, 0)), (2, (0, 2)), (4, (-3, 0)), (6, (0, -2))):
        second = np.roll(first, move[::-1], (0, 1))
        rows = flow_rows(first, second, box, first.shape[1])
        assert rows.shape == (2, DIRECTIONS) and rows.dtype == np.float32
        assert (rows.argmax(1) == direction).all()
        expected = np.hypot(*move) / (box[:, 3] - box[:, 1])
        assert np.allclose(rows.sum(1), expected, rtol=0.1)
    assert np.abs(flow_rows(first, first, box, first.shape[1])).max() < 0.01


def test_flow_in_a_reduced_picture_has_the_same_unit():
    first = cv2.resize(texture(np.random.default_rng(1)), (640, 384))
    second = np.roll(first, 12, 1)
    box = np.float32([[160, 100, 320, 260]])
    pictures = [cv2.cvtColor(p, cv2.COLOR_GRAY2RGB) for p in (first, second)]
    whole = flow_rows(*(reduced(p, 640) for p in pictures), box, 640)
    half = flow_rows(*(reduced(p, 320) for p in pictures), box, 640)
    assert reduced(pictures[0], 320).shape == (192, 320)
    assert np.allclose(whole.sum(), 12 / 160, rtol=0.1) and np.allclose(whole, half, atol=0.01)


def test_boxes_at_the_edge_and_no_boxes():
    first = texture(np.random.default_rng(2))
    box = np.float32([[-5, -5, 4, 6], [158, 94, 170, 99], [159.9, 95.9, 160, 96]])
    assert np.isfinite(flow_rows(first, first, box, 160)).all()
    assert flow_rows(first, first, box[:0], 160).shape == (0, DIRECTIONS)


def test_the_network_is_computed_as_the_settings_say(copy):
    network = ("--network", "random", "--size", 32)
    copy.make_features("train", 0, *network, "--engine", "torch", "--precision", "bfloat16")
    with read_features(copy.path("features")) as file:
        assert file.attrs["computed"] == b"bfloat16 by torch"


def test_rows_are_those_of_the_cubes(copy):
    copy.make_features("train", 0, "--network", "random", "--size", 32, "--batch", 5)
    network = networks.load("random")
    files = (copy.path(stage) for stage in ("features", "cubes", "frames"))
    found, cubes, source = (h5py.File(path) for path in files)
    assert set(found) == set(cubes)
    for clip, group in found.items():
        frame, box = cubes[clip]["frame"][:], cubes[clip]["box"][:]
        assert group.attrs["cubes"] == cubes[clip].attrs["digest"]
        assert group["flow"].shape == (len(frame), DIRECTIONS)
        assert group["embedding"].shape == (len(frame), 2048)
        pictures = Frames(source[clip])
        for row in (0, len(frame) // 2, len(frame) - 1):
            number, own = int(frame[row]), box[row : row + 1]
            pair = [reduced(pictures[number + step], 480) for step in (0, 1)]
            assert np.allclose(group["flow"][row], flow_rows(*pair, own, pictures.width)[0])
            portrait = crop(torch.from_numpy(pictures[number]), torch.from_numpy(own), 32)
            again = network.features(portrait, 32).numpy()[0]
            assert np.allclose(group["embedding"][row], again, rtol=1e-3, atol=1e-4)


def write_pictures(path, counts, size, split_seed=0):
    rng = np.random.default_rng(split_seed)
    pictures = {
        name: rng.integers(0, 256, (count, 1, size, size, 3), dtype=np.uint8)
        for name, count in counts.items()
    }
    return made_files.write_images(path, pictures, settings={"size": size})


def test_rows_are_those_of_the_pictures(tmp_path):
    """As the network gives them one by one, and mixed with the next of the class, by hand."""
    counts = {"cat": 3, "dog": 2}
    images = write_pictures(tmp_path / "images.h5", counts, 8)
    seen = write_pictures(tmp_path / "seen.h5", counts, 40)
    settings = Features(network="random", size=40, batch=2)
    for split in ("train", "test"):
        write_image_features(
            tmp_path / f"{split}.h5", images=images, seen=seen, split=split, settings=settings,
            code="x",
        )  # fmt: skip
    network = networks.load("random")
    with read_features(tmp_path / "train.h5") as found, h5py.File(seen) as wide:
        for label, count in counts.items():
            pictures = wide[label]["cubes"][:, 0]
            with h5py.File(images) as rows:
                assert found[label].attrs["cubes"] == rows[label].attrs["digest"]
            for row in range(count):
                other = pictures[(row + 1) % count].astype(int)
                both = ((pictures[row].astype(int) + other) // 2).astype(np.uint8)
                for name, picture in (("embedding", pictures[row]), ("altered", both)):
                    alone = network.features(torch.from_numpy(picture[None]), 40).numpy()[0]
                    assert np.allclose(found[label][name][row], alone, rtol=1e-3, atol=1e-4)
    with read_features(tmp_path / "test.h5") as found:
        assert set(found["cat"]) == {"embedding"}


def test_pictures_of_another_data_set_are_refused(tmp_path):
    images = write_pictures(tmp_path / "images.h5", {"cat": 3}, 8)
    seen = write_pictures(tmp_path / "seen.h5", {"cat": 2}, 40)
    settings = Features(network="random", size=40, batch=2)
    with pytest.raises(InputError, match="other pictures of cat"):
        write_image_features(
            tmp_path / "out.h5", images=images, seen=seen, split="test", settings=settings, code="x"
        )
    assert not (tmp_path / "out.h5").exists()
