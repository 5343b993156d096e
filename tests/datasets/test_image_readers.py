"""Readers of image data sets on made files, and what becomes of a picture on its way to a cube."""

import struct
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from ssmtl.core.errors import InputError
from ssmtl.datasets import images as image_readers
from ssmtl.datasets.images import (
    Picture,
    birds200,
    digits,
    image_folder,
    npz,
    presentation_attack,
    torchvision,
    unsplit_folder,
)
from ssmtl.stages import images

RED, BLUE = (255, 0, 0), (0, 0, 255)


def write(path: Path, colour=RED, size=(12, 10)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)
    return path


# Readers by name


def test_every_reader_is_found_with_its_options():
    assert image_readers.known_readers() == [
        "birds200",
        "digits",
        "image_folder",
        "npz",
        "presentation_attack",
        "torchvision",
        "unsplit_folder",
    ]
    assert image_readers.reader("digits", {}) is digits
    assert image_readers.reader("torchvision", {"name": "MNIST"}) is torchvision


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        (
            "folders",
            {},
            "no image reader 'folders'; the readers are birds200, digits",
        ),
        ("torchvision", {}, "'torchvision': option 'name' is missing; its options are name"),
        ("digits", {"size": 8}, "'digits': option 'size' is not known; its options are none"),
    ],
)
def test_wrong_readers_and_options_are_named(name, options, message):
    with pytest.raises(InputError, match=message):
        image_readers.reader(name, options)


# Digits


def test_digits_are_split_two_to_one_and_lose_nothing():
    data = load_digits()
    splits = {split: list(digits.pictures(Path("nowhere"), split)) for split in ("train", "test")}
    rows = {split: [int(p.name.split()[1]) for p in found] for split, found in splits.items()}
    assert sorted(rows["train"] + rows["test"]) == list(range(1797))
    for digit in digits.classes(Path("nowhere"), "train"):
        trained = sum(p.label == digit for p in splits["train"])
        assert trained == round(np.sum(data.target == int(digit)) * 2 / 3)
    for split, found in splits.items():
        assert [p.label for p in found] == sorted(p.label for p in found)
        for picture, row in zip(found, rows[split], strict=True):
            assert picture.label == str(data.target[row])
            assert picture.pixels.shape == (8, 8, 3) and picture.pixels.dtype == np.uint8
            expected = np.rint(data.images[row] / 16 * 255)[:, :, None]
            assert np.array_equal(picture.pixels, np.broadcast_to(expected, (8, 8, 3)))
    again = [p.name for p in digits.pictures(Path("elsewhere"), "train")]
    assert again == [p.name for p in splits["train"]]


# Image folders


@pytest.fixture
def folder(tmp_path):
    write(tmp_path / "train" / "dog" / "b.png")
    write(tmp_path / "train" / "dog" / "a.JPG")
    write(tmp_path / "train" / "cat" / "deep" / "er" / "c.bmp")
    write(tmp_path / "train" / "cat" / ".hidden.png")
    (tmp_path / "train" / "cat" / "notes.txt").write_text("not a picture")
    (tmp_path / "train" / ".cache").mkdir()
    write(tmp_path / "test" / "owl" / "d.webp")
    return tmp_path


def test_image_folder_finds_images_at_any_depth_class_by_class(folder):
    assert image_folder.classes(folder, "train") == ["cat", "dog"]
    assert image_folder.classes(folder, "test") == ["owl"]
    found = [(p.label, p.name) for p in image_folder.pictures(folder, "train")]
    assert found == [
        ("cat", "train/cat/deep/er/c.bmp"),
        ("dog", "train/dog/a.JPG"),
        ("dog", "train/dog/b.png"),
    ]
    assert all(p.pixels == folder / p.name for p in image_folder.pictures(folder, "train"))


def test_listing_changes_with_a_split_and_only_with_it(folder):
    before = image_folder.listing(folder, "train")
    write(folder / "test" / "owl" / "e.png")
    (folder / "train" / "cat" / "notes.txt").write_text("longer than before")
    assert image_folder.listing(folder, "train") == before
    seen = {before}
    for change in (
        lambda: write(folder / "train" / "dog" / "new.png"),
        lambda: (folder / "train" / "dog" / "new.png").rename(folder / "train" / "dog" / "n.png"),
        lambda: write(folder / "train" / "cat" / "deep" / "er" / "c.bmp", BLUE),  # of equal size
        lambda: (folder / "train" / "dog" / "n.png").unlink(),
    ):
        change()
        seen.add(image_folder.listing(folder, "train"))
    assert len(seen) == 5


