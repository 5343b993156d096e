"""Events and what is written of them, whatever fails: disks, encoders, kills, odd rates."""

import csv
import errno
import json

import av
import numpy as np
import pytest

from ssmtl.core.errors import InputError
from ssmtl.watching import events, watch
from ssmtl.watching.events import CLIPS, LINES, TABLE, Recorder
from ssmtl.watching.stream import ScoredFrame

SETTINGS = {"before": 1.0, "after": 1.0, "clip_limit": 60.0}


def frame(number: int, size=(32, 48)) -> ScoredFrame:
    picture = np.full((*size, 3), number % 200, np.uint8)
    score = np.array([0.9], np.float32)
    box = np.array([[2, 2, 20, 20]], np.float32)
    return ScoredFrame(number, picture, True, box, {"middle_box": score}, score, np.array([0]))


def play(recorder, times, high, source="gate", fps=25.0) -> None:
    """Frames at these times, with a score above the threshold at those in `high`."""
    recorder.begin(source, fps)
    for number, time in enumerate(times):
        recorder.add(frame(number), number, 0.8 if number in high else 0.1, time, None)
    recorder.finish()


def lines(folder) -> list[dict]:
    return [json.loads(line) for line in (folder / LINES).read_text().splitlines()]


def shown(path) -> list[float]:
    with av.open(str(path)) as video:
        return [float(item.pts * item.time_base) for item in video.decode(video=0)]


@pytest.fixture
def recorder(tmp_path):
    return Recorder(tmp_path, 0.5, SETTINGS, 1)


def test_seconds_of_an_event_and_its_clip_come_from_the_time_stamps(recorder, tmp_path):
    """25 frames a second, then 5, as a camera does at night."""
    times = [n / 25 if n < 50 else 2 + (n - 50) / 5 for n in range(90)]
    play(recorder, times, range(60, 66))
    (event,) = lines(tmp_path)
    assert (event["start"], event["end"]) == (times[60], times[65])
    found = shown(tmp_path / event["clip"])
    # A second before and one after it, five frames each, at their own distances.
    assert found == pytest.approx(np.arange(16) / 5, abs=1e-3)


def test_an_event_ends_after_seconds_not_frames(recorder, tmp_path):
    times = [n / 5 for n in range(40)]
    play(recorder, times, {10, 14, 25})  # 0.8 s and 2.2 s apart
    assert [(e["start"], e["end"]) for e in lines(tmp_path)] == [(2.0, 2.8), (5.0, 5.0)]


@pytest.mark.parametrize("failing", ["__enter__", "write", "__exit__"])
def test_a_clip_that_cannot_be_written_costs_no_event(recorder, tmp_path, monkeypatch, failing):
    def fail(self, *_):
        raise OSError(errno.ENOSPC, "No space left on device")

    usual = getattr(events.VideoWriter, failing)
    monkeypatch.setattr(events.VideoWriter, failing, fail)
    play(recorder, np.arange(100) / 25, range(30, 40))
    monkeypatch.setattr(events.VideoWriter, failing, usual)
    play(recorder, np.arange(100) / 25, range(30, 40))
    first, second = lines(tmp_path)
    assert first["clip"] is None and first["score"] == 0.8
    assert (tmp_path / second["clip"]).is_file()
    rows = list(csv.DictReader((tmp_path / TABLE).open()))
    assert [row["clip"] for row in rows] == ["", second["clip"]]


def test_an_encoder_that_fails_costs_no_event(recorder, tmp_path, caplog):
    recorder.begin("gate", 25)
    for number in range(60):
        size = (1, 1) if number > 25 else (32, 48)  # another size within a clip
        score = 0.8 if 20 < number < 30 else 0.1
        recorder.add(frame(number, size), number, score, number / 25, None)
    recorder.finish()
    (event,) = lines(tmp_path)
    assert event["clip"] is None and "no clip of this event" in caplog.text
    assert not list((tmp_path / CLIPS).glob("*"))


def test_lines_that_find_no_room_wait_for_it(recorder, tmp_path, monkeypatch, caplog):
    real = events.append

    def fail(path, text, header=""):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(events, "append", fail)
    play(recorder, np.arange(100) / 25, range(30, 40))
    assert lines(tmp_path) == [] and "1 events wait to be written" in caplog.text
    monkeypatch.setattr(events, "append", real)
    play(recorder, np.arange(100) / 25, range(30, 40))
    recorder.close()
    assert [event["event"] for event in lines(tmp_path)] == [1, 2]


def test_a_line_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "a.csv"
    events.append(path, "one\n", header="head\n")
    assert path.read_text() == "head\none\n"

    class Full(events.io.FileIO):
        written = 0

        def write(self, data):
            if self.written:
                raise OSError(errno.ENOSPC, "No space left on device")
            Full.written = super().write(data[:2])
            return 2

    monkeypatch.setattr(
        events, "open", lambda file, mode, **_: Full(file, mode.replace("b", "")), raising=False
    )
    with pytest.raises(OSError, match="No space"):
        events.append(path, "two\n")
    monkeypatch.undo()
    assert path.read_text() == "head\none\n"


def test_a_folder_with_events_is_continued(recorder, tmp_path):
    play(recorder, np.arange(100) / 25, {*range(30, 40), *range(80, 90)})
    with (tmp_path / LINES).open("a") as file:
        file.write('{"event": 3, "sou')  # killed while it wrote
    (tmp_path / CLIPS / "event_0004.mp4").touch()
    again = Recorder(tmp_path, 0.5, SETTINGS, 1)
    play(again, np.arange(100) / 25, range(30, 40))
    text = (tmp_path / LINES).read_text().splitlines()
    assert [json.loads(text[i])["event"] for i in (0, 1, 3)] == [1, 2, 5]
    assert [row["event"] for row in csv.DictReader((tmp_path / TABLE).open())] == ["1", "2", "5"]
    assert again.found == 1


def test_a_second_watcher_is_refused(tmp_path):
    with watch.alone_in(tmp_path), pytest.raises(InputError, match="another watcher writes here"):
        watch.alone_in(tmp_path).__enter__()
    with watch.alone_in(tmp_path):
        pass


def test_a_source_that_claims_90000_frames_a_second_cannot_fill_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(events, "KEPT", 50_000)
    recorder = Recorder(tmp_path, 0.5, SETTINGS | {"before": 1e6}, 1)
    play(recorder, np.arange(3000) / 90000, range(2990, 2995), fps=90000)
    assert recorder.kept <= 50_000 and len(recorder.recent) < 200
    (event,) = lines(tmp_path)
    assert shown(tmp_path / event["clip"])


def test_no_spreadsheet_runs_a_name(recorder, tmp_path):
    play(recorder, np.arange(100) / 25, range(30, 40), source="=cmd|' /C calc'!A1")
    (row,) = csv.DictReader((tmp_path / TABLE).open())
    assert row["source"] == "'=cmd|' /C calc'!A1"
    assert lines(tmp_path)[0]["source"] == "=cmd|' /C calc'!A1"


def test_another_rate_than_learnt_is_said_once(caplog):
    pace = watch.Pace([25.0, 25.0])
    for _ in range(2):
        pace.begin("gate")
        for number in range(40):
            pace.add(number / 5)
    assert caplog.text.count("gate: 5 frames/s, but the model has learnt from 25") == 1
    pace.begin("yard")
    for number in range(200):
        pace.add(number / 25)
    assert "yard" not in caplog.text
