"""Events and what is written of them, whatever fails: disks, encoders, kills, odd rates."""

import csv
import errno
import io
import json
from types import SimpleNamespace

import av
import numpy as np
import pytest

from ssmtl.core.errors import InputError
from ssmtl.core.spreadsheet import plain_cell
from ssmtl.media import codec
from ssmtl.watching import events, journal, sources, watch
from ssmtl.watching.alerts import BEGIN, END, Alert
from ssmtl.watching.events import Meaning, Recorder
from ssmtl.watching.journal import CLIPS, GOING_ON, LINES, SNAPSHOTS, TABLE
from ssmtl.watching.likeness import Objects
from ssmtl.watching.settings import Watch
from ssmtl.watching.sources import Frame
from ssmtl.watching.stream import ScoredFrame

SETTINGS = Watch(before=1.0, after=1.0)


def frame(number: int, size=(32, 48), score=0.9) -> ScoredFrame:
    picture = np.full((*size, 3), number % 200, np.uint8)
    scores, first = np.array([score], np.float32), np.array([0])
    box = np.array([[2, 2, 20, 20]], np.float32)
    return ScoredFrame(number, picture, True, box, {"middle_box": scores}, scores, first, first)


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
    real = journal.append

    def fail(path, text, header=""):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(journal, "append", fail)
    play(recorder, np.arange(100) / 25, range(30, 40))
    assert lines(tmp_path) == [] and "1 events wait to be written" in caplog.text
    monkeypatch.setattr(journal, "append", real)
    play(recorder, np.arange(100) / 25, range(30, 40))
    recorder.close()
    assert [event["event"] for event in lines(tmp_path)] == [1, 2]


def test_a_row_that_finds_no_room_waits_for_it(recorder, tmp_path, monkeypatch):
    real = journal.append

    def fail(path, text, header=""):
        if path.name == TABLE:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(path, text, header)

    monkeypatch.setattr(journal, "append", fail)
    play(recorder, np.arange(100) / 25, range(30, 40))
    assert len(lines(tmp_path)) == 1
    monkeypatch.setattr(journal, "append", real)
    recorder.close()
    assert len(lines(tmp_path)) == 1
    assert [row["event"] for row in csv.DictReader((tmp_path / TABLE).open())] == ["1"]


def test_a_line_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "a.csv"
    journal.append(path, "one\n", header="head\n")
    assert path.read_text() == "head\none\n"

    class Full(io.FileIO):
        written = 0

        def write(self, data):
            if self.written:
                raise OSError(errno.ENOSPC, "No space left on device")
            Full.written = super().write(data[:2])
            return 2

    monkeypatch.setattr(
        journal, "open", lambda file, mode, **_: Full(file, mode.replace("b", "")), raising=False
    )
    with pytest.raises(OSError, match="No space"):
        journal.append(path, "two\n")
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


MEANING = Meaning(("bicycle", "person"), {"middle_box": np.linspace(0, 0.5, 1001)})


def test_an_event_is_told_when_it_begins_and_when_it_ends(tmp_path):
    told: list[tuple[int, Alert]] = []
    recorder = Recorder(
        tmp_path, 0.5, SETTINGS, 5, MEANING, lambda alert: told.append((now, alert)), "the gate"
    )
    recorder.begin("rtsp://10.0.0.7", 25)
    for now in range(100):
        strange = now == 33
        high = 0.8 if 30 <= now < 40 else 0.1
        seen = frame(now, (120, 480), 0.95 if strange else 0.6)
        recorder.add(seen, now, high, now / 25, 1_700_000_000 + now / 25)
    recorder.finish()
    (begun, first), (ended, last) = told
    assert (begun, first.kind) == (30, BEGIN) and (ended, last.kind) == (64, END)
    assert first.sentence.startswith("a bicycle, changing unexpectedly, ")
    assert first.sentence.endswith(":21, the gate")  # 1.2 s after a whole minute's 20th second
    assert last.sentence == f"over after 0 s: {first.sentence}"
    (line,) = lines(tmp_path)
    assert last.event == line and (line["class"], line["ended_by"]) == ("bicycle", "calm")
    assert line["object_frame"] == 33 and line["words"] == "changing unexpectedly"
    # Of normal objects half scored above 0.25, none above 0.5.
    assert first.event["shares"] == {"middle_box": pytest.approx(0.999, abs=2e-3)}
    assert first.clip == last.clip == tmp_path / line["clip"] and last.clip.is_file()
    # The snapshot is the culprit's frame, its label and the clock in it.
    assert (tmp_path / line["snapshot"]).read_bytes() == last.snapshot
    shown = codec.decode_image(last.snapshot, "snapshot")
    assert abs(int(shown[80, 300, 0]) - 33) <= 2
    assert (shown[102:118, :60] > 200).any(), "no clock"
    assert codec.decode_image(first.snapshot, "first")[80, 300, 0] < 32
    (row,) = csv.DictReader((tmp_path / TABLE).open())
    assert (row["class"], row["words"]) == ("bicycle", "changing unexpectedly")
    assert float(row["middle_box_share"]) == line["shares"]["middle_box"] > 0.99


def test_no_spreadsheet_runs_a_text_of_the_table(tmp_path):
    meaning = Meaning(("@bicycle",), MEANING.quantiles)
    source = "=cmd|' /C calc'!A1"
    play(Recorder(tmp_path, 0.5, SETTINGS, 1, meaning), np.arange(100) / 25, range(30, 40), source)
    (row,) = csv.DictReader((tmp_path / TABLE).open())
    assert (row["source"], row["class"]) == (f"'{source}", "'@bicycle")
    assert plain_cell(row["source"]) == source
    (line,) = lines(tmp_path)
    assert (line["source"], line["class"]) == (source, "@bicycle")


