"""Labels and boxes that are not what they seem: refused in one line, or read as they are."""

import shutil

import cv2
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy.io import savemat

from ssmtl import cli
from ssmtl.core.errors import InputError
from ssmtl.datasets import labels
from ssmtl.datasets.clips import Clip
from ssmtl.datasets.ground_truth import read_masks
from ssmtl.detection import imported
from ssmtl.formats.tables import write_csv
from ssmtl.stages.manifest import say_strangers

FRAMES = 5


def label(path):
    return labels.frame_labels(Clip("test", "01", "x", labels=str(path)), FRAMES)


def refused(path) -> str:
    with pytest.raises(InputError) as error:
        label(path)
    assert str(error.value).startswith(str(path)) and "\n" not in str(error.value)
    return str(error.value)


def test_an_empty_table_of_labels(tmp_path):
    path = tmp_path / "labels.csv"
    path.touch()
    line = refused(path)
    assert "an empty file; its first line must be clip,first,last[,kind]" in line
    assert "remove it" in line


@pytest.mark.parametrize("text", ["1_0", "1e1", "0x1", "²", "1.0", "", "-1", "9" * 5000])
def test_what_is_no_whole_number_in_a_table(tmp_path, text):
    path = tmp_path / "labels.csv"
    path.write_text(f"clip,first,last\n01,{text},3\n")
    assert "line 2: 'first' must be a whole number" in refused(path)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.full((FRAMES, 2, 2), np.nan), "no finite number"),
        (np.array([0, 1, np.nan, 0, 0]), "no finite number"),
        (np.array([0, 1, 7, 0, 0]), "labels other than 0 and 1"),
        (np.array(["a"] * FRAMES), "values of type <U1, not numbers"),
        (np.array(1), "a single value"),
        (np.zeros(4), "has 5 frames, found labels for 4"),
    ],
)
def test_arrays_that_are_no_labels(tmp_path, array, words):
    np.save(tmp_path / "01.npy", array)
    assert words in refused(tmp_path / "01.npy")


def test_masks_with_nan_are_no_anomalous_pixels(tmp_path):
    np.save(tmp_path / "01.npy", np.full((FRAMES, 2, 2), np.nan))
    with pytest.raises(InputError, match=r"01\.npy, mask 0: a label is no finite number"):
        list(read_masks(tmp_path / "01.npy", FRAMES, (2, 2)))


def cells(*values):
    array = np.empty((1, len(values)), object)
    for number, value in enumerate(values):
        array[0, number] = np.asarray(value)
    return array


def save_hdf5_mat(path, name, content):
    """A cell array as Matlab writes it in version 7.3: references to arrays, axes reversed."""
    with h5py.File(path, "w", userblock_size=512) as file:
        cell = file.create_dataset(name, content.T.shape, h5py.ref_dtype)
        cell.attrs["MATLAB_class"] = np.bytes_("cell")
        for number, (place, value) in enumerate(np.ndenumerate(content.T)):
            if value.size:
                stored = file.create_dataset(f"#refs#/{number}", data=value.T)
            else:
                stored = file.create_dataset(f"#refs#/{number}", data=np.uint64(value.shape))
                stored.attrs["MATLAB_empty"] = 1
            cell[place] = stored.ref
    with open(path, "r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM")


@pytest.mark.parametrize("name", ["volLabel", "gt"])
def test_both_versions_of_matlab_files_say_the_same(tmp_path, name):
    masks = [np.zeros((4, 6), np.uint8) for _ in range(FRAMES)]
    masks[2][1, 3] = 1
    of_clips = [[[2, 5], [3, 5]], np.zeros((0, 0)), [[1], [2]]]
    content = cells(*masks) if name == "volLabel" else cells(*of_clips)
    savemat(tmp_path / "5.mat", {name: content})
    save_hdf5_mat(tmp_path / "73.mat", name, content)
    expected = {"volLabel": [(2, 2, "")], "gt": [(1, 2, ""), (4, 4, "")]}[name]
    assert label(tmp_path / "5.mat") == label(tmp_path / "73.mat") == expected
    if name == "gt":
        clip = Clip("test", "02", "x", labels=str(tmp_path / "73.mat"))
        assert labels.frame_labels(clip, FRAMES) == []
        return
    for path in (tmp_path / "5.mat", tmp_path / "73.mat"):
        found = np.stack(list(read_masks(path, FRAMES, (4, 6))))
        assert (found == np.stack(masks)).all()


def test_a_matlab_file_that_leads_elsewhere(tmp_path):
    with h5py.File(tmp_path / "x.mat", "w") as file:
        file["volLabel"] = h5py.ExternalLink("other.h5", "x")
    assert "a link to elsewhere" in refused(tmp_path / "x.mat")
    with h5py.File(tmp_path / "y.mat", "w") as file:
        file.create_dataset("gt", (1 << 40,), chunks=(1024,))
    assert "never written in full" in refused(tmp_path / "y.mat")


