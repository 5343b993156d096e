"""The published truth of Avenue, ShanghaiTech and Ped2, read by our readers, its totals checked.

Needs the files, which nobody may hand on.
"""

from pathlib import Path

import numpy as np
from real_data import DATA, needs

from ssmtl.datasets import ground_truth, labels
from ssmtl.datasets.video import avenue, shanghaitech, ucsd
from ssmtl.formats.labels import to_array


def tracks_and_regions(clips: list[ground_truth.Tracks]) -> tuple[int, int]:
    return sum(len(set(t.track)) for t in clips), sum(len(t.track) for t in clips)


def with_footage(root: Path, names: list[str], *links: tuple[str, Path]) -> Path:
    """A data set's folder with the real truth, and empty folders for the frames we do not have."""
    for name in names:
        (root / "testing" / "frames" / name).mkdir(parents=True)
    for place, target in links:
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        (root / place).symlink_to(target, target_is_directory=True)
    return root


@needs("avenue/testing_label_mask")
def test_avenue_masks(tmp_path):
    """21 clips, 15,324 masks of 360 x 640, 3,712 of their frames anomalous."""
    masks = DATA / "avenue" / "testing_label_mask"
    names = [f"{number:02d}" for number in range(1, 22)]
    root = with_footage(tmp_path, names, ("truth/testing_label_mask", masks))
    clips = avenue.list_clips(root, tracks="from_masks")
    assert [clip.name for clip in clips] == names
    frames = anomalous = 0
    for clip in clips:
        assert clip.tracks == clip.masks == clip.labels != ""
        masks = ground_truth.cells(Path(clip.masks))  # the slow part, so once a clip
        assert {mask.shape for mask in masks} == {(360, 640)}
        marked = np.array([mask.any() for mask in masks])
        frames, anomalous = frames + len(masks), anomalous + int(marked.sum())
        if clip.name == "20":  # a short one
            intervals = labels.frame_labels(clip, len(masks))
            assert np.array_equal(to_array(intervals, len(masks)), marked)
            tracks = ground_truth.read_tracks(Path(clip.tracks), len(masks), (360, 640))
            assert sorted(set(tracks.frame)) == np.flatnonzero(marked).tolist()
    assert (len(clips), frames, anomalous) == (21, 15_324, 3_712)


@needs("shanghaitech/annotations")
def test_shanghaitech_tracks_and_masks(tmp_path):
    """107 clips, 40,791 frames; 158 tracks of 18,937 regions."""
    frames = DATA / "shanghaitech" / "test_frame_mask"
    tracks = DATA / "shanghaitech" / "annotations" / "ShanghaiTech"
    names = sorted(path.stem for path in frames.glob("*.npy"))
    places = ("testing/test_frame_mask", frames), ("tracks", tracks)
    clips = shanghaitech.list_clips(with_footage(tmp_path, names, *places))
    found, total = [], 0
    for clip in clips:
        count = len(np.load(clip.labels))
        total += count
        assert labels.frame_labels(clip, count) is not None
        found.append(ground_truth.read_tracks(Path(clip.tracks), count))
    assert (len(clips), total) == (107, 40_791)
    assert tracks_and_regions(found) == (158, 18_937)


@needs("ped2/testing/masks")
def test_ped2_tracks_from_masks():
    """Every labelled frame has a region; a region is where its mask is."""
    root = DATA / "ped2"
    clips = [c for c in ucsd.list_clips(root, "ped2", "from_masks") if c.split == "test"]
    for clip in clips[:2]:
        count = len(list(Path(clip.source).glob("*.jpg")))
        tracks = ground_truth.read_tracks(Path(clip.tracks), count, (240, 360))
        labelled = to_array(labels.frame_labels(clip, count), count)
        assert sorted(set(tracks.frame)) == np.flatnonzero(labelled).tolist()
        masks = list(ground_truth.read_masks(Path(clip.masks), count, (240, 360)))
        for frame in set(tracks.frame):
            covered = np.zeros((240, 360), bool)
            for x1, y1, x2, y2 in tracks.box[tracks.frame == frame].astype(int):
                covered[y1:y2, x1:x2] = True
            assert covered[masks[frame]].all()