def test_linked_folders_are_read_and_dead_links_named(folder, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    write(elsewhere / "x.png")
    (folder / "train" / "dog" / "more").symlink_to(elsewhere)
    names = [p.name for p in image_folder.pictures(folder, "train")]
    assert "train/dog/more/x.png" in names
    (elsewhere / "x.png").unlink()
    (folder / "train" / "dog" / "gone.png").symlink_to(elsewhere / "x.png")
    with pytest.raises(InputError, match=r"gone\.png: this file cannot be read"):
        image_folder.listing(folder, "train")


@pytest.mark.parametrize("name", ["all", "two words", "caf\u00e9", "-x", "$HOME"])
def test_class_names_that_paths_cannot_bear_are_refused(folder, name):
    write(folder / "train" / name / "a.png")
    with pytest.raises(InputError, match=r"a class may not be called .*; rename it"):
        image_folder.classes(folder, "train")


# Folders without a split


def test_an_unsplit_folder_gives_each_picture_to_one_split(tmp_path):
    for label, count in (("rose", 20), ("tulip", 3), ("daisy", 2)):
        for number in range(count):
            write(tmp_path / label / f"{number:02d}.png")
    splits = {
        split: [(p.label, p.name) for p in unsplit_folder.pictures(tmp_path, split, 0.7)]
        for split in ("train", "test")
    }
    assert not set(splits["train"]) & set(splits["test"])
    everything = sorted((f.parent.name, f.relative_to(tmp_path).as_posix())
                        for f in tmp_path.glob("*/*"))  # fmt: skip
    assert sorted(splits["train"] + splits["test"]) == everything
    counted = [
        [sum(label == name for label, _ in splits[s]) for s in splits]
        for name in ("rose", "tulip", "daisy")
    ]
    assert counted == [[14, 6], [2, 1], [1, 1]]
    assert [label for label, _ in splits["test"]] == sorted(label for label, _ in splits["test"])
    # Which pictures of a class are for training does not depend on other classes.
    write(tmp_path / "aster" / "0.png")
    write(tmp_path / "aster" / "1.png")
    again = [(p.label, p.name) for p in unsplit_folder.pictures(tmp_path, "train", 0.7)]
    assert [pair for pair in again if pair[0] != "aster"] == splits["train"]


def test_an_unsplit_folder_needs_a_share_and_two_pictures(tmp_path):
    write(tmp_path / "rose" / "0.png")
    with pytest.raises(InputError, match="rose: one image only"):
        unsplit_folder.listing(tmp_path, "train", 0.5)
    for share in (0.0, 1.0, 70, "0.7"):
        with pytest.raises(InputError, match=r"train_share is .*; give the share"):
            unsplit_folder.listing(tmp_path, "train", share)


# Birds


@pytest.fixture
def birds(tmp_path):
    """Two species with four pictures in all, the tables in the published form."""
    names = ["001.Albatross/a_1.jpg", "001.Albatross/a_2.jpg", "002.Auklet/b_1.jpg",
             "002.Auklet/b_2.jpg"]  # fmt: skip
    for name in names:
        write(tmp_path / "images" / name)
    rows = [f"{number} {name}\n" for number, name in enumerate(names, 1)]
    (tmp_path / "images.txt").write_text("".join(rows))
    (tmp_path / "train_test_split.txt").write_text("1 0\n2 1\n3 1\n4 0\n")
    return tmp_path


def test_birds_have_their_own_split(birds):
    assert birds200.classes(birds, "test") == ["001.Albatross", "002.Auklet"]
    found = [(p.label, p.name, p.pixels) for p in birds200.pictures(birds, "train")]
    names = ["001.Albatross/a_2.jpg", "002.Auklet/b_1.jpg"]
    assert found == [(name.split("/")[0], name, birds / "images" / name) for name in names]
    before = birds200.listing(birds, "train")
    write(birds / "images" / names[0], BLUE)
    assert birds200.listing(birds, "train") != before


@pytest.mark.parametrize(
    ("table", "text", "message"),
    [
        ("train_test_split.txt", "1 0\n2 1\n3 1\n", "picture 4 stands in only one of"),
        ("train_test_split.txt", "1 0\n2\n", "line 2: not two columns"),
        ("images.txt", "1 a_1.jpg\n", "'a_1.jpg' is not <class>/<file>"),
        ("images.txt", None, "cannot be read"),
    ],
)
def test_damaged_tables_of_birds_are_named(birds, table, text, message):
    (birds / table).unlink()
    if text is not None:
        (birds / table).write_text(text)
    with pytest.raises(InputError, match=message):
        birds200.classes(birds, "train")


# Arrays


def digit_arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        "x_train": rng.integers(0, 256, (4, 6, 6), np.uint8),
        "y_train": np.array([1, 0, 1, 0], np.uint8),
        "x_test": rng.integers(0, 256, (2, 6, 6), np.uint8),
        "y_test": np.array([0, 2], np.uint8),
    }


