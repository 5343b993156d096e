"""What is not as its layout says is noticed when a file is opened, in one line that names it."""

import os
import shutil
import signal
from pathlib import Path

import h5py
import made_files
import numpy as np
import pytest

from ssmtl.core import store
from ssmtl.core.errors import InputError
from ssmtl.formats import hdf5
from ssmtl.formats.calibration import CALIBRATION
from ssmtl.formats.cubes import CUBES
from ssmtl.formats.detections import DETECTIONS
from ssmtl.formats.frames import FRAMES
from ssmtl.formats.images import IMAGES
from ssmtl.formats.scores import SCORES
from ssmtl.formats.teachers import TEACHERS

COUNT = 12
SETTINGS = {"size": 8, "radius": 1, "max_gap": 1}


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> dict[str, tuple[Path, hdf5.Layout]]:
    """A file of every kind, and its layout."""
    folder, rng = tmp_path_factory.mktemp("whole"), np.random.default_rng(0)
    paths = {layout.kind: folder / f"{layout.kind}.h5" for layout in made_files.LAYOUTS}
    made_files.write_frames(paths["frames"], {"01": [rng.bytes(50) for _ in range(COUNT)]})
    made_files.write_detections(paths["detections"], {"01": COUNT}, classes=("a", "b"))
    crops = rng.integers(0, 256, (COUNT, 3, 8, 8, 3), np.uint8)
    clips = {"01": {"cubes": crops, "logits": rng.random((COUNT, 1000), np.float32)}}
    made_files.write_cubes(paths["cubes"], paths["teachers"], clips, SETTINGS)
    made_files.write_images(paths["images"], {"cat": crops[:, :1]}, persons=["x"] * COUNT)
    rows = {"frame": np.arange(COUNT), "box": made_files.boxes(COUNT)}
    rows["combined"] = np.linspace(0, 1, COUNT, dtype=np.float32)
    made_files.write_scores(paths["scores"], ["combined"], {"01": rows})
    levels = np.linspace(0, 1, 11)
    made_files.write_calibration(paths["calibration"], {"jigsaw": levels}, combined=levels)
    return {layout.kind: (paths[layout.kind], layout) for layout in made_files.LAYOUTS}


def everything(path, layout) -> dict:
    """All that a reader gets from a file."""
    with hdf5.read(path, layout) as file:
        found = {name: str(store.attribute(file, name)) for name in layout.about}
        groups = file.values() if layout.groups else [file]
        for group in groups:
            found |= {
                f"{group.name} {n}": str(store.attribute(group, n)) for n in layout.attributes
            }
            for name, dataset in group.items():
                found[f"{group.name}/{name}"] = hdf5.rows(dataset, slice(None)).tolist()
        return found


def line_of(path, layout) -> str:
    """The one line that a file is refused with."""
    with pytest.raises(InputError) as error, hdf5.read(path, layout):
        pass
    line = str(error.value)
    assert line.startswith(f"{path}: ") and "\n" not in line and len(line) < 400
    return line


@pytest.fixture
def spoilt(whole, tmp_path):
    """Changes a copy of the file of a kind; returns the line that it is refused with."""

    def change(layout, edit) -> str:
        path = tmp_path / f"{layout.kind}.h5"
        shutil.copyfile(whole[layout.kind][0], path)
        with h5py.File(path, "r+") as file:
            edit(file if layout is CALIBRATION else file[next(iter(file))])
        return line_of(path, layout)

    return change


@pytest.fixture
def no_hang():
    """Ends a test that waits for a pipe."""
    signal.alarm(30)
    yield
    signal.alarm(0)


def test_what_is_whole_is_read(whole):
    for path, layout in whole.values():
        assert everything(path, layout)


def put(name, index, value):
    def edit(group):
        group[name][index] = value

    return edit


def replaced(name, values):
    def edit(group):
        del group[name]
        group[name] = values

    return edit


def drop(name):
    def edit(group):
        del group[name]

    return edit


def attribute(name, value):
    def edit(group):
        store.set_attributes(group, **{name: value})

    return edit


