"""Readers of data sets on made files of each published layout, the manifest, and downloads."""

import csv
import hashlib
import http.server
import io
import logging
import tarfile
import threading
import time
import zipfile
from collections import Counter
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from real_data import DATA, needs
from scipy.io import savemat

from ssmtl.core.download import download, unpack
from ssmtl.core.errors import InputError
from ssmtl.datasets import video as datasets
from ssmtl.datasets.clips import Clip, labels_digest, listing_digest, shards_of
from ssmtl.datasets.labels import frame_labels
from ssmtl.formats import labels
from ssmtl.formats.manifest import COLUMNS, read_manifest, rows
from ssmtl.stages.manifest import build_manifest

PED2 = DATA / "ped2"


def write_images(folder, count, suffix=".jpg", first=0, anomalous=()):
    """`count` images of 16x12 pixels; those in `anomalous` (0-based) have one bright pixel."""
    folder.mkdir(parents=True)
    for index in range(count):
        picture = np.zeros((12, 16), np.uint8)
        picture[5, 7] = 255 * (index in anomalous)
        cv2.imwrite(str(folder / f"{first + index:03d}{suffix}"), picture)


def write_video(path, count, rate=25):
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=Fraction(rate))
        stream.width, stream.height, stream.pix_fmt = 16, 12, "yuvj420p"
        for index in range(count):
            picture = np.full((12, 16, 3), 10 * index, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
        container.mux(stream.encode(None))


def write_text(path, *lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def cells(*arrays):
    """A Matlab cell array (1, N)."""
    row = np.empty((1, len(arrays)), object)
    for index, array in enumerate(arrays):
        row[0, index] = np.asarray(array)
    return row


def listed(reader, root, **options):
    """The reader's clips by (split, name)."""
    clips = datasets.reader(reader).list_clips(Path(root), **options)
    assert len({(c.split, c.name) for c in clips}) == len(clips)
    return {(c.split, c.name): c for c in clips}


def test_labels_of(reader, clips, frames):
    """The test clips' labels as the manifest writes them."""
    module = datasets.reader(reader)
    found = {n: module.frame_labels(c, frames) for (s, n), c in clips.items() if s == "test"}
    return {name: labels.format_labels(intervals) for name, intervals in found.items()}


test_labels_of.__test__ = False


def manifest_of(tmp_path, reader, root, **changes):
    """Builds and reads a manifest; one shard per split unless `changes` says otherwise."""
    output = tmp_path / "manifest.csv"
    settings = {
        "dataset": "made",
        "reader": reader,
        "root": root,
        "options": {},
        "exclude": [],
        "shards": {"train": 1, "test": 1},
        "expected_frames": {},
        "allow_partial": False,
        "fps": 12.5,
    }
    build_manifest(output, **settings | changes)
    return read_manifest(output)


@pytest.fixture
def footage(tmp_path):
    """Own footage: two training clips, two test clips, no labels."""
    root = tmp_path / "footage"
    write_images(root / "train" / "a", 4)
    write_video(root / "train" / "b.avi", 5, rate=30)
    write_images(root / "test" / "01", 6, ".png")
    write_video(root / "test" / "02.avi", 7)
    return root


# Intervals


def test_intervals_and_arrays_are_inverse():
    rng = np.random.default_rng(0)
    for frames in (0, 1, 2, 9, 40):
        for _ in range(20):
            array = rng.random(frames) < 0.5
            intervals = labels.from_array(array, "fall")
            assert np.array_equal(labels.to_array(intervals, frames), array)
            # Maximal runs: there is a normal frame between any two of them.
            assert all(b[0] - a[1] >= 2 for a, b in pairwise(intervals))
    assert labels.from_array(np.array([1, 1, 0, 1])) == [(0, 1, ""), (3, 3, "")]


@pytest.mark.parametrize(
    ("intervals", "text"),
    [
        (None, ""),
        ([], "normal"),
        ([(61, 179, "")], "61-179"),
        ([(20, 60, "running"), (90, 90, "falling")], "20-60:running;90-90:falling"),
    ],
)
def test_label_text_round_trip(intervals, text):
    assert labels.format_labels(intervals) == text
    assert labels.parse_labels(text) == intervals


@pytest.mark.parametrize("text", ["5", "7-3", "1-2;", "a-b", "1-2:a:b", "-1-4", "Normal"])
def test_label_text_that_is_no_interval(text):
    with pytest.raises(InputError, match="not an interval"):
        labels.parse_labels(text)


# Shards and digests


@pytest.mark.parametrize(("clips", "count"), [(1, 1), (3, 2), (4, 4), (16, 4), (21, 4), (107, 8)])
def test_shards_are_nearly_equal_in_size(clips, count):
    held = Counter(shards_of((f"clip {number}" for number in range(clips)), count).values())
    assert sum(held.values()) == clips and set(held) <= set(range(count))
    assert max(held.values()) <= max(-(-clips // count), 1.25 * clips / count)


def test_a_clip_whose_name_comes_last_moves_no_other():
    names = [f"clip {number}" for number in range(60)]  # `clip 10` comes behind `clip 9`
    for count in range(1, 9):
        for known in range(60):
            before = shards_of(names[:known], count)
            assert shards_of(names[: known + 1], count).items() >= before.items()


def test_a_clip_between_others_moves_few_and_an_order_of_listing_none():
    names = [f"{number:03d}" for number in range(0, 400, 4)]
    moved = []
    for number in range(1, 400, 40):
        before, after = shards_of(names, 4), shards_of([*names, f"{number:03d}"], 4)
        moved.append(sum(after[name] != before[name] for name in names))
    assert sum(moved) / len(moved) < 10 < 75  # where all of them were dealt anew
    assert shards_of(names, 4) == shards_of(reversed(names), 4)


def test_shards_are_written_down():
    """So that a change of the rule, which would recompute everything, is noticed."""
    names = ["01", "02", "03", "9", "10", "Test001", "café"]
    places = [3, 0, 2, 1, 2, 3, 1]
    assert shards_of(names, 4) == dict(zip(names, places, strict=True))


def test_listing_digest_sees_contents_but_not_times(footage):
    def now():
        return listing_digest(listed("videos", footage).values())

    before = now()
    image = footage / "train" / "a" / "000.jpg"
    image.touch()
    assert now() == before
    image.write_bytes(image.read_bytes() + b"more")
    longer = now()
    assert longer != before
    write_images(footage / "test" / "03", 1)
    assert now() not in (before, longer)


def test_labels_digest_sees_label_bytes(footage):
    table = footage / "labels.csv"
    write_text(table, "clip,first,last", "01,0,1")
    before = labels_digest(listed("videos", footage).values())
    write_text(table, "clip,first,last", "01,0,2")
    assert labels_digest(listed("videos", footage).values()) != before


def test_unknown_reader_lists_the_known_ones():
    with pytest.raises(InputError, match=r"'pedestrians'.*avenue.*shanghaitech.*ucsd.*videos"):
        datasets.reader("pedestrians")


@pytest.mark.parametrize("name", ["ucsd", "avenue", "shanghaitech", "videos"])
def test_missing_root_says_where_to_get_it(tmp_path, name):
    options = {"variant": "ped2"} if name == "ucsd" else {}
    with pytest.raises(InputError, match=r"nowhere.*(https?://|put normal footage)") as error:
        listed(name, tmp_path / "nowhere", **options)
    assert "\n" not in str(error.value)


# UCSD


@pytest.fixture
def official_ped2(tmp_path):
    """Ped2 as the archive unpacks; two of the twelve test clips, 001 and 003."""
    base = tmp_path / "UCSD_Anomaly_Dataset.v1p2" / "UCSDped2"
    for name in ("Train001", "Train002"):
        write_images(base / "Train" / name, 4, ".tif", first=1)
    for name in ("Test001", "Test003"):
        write_images(base / "Test" / name, 10, ".tif", first=1)
        write_images(base / "Test" / f"{name}_gt", 10, ".bmp", first=1, anomalous={2, 3, 7})
        (base / "Test" / name / "._001.tif").write_bytes(b"an archiver's leftover")
    (base / "Test" / ".DS_Store").write_bytes(b"")
    return base


def write_m(base):
    write_text(
        base / "Test" / "UCSDped2.m",
        "TestVideoFile = {};",
        "TestVideoFile{end+1}.gt_frame = [3:10];",
        "% TestVideoFile{end+1}.gt_frame = [1:10];",
        "TestVideoFile{end+1}.gt_frame = [1:2];",
        "TestVideoFile{end+1}.gt_frame = [2:4, 7 : 9]; % two events",
    )


def test_ucsd_official_layout_reads_the_m_file_by_clip_number(tmp_path, official_ped2):
    write_m(official_ped2)
    clips = listed("ucsd", tmp_path, variant="ped2")
    assert sorted(clips) == [
        ("test", "Test001"),
        ("test", "Test003"),
        ("train", "Train001"),
        ("train", "Train002"),
    ]
    # 1-based and inclusive in the file; Test003 is the third entry, not the second.
    assert test_labels_of("ucsd", clips, 10) == {"Test001": "2-9", "Test003": "1-3;6-8"}
    manifest = manifest_of(tmp_path, "ucsd", tmp_path, options={"variant": "ped2"})
    assert manifest.frames.tolist() == [4, 4, 10, 10]
    assert set(zip(manifest.width, manifest.height, manifest.fps, strict=True)) == {(16, 12, 12.5)}


def test_ucsd_official_layout_falls_back_to_masks(tmp_path, official_ped2):
    clips = listed("ucsd", official_ped2, variant="ped2")
    assert test_labels_of("ucsd", clips, 10) == {"Test001": "2-3;7-7", "Test003": "2-3;7-7"}
    (official_ped2 / "Test" / "Test003_gt" / "010.bmp").unlink()
    with pytest.raises(InputError, match=r"Test003_gt: clip Test003 has 10 frames.*labels for 9"):
        test_labels_of("ucsd", clips, 10)


def test_ucsd_variants_lie_side_by_side(tmp_path, official_ped2):
    write_images(official_ped2.parent / "UCSDped1" / "Train" / "Train001", 2, ".tif")
    assert sorted(listed("ucsd", tmp_path, variant="ped1")) == [("train", "Train001")]
    with pytest.raises(InputError, match=r"ped3.*ped1, ped2"):
        listed("ucsd", tmp_path, variant="ped3")


def test_ucsd_m_file_with_something_else(official_ped2):
    write_text(official_ped2 / "Test" / "UCSDped2.m", "T{end+1}.gt_frame = [a:b];")
    clips = listed("ucsd", official_ped2, variant="ped2")
    with pytest.raises(InputError, match=r"UCSDped2\.m: clip Test001: \[a:b\] is no list"):
        test_labels_of("ucsd", clips, 10)


def test_ucsd_m_file_beyond_the_clip(official_ped2):
    write_m(official_ped2)
    clips = listed("ucsd", official_ped2, variant="ped2")
    with pytest.raises(InputError, match=r"UCSDped2\.m: clip Test001 .*0 to 8.*found .*2 to 9"):
        test_labels_of("ucsd", clips, 9)


@pytest.fixture
def common_ped2(tmp_path):
    """The JPEG layout; two of the twelve test clips, 02 and 03."""
    base = tmp_path / "ped2"
    for name in ("01", "02"):
        write_images(base / "training" / "frames" / name, 5)
    for name in ("02", "03"):
        write_images(base / "testing" / "frames" / name, 10)
    return base


def test_ucsd_mat_file_is_read_by_clip_number(common_ped2):
    savemat(
        common_ped2 / "ped2.mat",
        {"gt": cells([[1], [10]], [[3], [10]], np.array([[1, 6], [2, 8]]))},
    )
    clips = listed("ucsd", common_ped2, variant="ped2")
    assert test_labels_of("ucsd", clips, 10) == {"02": "2-9", "03": "0-1;5-7"}


@pytest.mark.parametrize(
    ("third", "found"),
    [
        ([4, 6], "3-5"),
        (np.zeros((2, 0)), "normal"),
        (np.zeros((0, 0)), "normal"),
        ([[1, 3, 6], [1, 4, 7]], "0-0;2-3;5-6"),
    ],
)
def test_ucsd_mat_file_shapes_of_a_cell(common_ped2, third, found):
    savemat(common_ped2 / "ped2.mat", {"gt": cells([1, 2], [1, 2], third)})
    clips = listed("ucsd", common_ped2, variant="ped2")
    assert test_labels_of("ucsd", clips, 10) == {"02": "0-1", "03": found}


def test_ucsd_mat_file_that_does_not_fit(common_ped2):
    path = common_ped2 / "ped2.mat"
    clips = listed("ucsd", common_ped2.parent, variant="ped2")
    for content, message in (
        ({"gt": cells([1, 2], [1, 2])}, "no labels for clip 03, it has 2 clips"),
        ({"gt": cells([1, 2], [1, 2], np.ones((3, 4)))}, r"expected 2xK intervals, found \(3, 4\)"),
        ({"gt": cells([1, 2], [1, 2], [0, 4])}, "found labels for -1 to 3"),
        ({"other": 1}, "neither 'volLabel' nor 'gt'"),
    ):
        savemat(path, content)
        clips = listed("ucsd", common_ped2, variant="ped2")
        with pytest.raises(InputError, match=message):
            test_labels_of("ucsd", clips, 10)
    savemat(path, {"gt": cells([1, 2], [1, 2], [1, 2])})
    for content in (b"not a Matlab file" * 20, path.read_bytes()[:-9], path.read_bytes()[:200]):
        path.write_bytes(content)
        with pytest.raises(InputError, match="unreadable"):
            test_labels_of("ucsd", clips, 10)


def write_frame_table(path, clip, values):
    lines = [f"{clip},{frame},{value}" for frame, value in enumerate(values)]
    write_text(path, "clip,frame,anomalous", *lines)


def test_ucsd_table_of_frames(common_ped2):
    table = common_ped2 / "testing" / "labels.csv"
    write_frame_table(table, "02", [0, 0, 1, 1, 0, 0, 0, 0, 0, 1])
    clips = listed("ucsd", common_ped2, variant="ped2")
    # 03 is not in the table, so nobody labelled it.
    assert test_labels_of("ucsd", clips, 10) == {"02": "2-3;9-9", "03": ""}


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["02,0,1", "02,1,0"], "frames 0 to 2 once, found 2 rows for the frames 0 to 1"),
        (["02,0,1", "02,0,1", "02,1,1"], "once, found 3 rows"),
        (["02,0,1", "02,1,1", "02,3,1"], "found 3 rows for the frames 0 to 3"),
        (["02,0,1", "02,1,2", "02,2,1"], "neither 0 nor 1"),
        (["02,0,1", "02,one,1", "02,2,1"], "line 3: 'frame' must be a whole number, found 'one'"),
        (["02,0,1", "02,1", "02,2,1"], "line 3: 'anomalous' must be a whole number, found None"),
    ],
)
def test_table_of_frames_that_does_not_fit(tmp_path, lines, message):
    table = tmp_path / "labels.csv"
    write_text(table, "clip,frame,anomalous", *lines)
    with pytest.raises(InputError, match=message) as error:
        frame_labels(Clip("test", "02", "02", str(table)), 3)
    assert str(table) in str(error.value) and "\n" not in str(error.value)


# Avenue


@pytest.fixture
def official_avenue(tmp_path):
    """Both archives, each unpacked into a folder of its own."""
    base = tmp_path / "avenue" / "videos" / "Avenue Dataset"
    write_video(base / "training_videos" / "01.avi", 3)
    for name in ("01", "02"):
        write_video(base / "testing_videos" / f"{name}.avi", 5)
    truth = tmp_path / "avenue" / "truth" / "ground_truth_demo"
    write_video(truth / "testing_videos" / "01.avi", 2)  # the demonstration's own copy
    (truth / "testing_label_mask").mkdir()
    return tmp_path / "avenue"


def write_masks(root, number, anomalous, frames=5):
    masks = [np.zeros((12, 16), np.uint8) for _ in range(frames)]
    for frame in anomalous:
        masks[frame][3, 4] = 1
    folder = root / "truth" / "ground_truth_demo" / "testing_label_mask"
    savemat(folder / f"{number}_label.mat", {"volLabel": cells(*masks)})


def test_avenue_official_layout(tmp_path, official_avenue):
    write_masks(official_avenue, 1, [1, 2, 4])
    write_masks(official_avenue, 2, [])
    clips = listed("avenue", official_avenue)
    assert sorted(clips) == [("test", "01"), ("test", "02"), ("train", "01")]
    assert test_labels_of("avenue", clips, 5) == {"01": "1-2;4-4", "02": "normal"}
    manifest = manifest_of(tmp_path, "avenue", official_avenue)
    assert manifest.frames.tolist() == [3, 5, 5]
    assert set(manifest.fps) == {25.0}
    assert manifest["labels"].tolist() == ["", "1-2;4-4", "normal"]


def test_avenue_masks_of_another_length(official_avenue):
    write_masks(official_avenue, 1, [1], frames=4)
    clips = listed("avenue", official_avenue)
    with pytest.raises(InputError, match=r"1_label\.mat: clip 01 has 5 frames, found labels for 4"):
        test_labels_of("avenue", clips, 5)


def test_avenue_common_layout(tmp_path):
    write_images(tmp_path / "training" / "frames" / "01", 2)
    write_images(tmp_path / "testing" / "frames" / "02", 6)
    savemat(tmp_path / "avenue.mat", {"gt": cells([[1], [1]], [[2, 5], [3, 6]])})
    clips = listed("avenue", tmp_path)
    assert test_labels_of("avenue", clips, 6) == {"02": "1-2;4-5"}


# ShanghaiTech


def test_shanghaitech(tmp_path):
    for name in ("01_001", "01_002"):
        write_video(tmp_path / "training" / "videos" / f"{name}.avi", 3, rate=24)
    for name in ("01_0014", "02_0128"):
        write_images(tmp_path / "testing" / "frames" / name, 6)
    masks = tmp_path / "testing" / "test_frame_mask"
    masks.mkdir()
    np.save(masks / "01_0014.npy", np.array([0, 1, 1, 0, 0, 1], np.int8))
    np.save(masks / "02_0128.npy", np.zeros((6, 12, 16), bool))
    write_text(tmp_path / "tracks" / "01_0014.txt", "1,1,2,2,5,5")
    clips = listed("shanghaitech", tmp_path)
    assert test_labels_of("shanghaitech", clips, 6) == {"01_0014": "1-2;5-5", "02_0128": "normal"}
    assert clips["test", "01_0014"].tracks == str(tmp_path / "tracks" / "01_0014.txt")
    assert not clips["test", "02_0128"].tracks
    manifest = manifest_of(tmp_path, "shanghaitech", tmp_path)
    assert manifest.fps.tolist() == [24.0, 24.0, 12.5, 12.5]
    np.save(masks / "01_0014.npy", np.zeros(7, np.int8))
    with pytest.raises(InputError, match=r"01_0014\.npy: clip 01_0014 has 6.*labels for 7"):
        test_labels_of("shanghaitech", clips, 6)
    np.save(masks / "01_0014.npy", np.array([{}]), allow_pickle=True)
    with pytest.raises(InputError, match=r"01_0014\.npy: unreadable labels"):
        test_labels_of("shanghaitech", clips, 6)


# Own footage


def test_videos_manifest(tmp_path, footage):
    (footage / "test" / "notes.txt").write_text("not a clip")
    manifest = manifest_of(tmp_path, "videos", footage)
    assert list(manifest.columns) == COLUMNS
    assert manifest.split.tolist() == ["train", "train", "test", "test"]
    assert manifest["clip"].tolist() == ["a", "b", "01", "02"]
    assert manifest.frames.tolist() == [4, 5, 6, 7]
    assert manifest.fps.tolist() == [12.5, 30.0, 12.5, 25.0]
    assert set(manifest["labels"]) == set(manifest.tracks) == {""}


def test_videos_table_of_intervals(footage):
    write_text(
        footage / "labels.csv",
        "clip,first,last,kind",
        "01,4,5,falling",
        '01,0,1,"running, fast"',
        "02,,,",
    )
    clips = listed("videos", footage)
    assert test_labels_of("videos", clips, 6) == {
        "01": "0-1:running, fast;4-5:falling",
        "02": "normal",
    }
    write_text(footage / "labels.csv", "clip,first,last", "02,3,3")
    assert test_labels_of("videos", clips, 6) == {"01": "", "02": "3-3"}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("01,4,6,", "0-based frames 0 to 5, found labels for 4 to 6"),
        ("01,4,3,", "found labels for 4 to 3"),
        ("01,-1,3,", "line 2: 'first' must be a whole number, found '-1'"),
        ("01,1,3,a:b", "kind 'a:b' may not hold"),
        ("01,1,,", "line 2: 'last' must be a whole number, found ''"),
        ("03,1,2,", r"no clip 03 in .*test"),
        ("02.avi,1,2,", r"no clip 02\.avi.*without its suffix"),
    ],
)
def test_videos_table_that_does_not_fit(footage, row, message):
    write_text(footage / "labels.csv", "clip,first,last,kind", row)
    with pytest.raises(InputError, match=message):
        test_labels_of("videos", listed("videos", footage), 6)