@pytest.mark.parametrize("value", [np.nan, np.inf, 1.5])
def test_intervals_of_a_matlab_file_that_are_no_frames(tmp_path, value):
    savemat(tmp_path / "x.mat", {"gt": cells([[1], [value]])})
    assert "no finite number" in (line := refused(tmp_path / "x.mat")) or "whole number" in line


HEADER = "clip,frame,x1,y1,x2,y2,confidence\n"


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("x,1e24,2,5,12,22,0.9", "frame is no whole number from 0 to 2147483647"),
        ("x,-1,2,5,12,22,0.9", "frame is no whole number"),
        ("x,1_0,2,5,12,22,0.9", "frame is not a number"),
        ("x,1,2,5,1e300,22,0.9", "x2 is no place in a picture"),
        ("x,1,nan,5,12,22,0.9", "x1 is not a number"),
        ("x,1,2,5,12,22", "line 2: confidence is not a number"),
        ("x,1,0.2,0.5,0.4,0.6,0.9", "all boxes lie within one pixel"),
    ],
)
def test_boxes_that_cannot_be(tmp_path, row, words):
    path = tmp_path / "boxes.csv"
    path.write_text(HEADER + row + "\n")
    with pytest.raises(InputError) as error:
        imported.read_boxes(path)
    assert words in str(error.value) and str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("clip", ["NA", "null", "nan", "01", "1e5", "True", "1_0"])
def test_a_clip_of_boxes_has_the_name_that_is_written(tmp_path, clip):
    path = tmp_path / "boxes.csv"
    path.write_text(f"{HEADER}{clip},0,2,5,12,22,0.9\n")
    frame, boxes = imported.boxes_of_clip(imported.read_boxes(path), clip, 1, 64, 48, 0.5)
    assert frame.tolist() == [0] and boxes.box.tolist() == [[2, 5, 12, 22]]


@pytest.mark.parametrize("clip", ["=1+1", "-x", "@gate", "'=1", "'gate'"])
def test_a_table_that_runs_in_no_spreadsheet_names_the_same_clips(tmp_path, clip):
    path = tmp_path / "labels.csv"
    kinds = {"clip": [clip, "other"], "first": [1, 0], "last": [2, 0], "kind": ["+run", ""]}
    write_csv(path, pd.DataFrame(kinds))
    assert labels.csv_clips(path) == {clip, "other"}
    assert labels.from_csv(path, clip, FRAMES) == [(1, 2, "+run")]
    box = {"frame": 0, "x1": 1, "y1": 1, "x2": 5, "y2": 5, "confidence": 0.5}
    write_csv(path, pd.DataFrame([{"clip": clip} | box]))
    assert imported.read_boxes(path)["clip"].tolist() == [clip]


def test_the_same_footage_in_both_splits_is_said(tmp_path, caplog):
    """Under any name: what a model learnt from says nothing of what it has not seen."""
    rng = np.random.default_rng(0)
    for split, name in (("train", "a"), ("test", "b")):
        folder = tmp_path / split / name
        folder.mkdir(parents=True)
        for number in range(3):
            picture = rng.integers(0, 256, (24, 32, 3), np.uint8)
            cv2.imwrite(str(folder / f"{number}.png"), picture)
    manifest = tmp_path / "manifest.csv"
    arguments = ("manifest", manifest, "--dataset", "d", "--reader", "videos", "--path", tmp_path)
    cli.main([str(word) for word in arguments])
    assert "is training clip" not in caplog.text
    shutil.copytree(tmp_path / "train" / "a", tmp_path / "test" / "c")
    cli.main([str(word) for word in arguments])
    assert "test clip c is training clip a" in caplog.text and "exclude one" in caplog.text
    assert "test clip b is" not in caplog.text


def test_labels_and_boxes_of_clips_that_are_not_there_are_said(tmp_path, caplog):
    labels_, boxes = tmp_path / "labels.csv", tmp_path / "test.csv"
    labels_.write_text("clip,first,last,kind\na,1,2,\ngone,1,2,fall\n07,1,2,\n")
    boxes.write_text(HEADER + "b,0,2,5,12,22,0.9\n a,0,2,5,12,22,0.9\nNA,1,2,5,12,22,0.9\n")
    clips = [Clip("test", "a", "x", labels=str(labels_)), Clip("train", "b", "x")]
    say_strangers(clips, ["07"], {"test": str(boxes)})
    assert [record.getMessage() for record in caplog.records] == [
        f"{labels_}: names 1 clips that are not there: gone",
        f"{boxes}: names 2 clips that are not there: NA, b",
    ]
    caplog.clear()
    say_strangers(clips, ["gone", "07"], {"train": str(tmp_path / "none.csv")})
    assert not caplog.records