def test_arrays_are_read_class_by_class(tmp_path):
    arrays = digit_arrays()
    np.savez(tmp_path / "mnist.npz", **arrays)
    path = tmp_path / "mnist.npz"
    assert npz.classes(path, "train") == ["0", "1"] and npz.classes(path, "test") == ["0", "2"]
    found = list(npz.pictures(path, "train"))
    assert [(p.label, p.name) for p in found] == [
        ("0", "train 1"), ("0", "train 3"), ("1", "train 0"), ("1", "train 2"),
    ]  # fmt: skip
    grey = arrays["x_train"][1][:, :, None]
    assert np.array_equal(found[0].pixels, np.repeat(grey, 3, axis=2))
    assert found[0].pixels.dtype == np.uint8
    assert npz.listing(path, "train")


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x[..., None],
        lambda x: x.reshape(len(x), -1),
        lambda x: np.repeat(x[:, None], 3, axis=1),
        lambda x: (x / 255).astype(np.float32),
        lambda x: x.astype(np.int64),
    ],
)
def test_arrays_of_other_forms_give_the_same_pictures(tmp_path, change):
    arrays = digit_arrays()
    np.savez(tmp_path / "a.npz", **arrays)
    renamed = {
        "train_images": change(arrays["x_train"]),
        "train_labels": arrays["y_train"][:, None],
        "test_images": change(arrays["x_test"]),
        "test_labels": arrays["y_test"],
    }
    np.savez(tmp_path / "b.npz", **renamed)
    for split in ("train", "test"):
        for one, other in zip(*(npz.pictures(tmp_path / f, split) for f in ("a.npz", "b.npz")),
                              strict=True):  # fmt: skip
            assert one.label == other.label and np.array_equal(one.pixels, other.pixels)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"x_train": np.full((4, 6, 6), 300)},
            r"from 300 to 300; whole numbers in 0\.\.255",
        ),
        ({"x_train": np.full((4, 6, 6), np.nan)}, "values from nan"),
        ({"x_train": np.zeros((4, 7))}, r"pictures of the shape \(4, 7\)"),
        ({"x_train": np.zeros((3, 6, 6))}, "3 pictures and 4 labels of train"),
        ({"y_train": np.array(["a/b"] * 4)}, "a class may not be called 'a/b'"),
        ({"y_train": np.zeros(4)}, "labels of train of the shape"),
        ({"y_train": None}, "has none of y_train"),
    ],
)
def test_wrong_arrays_are_named(tmp_path, changes, message):
    arrays = {n: a for n, a in (digit_arrays() | changes).items() if a is not None}
    np.savez(tmp_path / "mnist.npz", **arrays)
    with pytest.raises(InputError, match=message):
        list(npz.pictures(tmp_path / "mnist.npz", "train"))


def test_files_that_are_no_arrays_are_named(tmp_path):
    path = tmp_path / "mnist.npz"
    for content in (b"", b"PK\x03\x04 and no more", b"text"):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"mnist\.npz: no readable \.npz file"):
            npz.classes(path, "train")
    np.savez(path, x_train=np.array([{}], object), y_train=np.array([0]))
    with pytest.raises(InputError, match=r"no readable \.npz file"):
        list(npz.pictures(path, "train"))


# Presentation attacks


@pytest.fixture
def faces(tmp_path):
    for place in ("train/bona_fide/s1", "train/bona_fide/s2", "test/bona_fide/s3"):
        write(tmp_path / place / "0.png")
    write(tmp_path / "test" / "replay" / "s3" / "tablet" / "0.png")
    write(tmp_path / "test" / "print" / "s4" / "0.png")
    return tmp_path