def test_table_with_foreign_columns(footage):
    write_text(footage / "labels.csv", "video,start,end", "01,1,2")
    with pytest.raises(InputError, match="found the columns video,start,end; expected clip,frame"):
        listed("videos", footage)


def test_table_that_is_no_text(footage):
    (footage / "labels.csv").write_bytes(b"clip,first,last\ncaf\xe9,1,2\n")
    with pytest.raises(InputError, match="not a CSV file in UTF-8"):
        listed("videos", footage)


# The manifest


def test_manifest_refuses_a_gap_in_the_frames(tmp_path, footage):
    (footage / "test" / "01" / "003.png").unlink()
    with pytest.raises(InputError, match=r"01: 1 frames missing between 002\.png and 004\.png"):
        manifest_of(tmp_path, "videos", footage)
    assert not (tmp_path / "manifest.csv").exists()


def test_manifest_refuses_two_clips_of_one_name(tmp_path, footage):
    write_images(footage / "test" / "02", 3)
    with pytest.raises(InputError, match=r"test/02 and .*test/02\.avi.*rename"):
        manifest_of(tmp_path, "videos", footage)


def test_manifest_needs_both_splits(tmp_path, footage):
    with pytest.raises(InputError, match="no clips in the test split"):
        manifest_of(tmp_path, "videos", footage, exclude=["01", "02"])


