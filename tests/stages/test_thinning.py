"""Fewer frames a second, chosen by their time stamps while a clip is decoded."""

from types import SimpleNamespace

import h5py
import numpy as np
import pytest

from ssmtl.core.errors import InputError
from ssmtl.formats.frames import Frames
from ssmtl.media import codec
from ssmtl.media.video import Thinned, probe_video
from ssmtl.media.writer import VideoWriter
from ssmtl.stages.frames import write_clip


def kept(times, fps: float | None) -> list[int]:
    thinned = Thinned(fps)
    return [number for number, time in enumerate(times) if thinned.keeps(time)]


def test_a_whole_fraction_of_the_rate_keeps_every_nth_frame():
    assert kept(np.arange(50) / 25, 5) == list(range(0, 50, 5))
    # Containers round time stamps to milliseconds, down as well as up.
    times = np.floor(1000 * np.arange(3000) / 29.97) / 1000
    assert (np.diff(kept(times, 29.97 / 3)) == 3).all()


def test_any_rate_is_kept_on_average_and_a_slower_source_keeps_all():
    times = np.arange(2500) / 25
    assert len(kept(times, 7)) == 700 and set(np.diff(kept(times, 7))) == {3, 4}
    for fps in (25, 30, None):
        assert kept(times, fps) == list(range(2500))
    uneven = np.cumsum([0.04] * 100 + [0.5] * 10 + [0.04] * 100)
    found = uneven[kept(uneven, 5)]
    assert np.diff(found).min() > 0.15 and np.diff(found).max() <= 0.5 + 1e-6


@pytest.fixture
def film(tmp_path):
    """Fifty frames at 25 a second, as video and as images, grey by their number."""
    pictures = [np.full((32, 48, 3), 4 * number, np.uint8) for number in range(50)]
    with VideoWriter(tmp_path / "film.mp4", 25) as video:
        for picture in pictures:
            video.write(picture)
    folder = tmp_path / "images"
    folder.mkdir()
    for number, picture in enumerate(pictures):
        (folder / f"{number:03d}.jpg").write_bytes(codec.encode_jpeg(picture, 95))
    return {"video": tmp_path / "film.mp4", "images": folder}


@pytest.mark.parametrize("kind", ["video", "images"])
@pytest.mark.parametrize("fps", [5, None])
def test_the_stage_stores_fewer_frames_with_their_own_times(film, tmp_path, kind, fps):
    _, rate, width, height = probe_video(film["video"])
    about = {"labels": "", "tracks": "", "masks": "", "clip": "a", "frames": 50, "fps": rate}
    row = SimpleNamespace(source=str(film[kind]), width=width, height=height, **about)
    with h5py.File(tmp_path / "frames.h5", "w") as file:
        group = file.create_group("a")
        write_clip(group, row, "jpeg", 95, fps)
        numbers = range(0, 50, 5) if fps else range(50)
        assert group.attrs["fps"] == (fps or 25) and group.attrs["frames"] == len(numbers)
        frames = Frames(group)
        assert np.allclose(frames.time, np.array(numbers) / 25, atol=1e-3)
        grey = [np.median(frames[i]) for i in range(len(frames))]
        assert np.allclose(grey, 4 * np.array(numbers), atol=4)
        with pytest.raises(InputError, match="clip a has labels, which count all of its frames"):
            row.labels = "3-5"
            write_clip(file.create_group("b"), row, "jpeg", 95, 5)
