"""The file of cameras, what is kept, and how a camera is."""

import os
import time

import pytest

from ssmtl.core.errors import InputError
from ssmtl.watching import cameras, health, retention
from ssmtl.watching.health import CONNECTING, WATCHING, Health
from ssmtl.watching.journal import CLIPS, LINES, SNAPSHOTS, TABLE

FILE = """
model: yard
watch: {after: 5.0, before: 1.0}
tell: {mqtt: "env:BROKER", notify: ["env:MAIL"]}
keep: {days: 30, gigabytes: 50}
cameras:
  gate: {source: "env:GATE"}
  roof: {source: clip.mp4, model: roof, watch: {before: 2.0, threshold: 0.4}}
"""


@pytest.fixture
def file(tmp_path):
    def write(text: str):
        (tmp_path / "cameras.yaml").write_text(text)
        return tmp_path / "cameras.yaml"

    return write


def test_a_camera_has_the_file_s_settings_and_its_own(file, monkeypatch):
    monkeypatch.setenv("GATE", "rtsp://admin:S3cret@10.0.0.7/stream")
    plan = cameras.read(file(FILE))
    gate, roof = (cameras.settings_of(plan, plan.cameras[name]) for name in ("gate", "roof"))
    assert (gate.before, gate.after, gate.threshold) == (1.0, 5.0, None)
    assert (roof.before, roof.after, roof.threshold) == (2.0, 5.0, 0.4)
    assert gate.give_up is None, "a camera is never given up"
    assert [cameras.model_of(plan, name).name for name in plan.cameras] == ["yard", "roof"]
    place = cameras.place_of("gate", plan.cameras["gate"])
    assert place.name == "rtsp://10.0.0.7" and "S3cret" not in repr(place)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- 1", "no section `cameras`"),
        ("cameras: {a: {", "no readable YAML"),
        ("model: yard", "cameras: is missing"),
        ("cameras: {}", "needs 1 or more"),
        ("cameras: {gate: {source: a.mp4, models: b}}", "did you mean 'model'"),
        ("cameras: {gate: {source: a.mp4, watch: {before: -1}}}", "cameras.gate.watch.before"),
        ("keep: {days: 0}\ncameras: {gate: {source: a.mp4}}", "keep.days: 0"),
        ("cameras: {'a/b': {source: a.mp4}}", "a/b"),
    ],
)
def test_a_mistake_in_the_file_is_one_line(file, text, words):
    with pytest.raises(InputError) as error:
        cameras.read(file(text))
    assert words in str(error.value) and "\n" not in str(error.value)


def test_a_mistake_tells_no_password(file):
    text = "tell: {mqtt: ['mqtt://me:S3cret@broker']}\ncameras: {gate: {source: a.mp4}}"
    with pytest.raises(InputError, match=r"tell\.mqtt: an address is not text") as error:
        cameras.read(file(text))
    assert "S3cret" not in str(error.value)


def test_what_is_missing_is_named(file, tmp_path):
    plan = cameras.read(file("cameras: {gate: {source: 'env:NO_SUCH_CAMERA'}}"))
    with pytest.raises(InputError, match=r"cameras\.gate: env:NO_SUCH_CAMERA"):
        cameras.place_of("gate", plan.cameras["gate"])
    with pytest.raises(InputError, match=r"cameras\.gate: no model"):
        cameras.model_of(plan, "gate")
    with pytest.raises(InputError, match="No such file"):
        cameras.read(tmp_path / "none.yaml")


def put(folder, number: int, size: int, age: float) -> None:
    for path in (
        folder / CLIPS / f"event_{number:04d}.mp4",
        folder / SNAPSHOTS / f"event_{number:04d}.jpg",
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(size))
        when = time.time() - age * retention.DAY
        os.utime(path, (when, when))


def numbers(folder) -> list[int]:
    return sorted(int(path.stem[-4:]) for path in (folder / CLIPS).glob("event_*.mp4"))


def test_old_clips_go_first_and_lines_never(tmp_path):
    gate, roof = tmp_path / "gate", tmp_path / "roof"
    for number, age in enumerate((9, 5, 3, 1), 1):
        put(gate if number % 2 else roof, number, 1000, age)
    (gate / LINES).write_text("{}\n")
    (gate / TABLE).write_text("event\n")
    (gate / CLIPS / ".event_0005.mp4.1.tmp").write_bytes(bytes(9000))  # in the making
    folders = [gate, roof, tmp_path / "none"]
    assert retention.thin(folders, None, None) == 0
    assert retention.thin(folders, 7, None) == 2  # a clip and its snapshot
    assert (numbers(gate), numbers(roof)) == ([3], [2, 4])
    assert retention.thin(folders, None, 4e3 / 1e9) == 2
    assert (numbers(gate), numbers(roof)) == ([3], [4])
    assert retention.thin(folders, None, 1e-9) == 4
    assert (gate / LINES).exists() and (gate / TABLE).exists()
    assert (gate / CLIPS / ".event_0005.mp4.1.tmp").exists()


def test_the_heartbeat_is_of_the_last_minute(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(health.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(health.time, "time", lambda: now[0] + 5e8)
    found = Health(0.6, 0.1)
    assert found.report()["state"] == CONNECTING and found.report()["score"] is None
    for number in range(2000):  # 25 frames a second, a fifth of a second late; the last is strange
        now[0] += 0.04
        found.frame(0.9 if number == 1999 else 0.3, now[0] + 5e8 - 0.2)
    found.drop(7)
    said = found.report()
    assert said["state"] == WATCHING and said["frames"] == 2000 and said["dropped"] == 7
    assert said["frames_per_second"] == pytest.approx(25) and said["latency"] == 0.2
    found.seen(3, 0.5, 1)
    said = found.report()
    assert (said["score"], said["highest_score"], said["normal_score"]) == (0.3, 0.9, 0.1)
    assert (said["events"], said["threshold"], said["drift"]) == (3, 0.5, "higher")
    assert len(found.recent) <= 60 * 25 + 1
    now[0] += 100
    assert found.report()["frames_per_second"] is None and found.report()["frames"] == 2000