def test_manifest_excludes_clips(tmp_path, footage):
    assert manifest_of(tmp_path, "videos", footage, exclude=["02"])["clip"].tolist() == [
        *("a", "b", "01")
    ]
    with pytest.raises(InputError, match=r"datasets\.made\.exclude: there is no clip '2'"):
        manifest_of(tmp_path, "videos", footage, exclude=["2"])
    write_images(footage / "train" / "02", 3)
    with pytest.raises(InputError, match="'02' is in both splits"):
        manifest_of(tmp_path, "videos", footage, exclude=["02"])
    left = manifest_of(tmp_path, "videos", footage, exclude=["train/02"])
    assert left[left["clip"] == "02"].split.tolist() == ["test"]


def test_manifest_compares_totals(tmp_path, footage, caplog):
    expected = {"train": 9, "test": 14}
    with pytest.raises(
        InputError, match=r"test split has 13 frames in 2 clips, expected 14.*allow_partial: true"
    ):
        manifest_of(tmp_path, "videos", footage, expected_frames=expected)
    with caplog.at_level(logging.WARNING):
        manifest_of(tmp_path, "videos", footage, expected_frames=expected, allow_partial=True)
    assert "13 frames in 2 clips, expected 14" in caplog.text
    manifest_of(tmp_path, "videos", footage, expected_frames={"train": 9, "test": 13})


