"""Tracks and masks in the published formats, and what is wrong with them in one line."""

import os

import cv2
import numpy as np
import pandas as pd
import pytest
from scipy.io import savemat

from ssmtl.core.errors import InputError
from ssmtl.datasets.clips import Clip, labels_digest
from ssmtl.datasets.ground_truth import read_masks, read_tracks, tracks_of, truth_digest
from ssmtl.datasets.video import avenue, shanghaitech, ucsd, videos
from ssmtl.evaluation.localisation import covered

SHAPE, FRAMES = (6, 8), 4


def write(path, text=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_tracks_with_commas(tmp_path):
    path = write(tmp_path / "01.txt", "1,0,2,3,10,20\n1, 1, 2.5,3,10,20\n\n7,9,0,0,1,1\n")
    tracks = read_tracks(path, 10)
    assert tracks.track.tolist() == [1, 1, 7] and tracks.frame.tolist() == [0, 1, 9]
    assert tracks.box.tolist() == [[2, 3, 10, 20], [2.5, 3, 10, 20], [0, 0, 1, 1]]
    assert tracks.frame.dtype == np.int64


def test_tracks_in_merls_form_are_by_centre_and_numbered_from_1(tmp_path):
    path = write(tmp_path / "Test001_gt.txt", "001.tif 0 10 20 4 6\n010.jpg 2 5 5 10 10\n")
    tracks = read_tracks(path, 10)
    assert tracks.track.tolist() == [0, 2] and tracks.frame.tolist() == [0, 9]
    assert tracks.box.tolist() == [[8, 17, 12, 23], [0, 0, 10, 10]]


def test_an_empty_file_has_no_tracks(tmp_path):
    tracks = read_tracks(write(tmp_path / "01.txt", "\n"), 10)
    assert tracks.box.shape == (0, 4) and tracks.track.shape == tracks.frame.shape == (0,)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1,10,2,3,10,20", "frame 10 in a clip of 10 frames"),
        ("1,-1,2,3,10,20", "frame -1 in a clip"),
        ("000.tif 1 5 5 2 2", "frame -1 in a clip"),
        ("011.tif 1 5 5 2 2", "frame 10 in a clip"),
        ("1,2,3,10,20", "expected track,frame,x_min,y_min,x_max,y_max, found '1,2,3,10,20'"),
        ("1,2,3,ten,20,30", "expected track,frame"),
        ("1,2.5,3,4,20,30", "expected track,frame"),
        ("1,2,nan,4,20,30", "expected track,frame"),
        ("1e24,2,3,4,20,30", "expected track,frame"),
        ("tif 1 5 5 2 2", "expected image track x y width height"),
        ("001.tif 1 5 5 2", "expected image track x y width height"),
        ("1,2,10,4,9,30", "a box with its end before its start, 10 4 9 30"),
        ("001.tif 1 5 5 2 -2", "a box with its end before its start"),
    ],
)
def test_bad_lines_are_named(tmp_path, line, message):
    path = write(tmp_path / "01.txt", f"1,0,1,1,2,2\n{line}\n")
    with pytest.raises(InputError) as error:
        read_tracks(path, 10)
    assert f"{path}, line 2: " in str(error.value) and message in str(error.value)
    assert "\n" not in str(error.value)


def test_files_that_are_no_text_are_named(tmp_path):
    (tmp_path / "01.txt").write_bytes(b"\xff\xfe\x00")
    for name, words in {"01.txt": "these tracks are no text", "02.txt": "no such file"}.items():
        with pytest.raises(InputError, match=f"{name}: {words}"):
            read_tracks(tmp_path / name, 10)


@pytest.fixture
def masks():
    found = np.random.default_rng(0).random((FRAMES, *SHAPE)) < 0.3
    found[1] = False
    return found


def folder_of(path, masks):
    path.mkdir(parents=True)
    for number, mask in enumerate(masks, 1):
        cv2.imwrite(str(path / f"{number:03d}.bmp"), mask.astype(np.uint8) * 255)
    return path