def test_presentation_attacks_have_types_and_subjects(faces, caplog):
    assert presentation_attack.classes(faces, "train") == ["bona_fide"]
    assert presentation_attack.classes(faces, "test") == ["bona_fide", "print", "replay"]
    train = [(p.label, p.subject) for p in presentation_attack.pictures(faces, "train")]
    assert train == [("bona_fide", "s1"), ("bona_fide", "s2")]
    test = [(p.label, p.subject) for p in presentation_attack.pictures(faces, "test")]
    assert test == [("bona_fide", "s3"), ("print", "s4"), ("replay", "s3")]
    assert not caplog.records
    write(faces / "test" / "bona_fide" / "s1" / "0.png")
    list(presentation_attack.pictures(faces, "test"))
    assert "1 bona fide subjects are in both train and test, such as s1" in caplog.text


def test_attacks_in_the_training_folder_are_not_trained_on(faces):
    before = presentation_attack.listing(faces, "train")
    write(faces / "train" / "print" / "s9" / "0.png")
    assert presentation_attack.classes(faces, "train") == ["bona_fide"]
    assert {p.label for p in presentation_attack.pictures(faces, "train")} == {"bona_fide"}
    assert presentation_attack.listing(faces, "train") == before


def test_faults_of_the_presentation_attack_layout_are_named(faces):
    write(faces / "test" / "print" / "loose.png")
    with pytest.raises(InputError, match=r"loose\.png: in no subject's folder; move it to"):
        list(presentation_attack.pictures(faces, "test"))
    for kind in ("print", "replay"):
        (faces / "test" / kind).rename(faces / kind)
    with pytest.raises(InputError, match="test: no attacks here"):
        presentation_attack.classes(faces, "test")
    (faces / "train" / "bona_fide").rename(faces / "train" / "live")
    with pytest.raises(InputError, match="train/bona_fide: no such folder; put real faces"):
        presentation_attack.classes(faces, "train")


# torchvision's