def test_manifest_knows_the_published_totals(tmp_path, official_ped2):
    changes = {"options": {"variant": "ped2"}, "expected_frames": None}
    with pytest.raises(InputError, match="train split has 8 frames in 2 clips, expected 2550"):
        manifest_of(tmp_path, "ucsd", official_ped2, **changes)


def test_manifest_names_a_wrong_option(tmp_path, footage):
    with pytest.raises(InputError, match=r"reader 'videos'.*unexpected keyword argument 'variant'"):
        manifest_of(tmp_path, "videos", footage, options={"variant": "ped2"})


def test_manifest_rows_of_a_new_clip_change_one_shard(tmp_path, footage):
    shards = {"train": 2, "test": 3}
    for index in range(10, 20):
        write_images(footage / "train" / str(index), 1)
        write_images(footage / "test" / str(index), 1)
    before = manifest_of(tmp_path, "videos", footage, shards=shards)
    assert before.groupby("split").shard.nunique().to_dict() == {"train": 2, "test": 3}
    write_images(footage / "test" / "new", 2)
    after = manifest_of(tmp_path, "videos", footage, shards=shards)
    changed = [
        (split, shard)
        for split, count in shards.items()
        for shard in range(count)
        if not rows(before, split, shard).equals(rows(after, split, shard))
    ]
    assert changed == [("test", after.shard[after["clip"] == "new"].item())]
    parts = [rows(after, split, s) for split, count in shards.items() for s in range(count)]
    assert sum(map(len, parts)) == len(after)


