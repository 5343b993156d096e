"""What the stages manifest and frames make of odd and damaged video."""

import av
import h5py
import numpy as np
import pytest
from footage import write_video


@pytest.fixture
def damaged(copy):
    """The training film as MPEG-4 with one frame in the middle that is no frame."""
    film = copy.root / "train" / "film.avi"
    write_video(film, "film", 25, "mjpeg")
    data = bytearray(film.read_bytes())
    with av.open(str(film)) as container:
        start, size = [(p.pos, p.size) for p in container.demux(video=0) if p.size][10]
    body = data.index(b"\xff\xd8", start)
    data[body : body + size - 8] = b"\0" * (size - 8)
    film.write_bytes(data)
    return copy


def test_a_frame_lost_within_an_unlabelled_clip_is_said_and_the_rest_used(damaged, caplog):
    damaged.make_manifest()
    damaged.path("frames").unlink()
    damaged.make_frames()
    assert "film.avi: 24 of 25 frames decoded (damaged data before frame 10)" in caplog.text
    with h5py.File(damaged.path("frames")) as file:
        group = file["film"]
        assert group.attrs["frames"] == 24 == len(group["time"])
        assert np.diff(group["time"]).round(3).tolist() == [0.05] * 9 + [0.1] + [0.05] * 13


def test_a_frame_lost_within_a_labelled_clip_is_refused(damaged, refused):
    (damaged.root / "train/film.avi").rename(damaged.root / "test/film.avi")
    with (damaged.root / "labels.csv").open("a") as labels:
        labels.write("film,3,5,fast\n")
    damaged.make_manifest()
    row = next(r for r in damaged.manifest.read_text().splitlines() if ",film," in r)
    assert row.startswith("test,") and "3-5" in row
    shard = int(row.split(",")[1])
    path = damaged.path("frames", "test", shard)
    path.unlink(missing_ok=True)
    line = refused(damaged.make_frames, "test", shard, absent=[path])
    for words in ("film.avi", "24 of 25 frames", "shift the labels", "exclude"):
        assert words in line


def test_times_are_those_of_the_stamps(copy):
    with h5py.File(copy.path("frames")) as file:
        assert file["film"]["time"][:] == pytest.approx(np.arange(25) / 20)
        assert file["a"]["time"][:] == pytest.approx(np.arange(26) / file["a"].attrs["fps"])