def test_only_what_is_strange_is_labelled(tmp_path):
    recorder = Recorder(tmp_path, 0.7, SETTINGS, 1, MEANING)
    plain = recorder.drawn(frame(0, (120, 480), 0.6), 1.0, None)
    strange = recorder.drawn(frame(0, (120, 480), 0.9), 1.0, None)
    differing = np.argwhere((plain != strange).any(2))
    assert differing[:, 1].max() > 100, "a label is wider than the box of 18 pixels"
    assert (plain[2, 2:20] != 0).any(), "the box itself is drawn"


def test_the_culprits_cube_is_found_among_those_kept():
    """Of five objects the three above 0.5 are kept, in their order."""
    scores = np.array([0.6, 0.1, 0.9, 0.2, 0.7], np.float32)
    box, first = np.zeros((5, 4), np.float32), np.zeros(5, int)
    cubes = np.arange(5, dtype=np.uint8).reshape(5, 1, 1, 1, 1)
    kept = Objects(cubes[scores > 0.5], {})
    one = ScoredFrame(0, cubes[0, 0], True, box, {"a": scores}, scores, first, first, kept)
    assert events.cube_of(one, 2) == 2 and events.cube_of(one, 1) is None
    assert events.peak_of(one, 0, b"").cube == 2
    nothing = ScoredFrame(0, cubes[0, 0], True, box, {"a": scores}, scores, first, first)
    assert events.cube_of(nothing, 2) is None


def test_a_killed_watcher_leaves_an_interrupted_event(tmp_path):
    told = []
    play(Recorder(tmp_path, 0.5, SETTINGS, 1, MEANING), np.arange(100) / 25, range(30, 40))
    killed = Recorder(tmp_path, 0.5, SETTINGS, 1, MEANING)
    killed.begin("gate", 25)
    for number in range(40):
        killed.add(frame(number), number, 0.8 if number > 30 else 0.1, number / 25, None)
    assert (tmp_path / GOING_ON).exists() and list((tmp_path / CLIPS).glob(".event_*.tmp"))
    again = Recorder(tmp_path, 0.5, SETTINGS, 1, MEANING, told.append)
    play(again, np.arange(100) / 25, range(30, 40))
    found = lines(tmp_path)
    assert [event["event"] for event in found] == [1, 2, 3]
    assert [event["ended_by"] for event in found] == ["calm", "interrupted", "calm"]
    assert found[1]["start_frame"] == 31 and found[1]["clip"] is None
    assert (tmp_path / SNAPSHOTS / "event_0002.jpg").is_file()
    assert [(alert.kind, alert.event["event"]) for alert in told[:2]] == [(END, 2), (BEGIN, 3)]
    assert not (tmp_path / GOING_ON).exists() and not list((tmp_path / CLIPS).glob(".*"))
    # What was killed between the line and the note's removal is not written twice.
    (tmp_path / GOING_ON).write_text(json.dumps(found[2]))
    Recorder(tmp_path, 0.5, SETTINGS, 1, MEANING).close()
    assert len(lines(tmp_path)) == 3
    (tmp_path / GOING_ON).write_text("{ damaged")
    assert Recorder(tmp_path, 0.5, SETTINGS, 1, MEANING).count == 3


def test_a_table_of_another_version_is_made_anew_from_the_lines(recorder, tmp_path):
    old = {"event": 1, "source": "gate", "score": 0.7, "task": "middle_box", "tasks": {}}
    old |= {"box": [1, 2, 3, 4], "clip": "clips/event_0001.mp4"}
    (tmp_path / LINES).write_text(json.dumps(old) + "\n")
    (tmp_path / TABLE).write_text("event,source,score\r\n1,gate,0.7\r\n")
    play(Recorder(tmp_path, 0.5, SETTINGS, 1, MEANING), np.arange(100) / 25, range(30, 40))
    first, second = csv.DictReader((tmp_path / TABLE).open())
    assert (first["event"], first["x1"], first["class"]) == ("1", "1", "")
    assert (second["event"], second["class"]) == ("2", "bicycle")
    assert None not in second, "a row longer than the header"


def test_a_second_watcher_is_refused(tmp_path):
    with watch.alone_in(tmp_path), pytest.raises(InputError, match="another watcher writes here"):
        watch.alone_in(tmp_path).__enter__()
    with watch.alone_in(tmp_path):
        pass


def test_a_source_that_claims_90000_frames_a_second_cannot_fill_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(events, "KEPT", 50_000)
    recorder = Recorder(tmp_path, 0.5, SETTINGS.model_copy(update={"before": 1e6}), 1)
    play(recorder, np.arange(3000) / 90000, range(2990, 2995), fps=90000)
    assert recorder.kept <= 50_000 and len(recorder.recent) < 200
    (event,) = lines(tmp_path)
    assert shown(tmp_path / event["clip"])


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


def test_a_stretch_too_short_to_be_scored_is_said(monkeypatch, caplog):
    """Such as the one picture of another size that a camera gives while it changes its mode."""
    monkeypatch.setattr(watch, "scored_frames", lambda frames, scorer: list(frames)[:0])
    frames = iter([Frame(np.zeros((4, 4, 3), np.uint8), 0.0)])
    scoring = SimpleNamespace(frames=SimpleNamespace(fps=None))
    segment = sources.Segment("gate", 25.0, frames, first=75, total=None)
    assert list(watch.watched(segment, SimpleNamespace(radius=3, settings=scoring))) == []
    assert "gate: 1 frames are fewer than the 7 of one cube, and not scored" in caplog.text