def test_manifest_warns_of_unlabelled_test_clips(tmp_path, footage, caplog):
    write_text(footage / "labels.csv", "clip,first,last", "01,,")
    manifest = manifest_of(tmp_path, "videos", footage)
    assert manifest["labels"].tolist() == ["", "", "normal", ""]
    assert "1 of 2 test clips have no labels and count in no metric: 02" in caplog.text


def test_manifest_keeps_names_that_look_like_numbers_or_nothing(tmp_path, footage):
    for name in ("007", "NA", "1e5", 'quoted "name", with comma'):
        write_images(footage / "test" / name, 1)
    found = manifest_of(tmp_path, "videos", footage)["clip"]
    assert {"007", "NA", "1e5", 'quoted "name", with comma'} < set(found)


def test_read_manifest_refuses_what_it_did_not_write(tmp_path, footage):
    manifest_of(tmp_path, "videos", footage)
    path = tmp_path / "manifest.csv"
    good = path.read_text()
    with open(path, newline="") as file:
        header, first, *_ = csv.reader(file)
    for text in (
        "",
        "a,b\n1,2\n",
        good[: len(good) - 9],
        good + ",".join(first) + "\n",
        good.replace("train,", "training,"),
        good.replace("12.5", "fast"),
        ",".join(header) + "\ntrain,0,x,x,4,12.5,16,12,5-3,\n",
        "\x00\x01\x02",
    ):
        path.write_text(text)
        with pytest.raises(InputError, match=r"manifest\.csv: not a complete manifest") as error:
            read_manifest(path)
        assert "\n" not in str(error.value)
    path.write_bytes(b"\x89PNG\xff\xfe\n" * 9)
    with pytest.raises(InputError, match="not a complete manifest"):
        read_manifest(path)
    with pytest.raises(InputError, match="no such file"):
        read_manifest(tmp_path / "none.csv")