@pytest.mark.parametrize(
    ("layout", "edit", "words"),
    [
        (DETECTIONS, drop("box"), "the data set 'box' is missing"),
        (DETECTIONS, lambda g: g.create_dataset("more", data=[1]), "'more' is none of its data"),
        (DETECTIONS, put("frame", 0, -1), "'frame' has the value -1, less than 0"),
        (
            DETECTIONS,
            put("frame", -1, COUNT),
            f"'frame' has the value {COUNT}, where all are below",
        ),
        (DETECTIONS, put("frame", 3, 0), "'frame' does not ascend"),
        (DETECTIONS, put("confidence", 2, np.nan), "'confidence' has a value that is not finite"),
        (DETECTIONS, put("class_probs", 2, 1.5), "'class_probs' has the value 1.5, more than 1"),
        (DETECTIONS, put("box", 4, [5, 5, 5, 9]), "a box is empty"),
        (DETECTIONS, put("box", 4, [5, 5, 99, 9]), "a box leaves the frame of 16x16"),
        (DETECTIONS, replaced("class_id", np.zeros(3, int)), "'class_id' has the shape (3,)"),
        (DETECTIONS, replaced("frame", np.zeros(COUNT)), "'frame' is of type float64, not i"),
        (DETECTIONS, replaced("box", "text"), "'box' is of type object"),
        (
            DETECTIONS,
            replaced("class_probs", np.zeros((COUNT, 1), np.float32)),
            "probabilities of 1 classes, where the file names 2",
        ),
        (DETECTIONS, attribute("frames", "many"), "the attribute 'frames' is 'many'"),
        (DETECTIONS, attribute("width", 0), "the attribute 'width' is 0"),
        (DETECTIONS, put("class_probs", 2, 0.5), "its contents do not have their digest"),
        (FRAMES, attribute("fps", np.nan), "the attribute 'fps' is nan"),
        (FRAMES, attribute("fps", -1.0), "the attribute 'fps' is -1.0"),
        (FRAMES, attribute("encoding", "gif"), "the attribute 'encoding' is 'gif'"),
        (FRAMES, put("offsets", -1, 10**9), "the pictures take the bytes 0 to 1000000000 of 600"),
        (FRAMES, put("offsets", 2, 0), "'offsets' does not ascend"),
        (TEACHERS, put("logits", (3, 3), 1e30), "its contents do not have their digest"),
        (TEACHERS, put("logits", (3, 3), np.inf), "'logits' has a value that is not finite"),
        (CUBES, put("valid", 1, [3, 3]), "'valid' is no part of a cube"),
        (CUBES, put("detection", -1, 99), "'detection' has row 99 of 12"),
        (CUBES, drop("cubes"), "either 'cubes' or 'bytes' and 'offsets' are expected"),
        (SCORES, put("combined", -1, 1.25), "'combined' has the value 1.25, more than 1"),
        (SCORES, drop("combined"), "the data set 'combined' is missing"),
        (IMAGES, attribute("height", 9), "'cubes' has the shape (12, 1, 8, 8, 3), not"),
        (CALIBRATION, put("jigsaw", 4, 0), "'jigsaw' does not ascend"),
        (CALIBRATION, attribute("combined", [0.5, 0.1]), "combined score do not ascend"),
    ],
)
def test_what_is_not_as_its_layout_says(spoilt, layout, edit, words):
    assert words in spoilt(layout, edit)


@pytest.mark.parametrize("kind", ["pipe", "file"])
def test_links_to_elsewhere_are_not_followed(spoilt, tmp_path, kind, no_hang):
    """A link to a pipe would wait for ever, one to a file would read what is not ours."""
    target = tmp_path / "other.h5"
    if kind == "pipe":
        os.mkfifo(target)
    else:
        with h5py.File(target, "w") as file:
            file["x"] = made_files.boxes(COUNT)
    source = h5py.VirtualSource(str(target), "x", (COUNT, 4), np.float32)
    virtual = h5py.VirtualLayout((COUNT, 4), np.float32)
    virtual[:] = source

    def linked(link):
        def edit(group):
            del group["box"]
            group["box"] = link

        return edit

    def made(**how):
        def edit(group):
            del group["box"]
            group.create_dataset("box", (COUNT, 4), np.float32, **how)

        return edit

    def virtually(group):
        del group["box"]
        group.create_virtual_dataset("box", virtual)

    for edit, words in (
        (linked(h5py.ExternalLink(str(target), "x")), "is a link to elsewhere"),
        (linked(h5py.SoftLink("/01/frame")), "is a link to elsewhere"),
        (made(external=[(str(target), 0, COUNT * 16)]), "has its values in another file"),
        (virtually, "has its values in another file"),
        (made(chunks=(1, 4)), "'box' was never written in full"),
    ):
        assert words in spoilt(DETECTIONS, edit)

    def whole_clip(group):
        group.file["02"] = h5py.ExternalLink(str(target), "x")

    assert "clip '02' is a link to elsewhere" in spoilt(DETECTIONS, whole_clip)


def test_a_pipe_is_no_file(tmp_path, no_hang):
    os.mkfifo(tmp_path / "x.h5")
    assert "no ordinary file" in line_of(tmp_path / "x.h5", DETECTIONS)


def test_a_file_of_version_0_1_is_named_as_such(whole, tmp_path):
    path, layout = whole["scores"]
    shutil.copyfile(path, tmp_path / "old.h5")
    with h5py.File(tmp_path / "old.h5", "r+") as file:
        del file.attrs["format"]
    line = line_of(tmp_path / "old.h5", layout)
    assert "in format 1, this version of ssmtl reads format 2" in line


def test_only_the_clips_asked_for_are_checked(tmp_path):
    path = made_files.write_detections(tmp_path / "x.h5", {"a": 3, "b": 3})
    with h5py.File(path, "r+") as file:
        file["b/frame"][0] = -5
    with hdf5.read(path, DETECTIONS, ["a"]) as file:
        assert list(file) == ["a", "b"]
    assert "clip b: 'frame' has the value -5" in line_of(path, DETECTIONS)


@pytest.mark.parametrize("kind", [layout.kind for layout in made_files.LAYOUTS])
def test_no_flipped_byte_goes_unnoticed(whole, tmp_path, kind):
    """Every reader refuses the file, or gets what it would have got; or the byte is unused."""
    path, layout = whole[kind]
    data, expected = path.read_bytes(), everything(path, layout)
    rng = np.random.default_rng(len(data))
    spoilt, noticed = tmp_path / path.name, 0
    for place in np.unique(rng.integers(0, len(data), 150)):
        changed = bytearray(data)
        changed[place] ^= 1 << rng.integers(8)
        spoilt.write_bytes(changed)
        try:
            found = everything(spoilt, layout)
        except InputError as error:
            noticed += 1
            assert "\n" not in str(error)
        else:
            assert found == expected, f"byte {place}"
    assert noticed > 10
    assert store.kind_of(path) == kind
