"""Cameras and other live sources as they are: frozen, slow, without time stamps, with passwords."""

import os
import threading
import time

import numpy as np
import pytest
from streams import ADDRESSES, SECRET, served, with_sound, write_lossless

from ssmtl.core.errors import InputError
from ssmtl.media import codec
from ssmtl.watching import sources
from ssmtl.watching.settings import Watch

SETTINGS = Watch(timeout=1.0, give_up=3.0)


@pytest.fixture(scope="module")
def pictures():
    ground = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
    return [np.roll(ground, shift, 1) for shift in range(40)]


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(sources, "FIRST_PAUSE", 0.05)


def watched(source, **settings) -> list[tuple[sources.Segment, list[sources.Frame]]]:
    found = sources.segments(str(source), SETTINGS.model_copy(update=settings), threading.Event())
    return [(segment, list(segment.frames)) for segment in found]


def test_a_frozen_picture_is_noticed_while_sound_goes_on(pictures, tmp_path, caplog):
    data, last = with_sound(tmp_path / "a.ts", pictures[:20], 20)
    after = data[last:]
    size = max(188, len(after) // 100 // 188 * 188)
    pieces = [after[start : start + size] for start in range(0, len(after), size)]
    again = write_lossless(tmp_path / "b.ts", pictures[20:]).read_bytes()
    start = time.monotonic()
    answers = [{"body": data[:last], "pieces": pieces, "every": 0.1}, {"body": again}]
    with served(answers) as url:
        (first, one), (second, two) = watched(url)[:2]
    assert len(one) >= 15 and len(two) == 20 and second.first == first.first + len(one)
    assert "no picture for 1 s; connecting again" in caplog.text
    assert time.monotonic() - start < 12, "the sound was listened to for its 10 seconds"


def test_a_camera_without_time_stamps_has_the_times_of_arrival(pictures):
    """Motion JPEG, for which FFmpeg assumes 25 pictures a second."""
    parts = []
    for picture in pictures[:12]:
        jpeg = codec.encode_jpeg(picture, 90)
        head = f"--x\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n".encode()
        parts.append(head + jpeg + b"\r\n")
    answer = {
        "body": parts[0],
        "pieces": parts[1:],
        "every": 0.2,
        "type": "multipart/x-mixed-replace;boundary=x",
    }
    with served([answer]) as url:
        ((segment, frames), *_) = watched(url, timeout=3.0)
    assert len(frames) >= 11
    assert {segment.timed(frame).time for frame in frames} == {0}, "motion has none of the jitter"
    steps = np.diff([frame.time for frame in frames])[-8:]
    assert np.median(steps) == pytest.approx(0.2, abs=0.05)


def test_a_recording_behind_a_url_has_its_own_times_and_no_clock(pictures, tmp_path):
    body = write_lossless(tmp_path / "a.ts", pictures).read_bytes()
    with served([{"body": body, "length": True}]) as url:
        ((segment, frames),) = watched(url)
    assert [segment.timed(frame).time for frame in frames] == [frame.time for frame in frames]
    assert [frame.time for frame in frames] == pytest.approx(np.arange(40) / 25, abs=1e-3)
    assert {frame.clock for frame in frames} == {None}


def test_a_playlist_without_an_end_is_live_and_repeats_nothing(pictures, tmp_path, caplog):
    for number in range(2):
        write_lossless(tmp_path / f"{number}.ts", pictures[20 * number : 20 * number + 20])
    head = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n"
    names = "".join(f"#EXTINF:0.8,\n{number}.ts\n#EXT-X-DISCONTINUITY\n" for number in range(2))
    (tmp_path / "live.m3u8").write_text(head + names)
    found = watched(tmp_path / "live.m3u8")
    assert sum(len(frames) for _, frames in found) == 40
    assert all(frame.clock for _, frames in found for frame in frames)
    assert "giving up" in caplog.text
    (tmp_path / "done.m3u8").write_text(head + names + "#EXT-X-ENDLIST\n")
    caplog.clear()
    found = watched(tmp_path / "done.m3u8")
    assert sum(len(frames) for _, frames in found) == 40 and "giving up" not in caplog.text
    assert not any(frame.clock for _, frames in found for frame in frames)


def test_clips_that_cannot_be_read_are_passed_over(pictures, tmp_path, caplog):
    for name in "ac":
        write_lossless(tmp_path / f"{name}.mkv", pictures)
    (tmp_path / "b.mkv").touch()
    (tmp_path / "d.xyz").touch()
    found = watched(tmp_path)
    assert [segment.name for segment, _ in found] == ["a", "c"]
    assert "b.mkv: not a readable video" in caplog.text and "passed over" in caplog.text
    assert "left out, no video by their names: d.xyz" in caplog.text
    for name in "ac":
        (tmp_path / f"{name}.mkv").write_bytes(b"")
    with pytest.raises(InputError, match="none of its 3 clips"):
        watched(tmp_path)


def test_a_name_that_no_table_could_hold_is_refused(pictures, tmp_path):
    path = os.fsdecode(os.fsencode(tmp_path) + b"/\xff.mkv")
    os.rename(write_lossless(tmp_path / "a.mkv", pictures), path)
    for source in (path, tmp_path):
        with pytest.raises(InputError, match="unprintable characters in the clip's name"):
            watched(source)


def test_pictures_of_another_size_begin_a_segment(pictures, tmp_path, caplog):
    small = [np.ascontiguousarray(picture[:24, :32]) for picture in pictures]
    path = tmp_path / "change.ts"
    path.write_bytes(
        write_lossless(tmp_path / "a.ts", pictures).read_bytes()
        + write_lossless(tmp_path / "b.ts", small).read_bytes()
    )
    found = watched(path)
    shapes = [{frame.picture.shape for frame in frames} for _, frames in found]
    assert all(len(shape) == 1 for shape in shapes), "a segment has one size"
    assert sum(len(frames) for _, frames in found) == 80
    assert "another size now, 32x24" in caplog.text


def test_an_image_that_cannot_be_read_is_a_gap(pictures, tmp_path, caplog):
    for number, picture in enumerate(pictures[:9]):
        (tmp_path / f"{number}.png").write_bytes(codec.encode_png(picture))
    (tmp_path / "4.png").write_bytes(b"no image")
    (_, before), (segment, after) = watched(tmp_path)
    assert (len(before), len(after), segment.first) == (4, 4, 4)
    assert after[0].time == pytest.approx(0.2) and "4.png: unreadable image" in caplog.text


@pytest.mark.parametrize("form", ADDRESSES)
def test_no_password_is_in_the_log(form, pictures, tmp_path, monkeypatch, caplog, capfd):
    caplog.set_level("DEBUG")
    body = write_lossless(tmp_path / "a.ts", pictures[:12]).read_bytes()
    with served([{"body": body}]) as url:
        host = url.removeprefix("http://").partition("/")[0]
        monkeypatch.setenv("CAMERA", form.format(s=SECRET, h=host))
        found = watched("env:CAMERA", give_up=0.1)
    assert sum(len(frames) for _, frames in found) == 12, "it is reached all the same"
    with pytest.raises(InputError) as refused:  # nobody listens any more
        watched("env:CAMERA")
    trace = repr(refused.value) + repr(refused.value.__cause__)
    said = [caplog.text, trace, *capfd.readouterr(), *(segment.name for segment, _ in found)]
    assert "giving up" in said[0] and not any(SECRET in text for text in said)


def test_connecting_again_leaves_nothing_behind(pictures, tmp_path):
    """The whole of it, 10,000 times and with frozen pictures, is benchmarks/watch_reconnects.py."""
    import runpy
    from pathlib import Path

    benchmark = Path(__file__).parents[2] / "benchmarks/watch_reconnects.py"
    reconnect = runpy.run_path(str(benchmark))["reconnect"]
    first, *_, last = reconnect(60, every=20)
    for held in ("threads", "descriptors"):  # forty more connections; a few are still closing
        assert last[held] <= first[held] + 10
    assert last["megabytes"] < 1.1 * first["megabytes"] + 5


def test_a_source_that_stays_away_is_said_once(pictures, tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(sources, "LONGEST_PAUSE", 0.05)
    body = write_lossless(tmp_path / "a.ts", pictures[:20]).read_bytes()
    answers = [{"body": body}, *([{"body": b""}] * 100), {"body": body}]
    with served(answers) as url:
        found = watched(url, give_up=1.5)
    assert sum(len(frames) for _, frames in found) >= 20
    lines = [record.getMessage() for record in caplog.records]
    tries = [line for line in lines if "connecting again" in line]
    assert 1 <= len(tries) <= 3, "the same reason was said again and again"
    assert "giving up after" in lines[-1]