@needs("ped2")
def test_real_ped2(tmp_path):
    start = time.perf_counter()
    clips = listed("ucsd", PED2, variant="ped2")
    assert time.perf_counter() - start < 0.5
    assert sum(split == "train" for split, _ in clips) == 16
    manifest = manifest_of(
        tmp_path,
        "ucsd",
        PED2,
        options={"variant": "ped2"},
        expected_frames={"train": 2550, "test": 1020},
    )
    assert manifest.groupby("split").size().to_dict() == {"train": 16, "test": 6}
    assert set(zip(manifest.width, manifest.height, strict=True)) == {(360, 240)}
    with open(PED2 / "testing" / "labels.csv") as file:
        table = [(row["clip"], row["anomalous"] == "1") for row in csv.DictReader(file)]
    for row in rows(manifest, "test", 0).to_dict("records"):
        array = labels.to_array(labels.parse_labels(row["labels"]), row["frames"])
        assert array.tolist() == [anomalous for clip, anomalous in table if clip == row["clip"]]


# Downloads

CONTENT = b"an archive " * 1000


@pytest.fixture
def server():
    """A local server: `/fail` answers 503 `failures` times, `/short` breaks off half-way."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.requests += 1
            if self.path == "/fail" and self.server.failures:
                self.server.failures -= 1
                self.send_error(503)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(CONTENT)))
            self.end_headers()
            self.wfile.write(CONTENT[:500] if self.path == "/short" else CONTENT)

        def log_message(self, *arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        httpd.requests, httpd.failures = 0, 0
        httpd.url = f"http://127.0.0.1:{httpd.server_port}"
        thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield httpd
        httpd.shutdown()
        thread.join()


SHA256 = hashlib.sha256(CONTENT).hexdigest()


def test_download_after_two_failures(tmp_path, server):
    server.failures = 2
    output = tmp_path / "new" / "archive"
    download(f"{server.url}/fail", SHA256, output, retries=2, wait=0.01)
    assert output.read_bytes() == CONTENT and server.requests == 3
    # A file that is there, fetched by hand or before, is not fetched again.
    download(f"{server.url}/fail", SHA256.upper(), output)
    assert server.requests == 3
    output.write_bytes(b"another")
    with pytest.raises(InputError, match="archive: SHA-256 is"):
        download(f"{server.url}/fail", SHA256, output)
    assert output.read_bytes() == b"another"


@pytest.mark.parametrize(
    ("path", "sha256", "requests", "message"),
    [
        ("fail", SHA256, 2, r"/fail: cannot be fetched \(.*503.*put it at .*archive"),
        ("short", SHA256, 2, r"/short: cannot be fetched \(500 of 11000 bytes received"),
        ("whole", "0" * 64, 1, rf"/whole: SHA-256 is {SHA256}, expected 0000"),
    ],
)
def test_download_that_fails_leaves_nothing(tmp_path, server, path, sha256, requests, message):
    server.failures = 5
    with pytest.raises(InputError, match=message):
        download(f"{server.url}/{path}", sha256, tmp_path / "archive", retries=1, wait=0.01)
    assert server.requests == requests
    assert not any(tmp_path.iterdir())


def write_archive(path, members):
    """A zip or tar.gz file with the members {name: bytes}."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as bundle:
            for name, data in members.items():
                bundle.writestr(name, data)
        return
    with tarfile.open(path, "w:gz") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz"])