def write_idx(path: Path, values: np.ndarray) -> None:
    """An array in the format of MNIST: type and rank, the sizes, the bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    header = struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape)
    path.write_bytes(header + values.astype(np.uint8).tobytes())


def test_mnist_is_read_where_it_lies(tmp_path):
    rng = np.random.default_rng(0)
    raw = tmp_path / "MNIST" / "raw"
    labels = {"train": np.array([3, 0, 9, 0]), "t10k": np.array([1, 1])}
    pixels = {name: rng.integers(0, 256, (len(v), 28, 28)) for name, v in labels.items()}
    for name in labels:
        write_idx(raw / f"{name}-images-idx3-ubyte", pixels[name])
        write_idx(raw / f"{name}-labels-idx1-ubyte", labels[name])
    train = list(torchvision.pictures(tmp_path, "train", name="MNIST"))
    assert [(p.label, p.name) for p in train] == [
        ("0", "train 1"),
        ("0", "train 3"),
        ("3", "train 0"),
        ("9", "train 2"),
    ]
    for channel in range(3):
        assert np.array_equal(train[2].pixels[:, :, channel], pixels["train"][0])
    assert [p.name for p in torchvision.pictures(tmp_path, "test", name="MNIST")] == [
        "test 0",
        "test 1",
    ]


def test_colour_arrays_have_their_channels_last():
    rng = np.random.default_rng(0)
    colour = rng.integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)
    cifar = SimpleNamespace(data=colour, targets=[3, 1, 4, 1, 5])
    svhn = SimpleNamespace(data=colour.transpose(0, 3, 1, 2), labels=np.array([3, 1, 4, 1, 5]))
    for made in (cifar, svhn):
        pixels, labels = torchvision.arrays(made)
        assert np.array_equal(pixels, colour) and labels.tolist() == [3, 1, 4, 1, 5]


def test_classes_of_the_data_sets():
    counts = {name: len(set(torchvision.labels_of(name))) for name in torchvision.CLASSES}
    assert counts == {"MNIST": 10, "FashionMNIST": 10, "CIFAR10": 10, "CIFAR100": 100, "SVHN": 10}
    # torchvision has three of them as attributes, in the order of the labels.
    from torchvision import datasets

    fashion = [c.lower().replace("/", "_").replace(" ", "_") for c in datasets.FashionMNIST.classes]
    assert torchvision.labels_of("FashionMNIST") == fashion
    # Those of CIFAR-100 are in alphabetical order in the published files.
    assert torchvision.classes(Path(), "train", "CIFAR100") == torchvision.labels_of("CIFAR100")
    with pytest.raises(InputError, match="no data set 'STL10'; there are MNIST, FashionMNIST"):
        torchvision.classes(Path(), "train", "STL10")


def test_no_network_is_said_in_one_line(tmp_path, monkeypatch):
    from torchvision import datasets

    def unreachable(*arguments, **options):
        raise RuntimeError("Error downloading x:\nTried a, got:\nName or service not known\n")

    monkeypatch.setattr(datasets, "CIFAR10", unreachable)
    with pytest.raises(InputError) as error:
        list(torchvision.pictures(tmp_path, "train", name="CIFAR10"))
    assert "CIFAR10 is not here in full and could not be fetched (Error down" in str(error.value)
    assert "\n" not in str(error.value)


# From a picture to a cube


def cube(pixels: np.ndarray | Path, size: int) -> np.ndarray:
    return images.cropped(Picture("a", "b", pixels), size)


def test_a_picture_of_the_right_size_stays_as_it_is(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert np.array_equal(cube(pixels, 32), pixels)
    assert np.array_equal(cube(tmp_path / "a.png", 32), pixels)


@pytest.mark.parametrize("upright", [False, True])
def test_the_centred_square_is_taken(upright):
    pixels = np.zeros((20, 60, 3), np.uint8)
    pixels[:, :20], pixels[:, 20:40], pixels[:, 40:] = RED, (0, 255, 0), BLUE
    inner = cube(pixels.transpose(1, 0, 2) if upright else pixels, 10)[1:-1, 1:-1]
    assert np.array_equal(inner, np.broadcast_to((0, 255, 0), (8, 8, 3)))


def test_resizing_is_antialiased():
    board = np.indices((64, 64)).sum(0) % 2 * 255
    found = cube(np.repeat(board[:, :, None], 3, 2).astype(np.uint8), 8)
    assert np.abs(found.astype(int) - 127.5).max() < 5


def test_large_jpegs_decoded_small_look_the_same(tmp_path):
    rows, columns = np.mgrid[:1000, :1200] / 200
    waves = np.stack((np.sin(rows), np.cos(columns), np.sin(rows + columns)), -1)
    pixels = (127 + 120 * waves).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "large.jpg", quality=95)
    difference = cube(tmp_path / "large.jpg", 32).astype(int) - cube(pixels, 32)
    assert np.abs(difference).mean() < 1 and np.abs(difference).max() < 6


def test_photographs_are_turned_upright(tmp_path):
    pixels = np.zeros((16, 16, 3), np.uint8)
    pixels[:8] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise for display
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    assert np.array_equal(cube(tmp_path / "a.png", 16), np.rot90(pixels, -1))


def test_grey_palette_deep_and_transparent_images_become_rgb(tmp_path):
    rng = np.random.default_rng(0)
    grey = rng.integers(0, 256, (16, 16), dtype=np.uint8)
    three = np.repeat(grey[:, :, None], 3, 2)
    alpha = np.full((16, 16), 255, np.uint8)
    alpha[:8] = 0
    cut = three * (alpha[:, :, None] // 255)
    deep = (grey.astype(np.uint16) << 8) + rng.integers(0, 256, (16, 16), dtype=np.uint16)
    made = {
        "grey": (Image.fromarray(grey), three),
        "palette": (Image.fromarray(grey).convert("P"), three),
        "deep": (Image.fromarray(deep), three),
        "bits": (Image.fromarray(grey > 127), (three > 127) * 255),
        "rgba": (Image.fromarray(np.dstack((three, alpha))), cut),
        "grey_alpha": (Image.fromarray(np.dstack((grey, alpha))), cut),
    }
    for name, (image, expected) in made.items():
        image.save(tmp_path / f"{name}.png")
        assert np.array_equal(cube(tmp_path / f"{name}.png", 16), expected), name


@pytest.mark.parametrize("suffix", ["jpg", "png", "bmp", "webp"])
def test_truncated_and_foreign_files_are_refused(tmp_path, suffix):
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(pixels).save(path)
    whole = path.read_bytes()
    for left in (whole[: len(whole) * 9 // 10], whole[:20], b"", b"a text" * 100):
        path.write_bytes(left)
        with pytest.raises(InputError, match=rf"a\.{suffix}: unreadable image .*; fetch it again"):
            cube(path, 32)