def mat_of(path, masks):
    cells = np.empty((1, len(masks)), object)
    for i, mask in enumerate(masks):
        cells[0, i] = mask.astype(np.uint8)
    savemat(path, {"volLabel": cells})
    return path


def npy_of(path, masks):
    np.save(path, masks.astype(np.uint8) * 7)
    return path


WRITERS = {"Test001_gt": folder_of, "1_label.mat": mat_of, "01_0014.npy": npy_of}


@pytest.mark.parametrize("name", WRITERS)
def test_masks_of_every_format_are_the_same(tmp_path, masks, name):
    path = WRITERS[name](tmp_path / name, masks)
    found = list(read_masks(path, FRAMES, SHAPE))
    assert all(mask.dtype == bool for mask in found)
    assert (np.stack(found) == masks).all()


@pytest.mark.parametrize("name", WRITERS)
def test_masks_that_do_not_fit_are_named(tmp_path, masks, name):
    path = WRITERS[name](tmp_path / name, masks)
    with pytest.raises(InputError, match=rf"{name}: 4 masks for a clip of 5 frames"):
        read_masks(path, 5, SHAPE)
    with pytest.raises(InputError, match=rf"{name}, mask 0: expected the shape \(8, 6\)"):
        list(read_masks(path, FRAMES, SHAPE[::-1]))


def test_broken_masks_are_input_errors(tmp_path):
    for name in ("a.npy", "a.mat"):
        with pytest.raises(InputError, match=rf"{name}: unreadable"):
            read_masks(write(tmp_path / name, "nothing"), FRAMES, SHAPE)
    savemat(tmp_path / "b.mat", {"gt": 1})
    with pytest.raises(InputError, match="no 'volLabel'"):
        read_masks(tmp_path / "b.mat", FRAMES, SHAPE)


def test_readers_find_tracks_and_masks(tmp_path, masks):
    def found(clips):
        return {
            clip.name: tuple(path and os.path.relpath(path, tmp_path) for path in pair)
            for clip in clips
            if clip.split == "test"
            for pair in [(clip.tracks, clip.masks)]
        }

    ped2 = tmp_path / "UCSDped2"
    for name in ("Test/Test001", "Test/Test002", "Train/Train001", "Test/Test001_gt"):
        folder_of(ped2 / name, masks)
    write(ped2 / "tracks" / "Test001_gt.txt")
    write(ped2 / "tracks" / "Test002.txt")
    assert found(ucsd.list_clips(ped2, "ped2")) == {
        "Test001": ("UCSDped2/tracks/Test001_gt.txt", "UCSDped2/Test/Test001_gt"),
        "Test002": ("UCSDped2/tracks/Test002.txt", ""),
    }
    common = tmp_path / "ped2"
    for name in ("training/frames/01", "testing/frames/01", "testing/frames/02", "masks/02"):
        folder_of(common / name, masks)
    write(common / "tracks" / "Test002_gt.txt")
    assert found(ucsd.list_clips(common, "ped2")) == {
        "01": ("", ""),
        "02": ("ped2/tracks/Test002_gt.txt", "ped2/masks/02"),
    }
    campus = tmp_path / "campus"
    for name in ("training/frames/01_001", "testing/frames/01_0014", "testing/test_pixel_mask"):
        folder_of(campus / name, masks)
    npy_of(campus / "testing/test_pixel_mask/01_0014.npy", masks)
    write(campus / "tracks" / "01_0014.txt")
    assert found(shanghaitech.list_clips(campus)) == {
        "01_0014": ("campus/tracks/01_0014.txt", "campus/testing/test_pixel_mask/01_0014.npy")
    }
    street = tmp_path / "street"
    for name in ("training_videos/01", "testing_videos/01", "testing_videos/02"):
        folder_of(street / name, masks)
    (street / "ground_truth_demo/testing_label_mask").mkdir(parents=True)
    mat_of(street / "ground_truth_demo/testing_label_mask/2_label.mat", masks)
    write(street / "tracks" / "Test02_gt.txt")
    assert found(avenue.list_clips(street)) == {
        "01": ("", ""),
        "02": (
            "street/tracks/Test02_gt.txt",
            "street/ground_truth_demo/testing_label_mask/2_label.mat",
        ),
    }
    own = tmp_path / "own"
    for name in ("train/a", "test/b"):
        folder_of(own / name, masks)
    npy_of(write(own / "masks" / "b.npy"), masks)
    assert found(videos.list_clips(own)) == {"b": ("", "own/masks/b.npy")}


