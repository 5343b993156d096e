"""`ssmtl images` on folders: what it writes, and bad input refused with one line."""

import json

import h5py
import numpy as np
import pytest
from footage import run
from PIL import Image

from ssmtl.core import store


@pytest.fixture
def folder(tmp_path):
    """Three training and two test classes, of different sizes and kinds of files."""
    rng = np.random.default_rng(0)
    for place, shape in {
        "train/dog/large.jpg": (300, 200, 3),
        "train/dog/small.png": (9, 14, 3),
        "train/cat/grey.bmp": (40, 40),
        "train/owl/rgba.webp": (30, 50, 4),
        "test/cat/a.jpeg": (33, 31, 3),
        "test/dog/b.PNG": (16, 16),
    }.items():
        path = tmp_path / "set" / place
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8)).save(path)
    return tmp_path / "set"


def make(folder, output, split="train", reader="image_folder", **options) -> None:
    given = ["--path", folder, "--options", json.dumps(options), "--size", 16]
    run("images", output, "--reader", reader, "--split", split, *given)


def test_pictures_of_all_kinds_become_cubes_of_one_frame(folder, tmp_path):
    output = tmp_path / "images.h5"
    make(folder, output)
    with store.read(output, "images") as file:
        assert store.settings_of(file) == {"size": 16}
        assert {label: g.attrs["frames"] for label, g in file.items()} == {
            "cat": 1,
            "dog": 2,
            "owl": 1,
        }
        for group in file.values():
            rows = group.attrs["frames"]
            assert group["cubes"].shape == (rows, 1, 16, 16, 3)
            assert group["cubes"].dtype == np.uint8
            assert group["frame"][:].tolist() == list(range(rows))
            assert group["valid"][:].tolist() == [[0, 1]] * rows
            assert group["frame"].dtype == group["valid"].dtype == np.int64
            assert group.attrs["width"] == group.attrs["height"] == 16
            assert "subject" not in group
        names = [name.decode() for name in file["dog/name"]]
        assert names == ["train/dog/large.jpg", "train/dog/small.png"]
        grey = file["cat/cubes"][0, 0]
        assert np.array_equal(grey[:, :, 0], grey[:, :, 1])
        digests = {group.attrs["digest"] for group in file.values()}
        assert len(digests) == 3


def test_equal_pictures_give_equal_bytes_and_others_another_digest(folder, tmp_path):
    outputs = [tmp_path / name for name in ("a.h5", "b.h5", "c.h5")]
    make(folder, outputs[0], "test")
    make(folder, outputs[1], "test")
    assert outputs[0].read_bytes() == outputs[1].read_bytes()
    Image.new("RGB", (16, 16), "red").save(folder / "test" / "dog" / "b.PNG")
    make(folder, outputs[2], "test")

    def digest(path, label):
        with h5py.File(path) as file:
            return file[label].attrs["digest"]

    assert digest(outputs[0], "dog") != digest(outputs[2], "dog")
    assert digest(outputs[0], "cat") == digest(outputs[2], "cat")


def test_a_class_in_several_blocks_keeps_its_order(tmp_path, monkeypatch):
    monkeypatch.setattr("ssmtl.stages.images.WRITE", 7)
    folder = tmp_path / "set" / "train" / "shades"
    folder.mkdir(parents=True)
    for shade in range(20):
        Image.new("RGB", (16, 16), (shade, 0, 0)).save(folder / f"{shade:02d}.png")
    make(tmp_path / "set", tmp_path / "images.h5")
    with h5py.File(tmp_path / "images.h5") as file:
        assert file["shades/cubes"][:, 0, 5, 5, 0].tolist() == list(range(20))
        assert [name.decode()[-6:] for name in file["shades/name"]][19] == "19.png"


def test_subjects_of_presentation_attacks_are_kept(tmp_path):
    for place in ("train/bona_fide/s1", "test/bona_fide/s2", "test/print/s\u00e4"):
        (tmp_path / "set" / place).mkdir(parents=True)
        Image.new("RGB", (20, 20)).save(tmp_path / "set" / place / "0.png")
    make(tmp_path / "set", tmp_path / "images.h5", "test", "presentation_attack")
    with h5py.File(tmp_path / "images.h5") as file:
        subjects = {label: g["subject"].asstr()[0] for label, g in file.items()}
    assert subjects == {"bona_fide": "s2", "print": "s\u00e4"}


def truncate(folder):
    path = folder / "train" / "dog" / "large.jpg"
    path.write_bytes(path.read_bytes()[:-5000])


def empty_a_class(folder):
    (folder / "train" / "owl" / "rgba.webp").rename(folder / "train" / "owl" / "rgba.tif")


def empty_a_file(folder):
    (folder / "train" / "cat" / "grey.bmp").write_bytes(b"")


def take_classes_away(folder):
    for path in sorted((folder / "train").glob("*/*")):
        path.rename(folder / "train" / path.name)
        if not any(path.parent.iterdir()):
            path.parent.rmdir()


BAD = [
    (truncate, "large.jpg: unreadable image (image file is truncated", "fetch it again"),
    (empty_a_file, "cat/grey.bmp: unreadable image", "fetch it again, or remove it"),
    (empty_a_class, "train/owl: no images (.jpg .jpeg .png .bmp .webp)", "add some, or remove it"),
    (lambda f: (f / "train").rename(f / "training"), "train: no such folder", "docs/data.md"),
    (take_classes_away, "train: no class folders here", "put the pictures into <class>/"),
    (
        lambda f: (f / "train/cat").rename(f / "train/a b"),
        "train/a b': a class may not",
        "rename it",
    ),
    (lambda f: (f / "train/cat/x\n.png").touch(), "x\\n.png'", "rename it"),
]


@pytest.mark.parametrize(("spoil", "what", "remedy"), BAD)
def test_bad_folders_are_refused_before_anything_is_written(
    folder, tmp_path, refused, spoil, what, remedy
):
    spoil(folder)
    output = tmp_path / "out" / "images.h5"
    line = refused(make, folder, output, absent=[output])
    assert what in line and remedy in line
    assert not list(tmp_path.glob("out/.*"))


def test_wrong_readers_options_and_sizes_are_refused(folder, tmp_path, refused):
    output = tmp_path / "images.h5"
    line = refused(make, folder, output, "train", "folders", absent=[output])
    assert "no image reader 'folders'; the readers are birds200, digits, image_folder" in line
    line = refused(lambda: make(folder, output, depth=2), absent=[output])
    assert "option 'depth' is not known; its options are none" in line
    small = ("images", output, "--reader", "digits", "--split", "test", "--size", 4)
    assert "images.size: 4 is less than the minimum of 8" in refused(run, *small)