def test_unpack(tmp_path, name):
    write_archive(tmp_path / name, {"set/train/1.txt": b"one", "set/2.txt": b"two"})
    folder = tmp_path / "deep" / "data"
    unpack(tmp_path / name, folder)
    assert (folder / "set" / "train" / "1.txt").read_bytes() == b"one"
    with pytest.raises(InputError, match="not empty"):
        unpack(tmp_path / name, folder)


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz"])
def test_unpack_refuses_path_traversal(tmp_path, name):
    inner = tmp_path / "inner"
    inner.mkdir()
    write_archive(inner / name, {"fine.txt": b"", "../outside.txt": b"bad"})
    with pytest.raises(InputError, match="unsafe archive"):
        unpack(inner / name, inner / "data")
    assert [p.name for p in inner.iterdir()] == [name]
    assert [p.name for p in tmp_path.iterdir()] == ["inner"]


def test_unpack_refuses_a_link_to_the_outside(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        info = tarfile.TarInfo("link")
        info.type, info.linkname = tarfile.SYMTYPE, "../../elsewhere"
        tar.addfile(info)
    with pytest.raises(InputError, match="unsafe archive"):
        unpack(tmp_path / "a.tar", tmp_path / "data")


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz"])
@pytest.mark.parametrize("part", [0.0, 0.5, 0.99])
def test_unpack_refuses_a_damaged_archive(tmp_path, name, part):
    path = tmp_path / name
    write_archive(path, {"noise": np.random.default_rng(0).bytes(50000)})
    data = path.read_bytes()
    path.write_bytes(data[: int(part * len(data))])
    with pytest.raises(InputError, match=r"neither a tar nor a zip|damaged archive") as error:
        unpack(path, tmp_path / "data")
    assert "\n" not in str(error.value)
    assert [p.name for p in tmp_path.iterdir()] == [name]