def test_digests_see_what_each_stage_reads(tmp_path, masks):
    tracks = write(tmp_path / "01.txt", "1,0,2,3,10,20\n")
    folder = folder_of(tmp_path / "masks", masks)
    clips = [Clip("test", "01", "x", tracks=str(tracks), masks=str(folder))]
    digests = [truth_digest(clips)]
    manifest = labels_digest(clips)
    write(tracks, "1,0,2,3,10,21\n")
    digests.append(truth_digest(clips))
    os.utime(folder / "002.bmp", (1, 1))
    digests.append(truth_digest(clips))
    (folder / "004.bmp").unlink()
    digests.append(truth_digest(clips))
    assert len(set(digests)) == 4
    assert labels_digest(clips) == manifest
    assert labels_digest([Clip("test", "01", "x")]) != manifest
    assert truth_digest([Clip("test", "01", "x")]) == truth_digest([])


def test_a_metric_needs_the_truth_of_all_clips(caplog):
    def clips(*rows):
        return pd.DataFrame(rows, columns=["clip", "labels", "tracks"])

    assert covered(clips(("a", "3-5", "a.txt"), ("b", "normal", ""), ("c", "", "")), "tracks")
    assert not covered(clips(("a", "3-5", ""), ("b", "2-4", "")), "tracks")
    assert not covered(clips(("a", "normal", "a.txt"), ("b", "", "b.txt")), "tracks")
    assert not caplog.records
    assert not covered(clips(("a", "3-5", "a.txt"), ("b", "2-4:fall", "")), "tracks")
    assert "1 of 2 anomalous clips have no tracks" in caplog.text and ": b;" in caplog.text


def test_tracks_from_masks_are_components_in_space_and_time():
    """Two regions that stay apart, one that touches by a corner of time and space, one that comes
    back."""
    masks = np.zeros((6, 12, 20), bool)
    masks[0:3, 1:4, 1:5] = True  # stands for three frames
    masks[3, 4:6, 5:7] = True  # touches it by a corner, a frame later
    masks[5, 1:4, 1:5] = True  # back after a frame without any: another track
    for frame in range(6):
        masks[frame, 8:10, 2 * frame : 2 * frame + 3] = True  # moves, and overlaps itself
    found = tracks_of(masks)
    assert len(found.frame) == 3 + 1 + 1 + 6
    by_track = {t: found.frame[found.track == t].tolist() for t in set(found.track)}
    assert sorted(by_track.values()) == [[0, 1, 2, 3], [0, 1, 2, 3, 4, 5], [5]]
    first = found.box[(found.frame == 0) & (found.box[:, 1] == 1)]
    assert first.tolist() == [[1, 1, 5, 4]], "a box ends behind its last pixel"
    assert tracks_of(masks[:0]).track.shape == (0,)


def test_regions_that_merge_are_one_track_from_their_start():
    masks = np.zeros((3, 5, 9), bool)
    masks[0, 1:3, [1, 7]] = True
    masks[1, 1:3, 1:8] = True
    masks[2, 1:3, [1, 7]] = True
    found = tracks_of(masks)
    assert found.frame.tolist() == [0, 0, 1, 2, 2] and set(found.track) == {0}
