"""Feedback: an event's objects become normal, its like is no alarm then, and undone it is again."""

import json
import shutil
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from streams import at_rate

from ssmtl import cli
from ssmtl.core import store
from ssmtl.core.errors import InputError
from ssmtl.formats import hdf5
from ssmtl.formats.calibration import CALIBRATION
from ssmtl.formats.features import DIRECTIONS, MOTION
from ssmtl.learning import model as models
from ssmtl.scoring.fusion import quantiles_of
from ssmtl.watching import accepted, folder, likeness, memory
from ssmtl.watching.likeness import CLASS, Gathered, Likeness, Objects
from ssmtl.watching.settings import Scoring
from ssmtl.watching.stream import score_stream
from ssmtl.watching.threshold import NormalClip

sys.path.append(str(Path(__file__).parents[1] / "workflow"))
from toy import HEIGHT, SIDE, WIDTH, write_detector

TASKS, FRAMES = ["velocity", "arrow_of_time"], 40
SLOW, FAST = (1, 0), (4, 0)  # pixels a frame
RED, BLUE = 0, 2


def film(seed: int, *squares: tuple[int, int, tuple[int, int]]) -> list[np.ndarray]:
    """Pictures of textured squares: their colour, first row, and way; they turn at the edges."""
    rng = np.random.default_rng(seed)
    ground = rng.integers(90, 110, (HEIGHT, WIDTH, 3), np.uint8)
    textures = rng.integers(150, 255, (len(squares), SIDE, SIDE), np.uint8)
    pictures = []
    for number in range(FRAMES):
        picture = ground.copy()
        for (colour, row, way), texture in zip(squares, textures, strict=True):
            left = int(turned(5 + way[0] * number, WIDTH - SIDE))
            top = int(turned(row + way[1] * number, HEIGHT - SIDE))
            patch = picture[top : top + SIDE, left : left + SIDE]
            patch[:] = 20
            patch[..., colour] = texture
        pictures.append(picture)
    return pictures


def turned(place: float, end: int) -> float:
    return end - abs(place % (2 * end) - end)


def write_film(path: Path, *squares, seed: int = 0) -> Path:
    path.mkdir(parents=True)
    for number, picture in enumerate(film(seed, *squares)):
        cv2.imwrite(str(path / f"{number:03d}.png"), picture[..., ::-1])
    return path


def scoring(detector: Path) -> Scoring:
    """The settings of a watcher with the toy detector."""
    files = {key: f"detector-{key}{path.suffix}" for key, path in files_of(detector).items()}
    values = {
        "detect": {
            "backend": "darknet",
            "image_size": 96,
            "iou": 0.1,
            "batch": 8,
            "backend_options": {"cfg": files.pop("cfg")},
            **files,
        },
        "cubes": {"size": 16, "radius": 2},
        "score": {"fusion": "evidence"},
        "evaluate": {"sigma": 2.0, "filter_size": 1, "smoothing": "causal", "border": "replicate"},
    }
    return Scoring.parse(values)


def files_of(detector: Path) -> dict[str, Path]:
    return {key: detector / f"toy.{key}" for key in ("weights", "cfg", "names")}


def write_model(yard: Path) -> models.Model:
    torch.manual_seed(0)
    spec = {
        "tasks": TASKS,
        "task_options": {},
        "encoder": "cnn3d",
        "encoder_options": {"depth": "shallow", "width": "narrow"},
        "size": 16,
        "radius": 2,
        "max_gap": 2,
        "classes": ["red", "blue"],
    }
    model = models.build(spec).eval()
    model.tasks["velocity"].fit(
        {
            "flow": torch.rand(8, DIRECTIONS),
            "step": torch.full((8, 1), 0.04),
            "height": torch.rand(8, 1),
        }
    )
    models.save(yard, model, {"spec": spec, "seed": 0, "train": {}})
    return model


