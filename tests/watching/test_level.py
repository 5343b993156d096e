"""The threshold while a stream goes on: it settles on what is seen, and drift is said."""

import errno
import json
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import expit
from test_threshold import AFTER, FPS, normal

from ssmtl.core.errors import InputError
from ssmtl.core.settings import seconds
from ssmtl.watching import folder, watch
from ssmtl.watching.events import Recorder
from ssmtl.watching.level import RECENT, SEEN, Drift, Level, Settling
from ssmtl.watching.settings import Scoring, Watch
from ssmtl.watching.threshold import BLOCK, NormalClip, choose

HOUR = 3600 * FPS


def shown(level: Level, score: np.ndarray, name: str = "gate") -> list:
    """The promises that a level makes while it sees a stretch of scores."""
    level.begin(name)
    made = [level.add(number / FPS, value, AFTER) for number, value in enumerate(score)]
    return [promise for promise in made if promise]


def level(tmp_path, clips, settle: str, mark: str = "model") -> Level:
    return Level(choose(clips, 1.0, AFTER), clips, Settling(tmp_path, seconds(settle), mark))


@pytest.fixture
def clips():
    return normal(np.random.default_rng(0), 40, 60)


def test_the_threshold_settles_on_what_is_seen(tmp_path, clips, caplog):
    """A scene that is busier than what was learnt from would give false alarms all day."""
    caplog.set_level("INFO")
    seen = np.concatenate([clip.score for clip in normal(np.random.default_rng(1), 90, 60)])
    busier = expit(np.log(seen / (1 - seen)) + 3)
    found = level(tmp_path, clips, "1h")
    learnt = found.promise.threshold
    (promise,) = shown(found, busier)
    assert promise.threshold > learnt and promise.minutes == pytest.approx(60, abs=0.1)
    assert promise.asked == 1.0 and "settled after 1:00:00 h" in caplog.text
    expected = choose([NormalClip("gate", FPS, busier[: HOUR + 1].astype(np.float32))], 1.0, AFTER)
    assert promise.threshold == pytest.approx(expected.threshold, abs=0.01)
    again = level(tmp_path, clips, "1h")  # a watcher that is started again holds it at once
    assert again.settled(AFTER).threshold == pytest.approx(promise.threshold)
    assert again.settled(AFTER) is None and shown(again, busier[:100]) == []


def test_settling_goes_on_where_it_was(tmp_path, clips):
    score = clips[0].score[:300]
    first = level(tmp_path, clips, "90s")
    assert shown(first, score) == []
    first.close()
    assert (tmp_path / SEEN).is_file()
    other = level(tmp_path, clips, "90s", "another model")
    assert other.settling.so_far == 0 and shown(other, score) == []
    second = level(tmp_path, clips, "90s")
    assert second.settling.so_far == pytest.approx(60, abs=0.5)
    assert len(shown(second, score)) == 1
    (tmp_path / SEEN).write_bytes(b"PK\x03\x04 cut short")
    assert level(tmp_path, clips, "90s").settling.so_far == 0


def test_a_full_disk_does_not_end_settling(tmp_path, clips, caplog, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    found = level(tmp_path, clips, "10s")
    assert len(shown(found, clips[0].score[:100])) == 1
    assert "cannot be written" in caplog.text


def test_drift_is_said_once_in_each_direction(clips, caplog):
    drift = Drift(clips)

    def see(score: float, blocks: int) -> int:
        caplog.clear()
        drift.begin()
        for number in range(round(blocks * BLOCK * FPS) + blocks + 1):
            drift.add("gate", number / FPS, score)
        return caplog.text.count("gate: the scores of the last 10:00 min")

    usual = float(np.median(np.concatenate([clip.score for clip in clips])))
    assert see(usual, RECENT + 2) == 0 and drift.side == 0
    assert see(0.9, RECENT + 2) == 1 and drift.side == 1
    assert "are higher than those of the normal video" in caplog.text
    assert see(0.9, 5) == 0
    assert see(usual, RECENT) == 0 and drift.side == 0
    assert see(0.0, RECENT) == 1 and "are lower than" in caplog.text


def test_normal_video_does_not_drift():
    said = 0
    for seed in range(5):
        rng = np.random.default_rng(seed)
        drift = Drift(normal(rng, 12, 60))
        for clip in normal(rng, 60, 600):
            drift.begin()
            for number, score in enumerate(clip.score):
                drift.add("gate", number / FPS, score)
            said += drift.side != 0
    assert said == 0


def test_the_recorder_takes_the_settled_threshold(tmp_path, clips):
    recorder = Recorder(None, 0.4, Watch(), 1)
    recorder.hold(None)
    assert recorder.threshold == 0.4
    recorder.hold(choose(clips, 1.0, AFTER))
    assert recorder.threshold == choose(clips, 1.0, AFTER).threshold


@pytest.fixture
def model(tmp_path, clips):
    """The files of a watcher that tell its threshold."""
    folder.write_normal(tmp_path, clips, {"settings": Scoring().model_dump()})
    return tmp_path


def test_a_threshold_is_set_anew_without_learning(model, clips, caplog, monkeypatch):
    caplog.set_level("INFO")
    monkeypatch.setattr(watch.watcher, "scorer_of", lambda *_: SimpleNamespace())

    def opened(**given) -> float:
        return watch.opened(model, Watch.parse(given)).threshold

    before = {path.name: path.read_bytes() for path in model.iterdir()}
    folder.threshold(model, false_alarms_per_hour=None)
    assert {path.name: path.read_bytes() for path in model.iterdir()} == before
    one = opened()
    assert one == pytest.approx(choose(clips, 1.0, 3.0).threshold, abs=1e-4)
    folder.threshold(model, false_alarms_per_hour=0.2)
    assert "0.2 an hour asked; expect" in caplog.text
    assert opened() > one and opened(false_alarms_per_hour=1.0) == one
    folder.threshold(model, false_alarms_per_hour=1)
    assert opened() == one
    for wrong in (0, -1, float("nan"), float("inf")):
        with pytest.raises(InputError, match=r"threshold\.false_alarms_per_hour"):
            folder.threshold(model, false_alarms_per_hour=wrong)
    card = json.loads((model / "watcher.json").read_text())
    for wrong in (0, True, "1", None):
        (model / "watcher.json").write_text(json.dumps(card | {"false_alarms_per_hour": wrong}))
        with pytest.raises(InputError, match="set it with `ssmtl threshold`"):
            folder.read_watcher(model)


def test_settling_needs_a_threshold_that_may_change(model, monkeypatch):
    monkeypatch.setattr(
        watch.watcher, "scorer_of", lambda _, stages: SimpleNamespace(settings=stages)
    )
    settings = Watch.parse({"settle": "1.5h", "threshold": 0.5})
    with pytest.raises(InputError, match="give no --threshold"):
        watch.opened(model, settings)
    ready = watch.opened(model, settings.model_copy(update={"threshold": None}))
    assert ready.level(None).settling.seconds == 5400
    with pytest.raises(InputError, match=r"watch\.settle: '24 hours' does not match"):
        Watch.parse({"settle": "24 hours"}, "watch")