def calibrate(yard: Path, settings: Scoring, scores: dict[str, np.ndarray]) -> None:
    """Writes a calibration of velocity alone: the weights of the other task are random."""
    values = settings.score.model_dump()
    path = yard / "calibration.h5"
    path.unlink(missing_ok=True)
    with store.create(path, "calibration", values, objects=json.dumps({})) as file:
        for name in TASKS:
            file[name] = quantiles_of(scores[name])
            file[name].attrs["weight"] = float(name == "velocity")
        file.attrs["combined"] = quantiles_of(scores.get("combined", np.linspace(0, 1, 9)))
        hdf5.complete(file, CALIBRATION)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A watcher that knows slow red squares, fitted and calibrated to them."""
    root = tmp_path_factory.mktemp("yard")
    write_detector(root / "detector")
    yard, settings = root / "yard", scoring(root / "detector")
    yard.mkdir()
    for key, path in files_of(root / "detector").items():
        shutil.copy(path, yard / f"detector-{key}{path.suffix}")
    model = write_model(yard)
    calibrate(yard, settings, {name: np.linspace(0, 1, 9) for name in TASKS})
    normal = [film(seed, (RED, 10 + 6 * seed, SLOW), (RED, 50, (1, 0))) for seed in range(4)]
    scorer = folder.scorer_of(yard, settings)
    gathered = Gathered(200)
    for pictures in normal[:2]:
        for frame in score_stream(at_rate(pictures), replace(scorer, kept_above=-1.0)):
            gathered.add(frame.objects)
    seen = gathered.objects().targets
    model.tasks["velocity"].fit({name: torch.from_numpy(seen[name]) for name in MOTION})
    card = json.loads((yard / "model.json").read_text())
    models.save(yard, model, card)
    frames = [
        f for p in normal[2:] for f in score_stream(at_rate(p), folder.scorer_of(yard, settings))
    ]
    scores = {name: np.concatenate([f.tasks[name] for f in frames]) for name in TASKS}
    calibrate(yard, settings, scores)
    scorer = folder.scorer_of(yard, settings)
    frames = [f.combined for p in normal[2:] for f in score_stream(at_rate(p), scorer)]
    calibrate(yard, settings, scores | {"combined": np.concatenate(frames)})
    scorer = folder.scorer_of(yard, settings)
    kept = [folder.scored_normal(at_rate(pictures), scorer, "normal", None) for pictures in normal]
    clips = [NormalClip(str(n), 25.0, score) for n, (score, _) in enumerate(kept)]
    folder.write_normal(yard, clips, {"settings": settings.model_dump()})
    likeness.write_normal_objects(yard, [objects for _, objects in kept])
    films = {
        "fast": write_film(root / "fast", (RED, 20, FAST), (RED, 50, SLOW), seed=10),
        "again": write_film(root / "again", (RED, 34, FAST), (RED, 50, SLOW), seed=11),
        "other": write_film(root / "other", (BLUE, 20, (0, 4)), (RED, 50, SLOW), seed=12),
        "slow": write_film(root / "slow", (RED, 30, SLOW), seed=13),
    }
    return yard, films


@pytest.fixture
def yard(made, tmp_path):
    """A copy of it."""
    return shutil.copytree(made[0], tmp_path / "yard")


def watch(yard: Path, source: Path, output: Path) -> list[dict]:
    """The events that are found in a source."""
    options = ["--model", str(yard), "--output", str(output), "--threshold", "0.7", "--scores"]
    cli.main(["watch", str(source), *options])
    return [json.loads(line) for line in (output / "events.jsonl").read_text().splitlines()]


def scores(output: Path) -> pd.DataFrame:
    return pd.read_csv(output / "objects.csv")


def test_the_next_such_object_is_no_alarm_until_that_is_undone(made, yard, tmp_path, caplog):
    caplog.set_level("INFO")
    films = made[1]
    (event,) = watch(yard, films["fast"], tmp_path / "events")
    before = {name: watch(yard, films[name], tmp_path / f"{name}0") for name in ("again", "other")}
    assert [len(each) for each in before.values()] == [1, 1]
    cli.main(["normal", str(tmp_path / "events"), str(event["event"])])
    assert "event 1 is normal" in caplog.text and "an hour asked; expect" in caplog.text
    # The like of it, in another place and with other pixels.
    assert watch(yard, films["again"], tmp_path / "again1") == []
    old, new = scores(tmp_path / "again0"), scores(tmp_path / "again1")
    fast = old["combined"] > 0.7
    assert fast.sum() > 20 and (new["combined"] <= old["combined"] + 1e-6).all()
    assert new["combined"][fast].median() < 0.5 * old["combined"][fast].median()
    assert new[TASKS].equals(old[TASKS])  # what the tasks say is not touched
    # What is unusual in another way is an alarm still.
    assert len(watch(yard, films["other"], tmp_path / "other1")) == 1
    cli.main(["normal", str(tmp_path / "events"), "1", "--undo"])
    assert len(watch(yard, films["again"], tmp_path / "again2")) == 1
    for table in ("objects.csv", "frames.csv"):
        first, last = (tmp_path / f"again{n}" / table for n in (0, 2))
        assert first.read_bytes() == last.read_bytes()


def test_what_was_accepted_is_listed(made, yard, tmp_path, capsys):
    output = tmp_path / "events"
    watch(yard, made[1]["fast"], output)
    cli.main(["normal", str(output), "--list"])
    assert capsys.readouterr().out == "nothing was accepted\n"
    cli.main(["normal", str(output), "1"])
    cli.main(["normal", str(output), "--list"])
    header, row = capsys.readouterr().out.splitlines()
    assert header.split() == ["accepted", "event", "objects", "of"]
    count = len(accepted.read_objects(output, 1)[0])
    assert 20 < count <= accepted.MOST
    assert row.split()[1:] == ["1", str(count), f"{output}:", "fast"]
    assert row.startswith("20")  # a date
    moved = yard.rename(tmp_path / "moved")
    with pytest.raises(InputError, match="no longer there; give --model"):
        accepted.normal(output, model=None, undo=False, listed=True)
    accepted.normal(output, 1, model=moved, undo=True, listed=False)
    accepted.normal(output, model=moved, undo=False, listed=True)
    assert capsys.readouterr().out == "nothing was accepted\n"


@pytest.mark.parametrize(
    ("events", "options", "said"),
    [
        ((), {}, "give the numbers of events"),
        ((7,), {}, "no objects of event 7 here"),
        ((1,), {"undo": True}, "event 1 was not accepted"),
        ((1,), {"undo": True, "listed": True}, "give one of them"),
    ],
)
def test_events_that_cannot_be_accepted_are_said(made, yard, tmp_path, events, options, said):
    objects = Objects(np.zeros((2, 5, 16, 16, 3), np.uint8), {"class_probs": np.eye(2)})
    about = {"event": 1, "mark": folder.digest(yard), "model": str(yard)}
    accepted.write_objects(tmp_path, 1, objects, about)
    with pytest.raises(InputError, match=said):
        accepted.normal(
            tmp_path, *events, **{"model": yard, "undo": False, "listed": False} | options
        )
    assert not (yard / memory.FOLDER).exists()


def test_objects_of_another_model_and_damaged_files_are_refused(yard, tmp_path):
    objects = Objects(np.zeros((2, 5, 16, 16, 3), np.uint8), {"class_probs": np.eye(2)})
    accepted.write_objects(tmp_path, 1, objects, {"event": 1, "mark": "other", "model": str(yard)})
    with pytest.raises(InputError, match="found with another model"):
        accepted.normal(tmp_path, 1, model=None, undo=False, listed=False)
    path = accepted.objects_path(tmp_path, 1)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match=r"event_0001\.npz: damaged"):
        accepted.normal(tmp_path, 1, model=yard, undo=False, listed=False)
    (yard / memory.FOLDER).mkdir()
    (yard / memory.FOLDER / "event_0001-00000000.npz").write_bytes(b"")
    with pytest.raises(InputError, match="delete it, and accept it again"):
        memory.Memory(yard, models.load(yard / "model.safetensors", {})[0])


def test_while_one_camera_reads_what_was_accepted_another_has_what_was(yard, monkeypatch):
    monkeypatch.setattr(memory, "CHECKED", 0.0)
    reading, go_on = threading.Event(), threading.Event()

    class Slow(dict):
        def __iter__(self):
            reading.set()
            assert go_on.wait(60)
            return super().__iter__()

    part = {"look": np.ones((1, 8))}
    monkeypatch.setattr(memory, "read_accepted", lambda path: (part, {}))
    accepted_events = yard / memory.FOLDER
    accepted_events.mkdir()
    (accepted_events / "1.npz").touch()
    shared = memory.Memory(yard, models.load(yard / "model.safetensors", {})[0])
    assert shared and len(shared.known["look"]) == 1
    part = Slow(part)
    (accepted_events / "2.npz").touch()
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(shared.refresh)
        assert reading.wait(60)
        assert shared and len(shared.known["look"]) == 1
        go_on.set()
        other.result()
    assert len(shared.known["look"]) == 2


def test_a_watcher_that_runs_takes_it_at_once(made, yard, tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "CHECKED", 0.0)
    watch(yard, made[1]["fast"], tmp_path / "events")
    known = memory.Memory(yard, models.load(yard / "model.safetensors", {})[0])
    objects, _ = accepted.read_objects(tmp_path / "events", 1)
    high = np.full(len(objects), 0.9, np.float32)
    assert not known
    accepted.normal(tmp_path / "events", 1, model=None, undo=False, listed=False)
    assert known and np.allclose(known.relieved(high, objects), known.usual, atol=1e-6)
    low = np.full(len(objects), known.usual / 2, np.float32)
    assert (known.relieved(low, objects) == low).all()  # never higher
    accepted.normal(tmp_path / "events", 1, model=None, undo=True, listed=False)
    assert not known


def test_a_new_model_describes_what_was_accepted(made, yard, tmp_path, caplog):
    watch(yard, made[1]["fast"], tmp_path / "events")
    accepted.normal(tmp_path / "events", 1, model=None, undo=False, listed=False)
    (path,) = (yard / memory.FOLDER).iterdir()
    before, about = memory.read_accepted(path)
    model, card = models.load(yard / "model.safetensors", {})
    for values in model.encoder.parameters():
        values.data *= 1.1
    models.save(yard, model, card)
    accepted.renew(yard)
    after, anew = memory.read_accepted(path)
    assert (
        not np.allclose(before["look"], after["look"]) and (before["flow"] == after["flow"]).all()
    )
    assert anew == about | {"mark": folder.digest(yard)} and anew["mark"] != about["mark"]
    objects, _ = accepted.read_file(path)
    accepted.write(path, about, {"cubes": objects.cubes[:, 1:], "target-class_probs": np.eye(2)})
    accepted.renew(yard)
    assert not path.exists() and "it is not accepted any more" in caplog.text


def test_likeness_is_measured_by_what_is_normal():
    rng = np.random.default_rng(0)
    clip = np.repeat(np.arange(10), 20)
    normal = {"look": rng.standard_normal((200, 8)), CLASS: np.tile([0.9, 0.1], (200, 1))}
    alike = Likeness(normal, clip)
    assert alike.reach[CLASS] == likeness.LEAST_CLASS
    apart = alike.between(normal, normal)
    apart[clip[:, None] == clip] = np.inf
    assert 0.9 < (apart.min(1) <= 1).mean() < 1
    far = {"look": normal["look"][:1], CLASS: np.array([[0.1, 0.9]])}
    assert alike.between(far, normal).min() == pytest.approx(0.8 * 2**0.5 / 0.3)
    once = {"look": np.full((1, 8), 50.0), CLASS: far[CLASS]}
    tenth, twice = ({**once, "look": factor * once["look"]} for factor in (1.1, 2))
    assert alike.between(once, tenth) < alike.between(once, twice)


def test_objects_of_long_events_are_evenly_spaced():
    gathered = Gathered(10)
    for number in range(1003):
        gathered.add(Objects(np.full((1, 1), number), {"class_probs": np.zeros((1, 2))}))
        gathered.add(None)
    found = gathered.objects().cubes[:, 0]
    assert len(found) == 10 and found[0] == 0 and found[-1] > 900
    assert np.ptp(np.diff(found)) <= gathered.stride * 2 and len(gathered.parts) <= 21
    assert Gathered(3).objects() is None
