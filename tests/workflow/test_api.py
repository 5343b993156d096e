"""The Python interface: its tables, its plot and video, and the README's example as written."""

import re
import runpy
import sys
import threading
from pathlib import Path

import av
import numpy as np
import pandas as pd
import pytest
from streams import write_lossless
from toy import FRAMES, ROOT, WATCHER

import ssmtl
from ssmtl import cli
from ssmtl.core.errors import InputError
from ssmtl.media import codec
from ssmtl.media.images import image_files


@pytest.fixture(scope="module")
def clip(built, tmp_path_factory) -> Path:
    """A toy clip as a lossless video file."""
    files = image_files(built.path("data/toy/test/05"))
    pictures = [codec.decode_image(file.read_bytes(), str(file)) for file in files]
    return write_lossless(tmp_path_factory.mktemp("clip") / "clip.mkv", pictures)


@pytest.fixture(scope="module")
def model(built):
    return ssmtl.load(built.path(WATCHER), threshold=0.2, after=0.1)


@pytest.fixture(scope="module")
def found(model, clip):
    return model.score(clip)


@pytest.fixture(scope="module")
def written(built, clip, tmp_path_factory) -> Path:
    """What `ssmtl watch` writes about the same clip."""
    folder = tmp_path_factory.mktemp("watched") / "events"
    words = ["--model", str(built.path(WATCHER)), "--threshold", "0.2", "--after", "0.1"]
    cli.main(["watch", str(clip), "--output", str(folder), "--scores", *words])
    return folder


def test_the_tables_are_those_of_the_command(found, written, model):
    frames = pd.read_csv(written / "frames.csv")
    assert found.frames["frame"].tolist() == list(range(FRAMES)) == frames["frame"].tolist()
    assert np.allclose(found.frames["score"], frames["combined"], atol=1e-5)
    assert np.allclose(found.frames["smoothed"], frames["combined_smoothed"], atol=1e-5)
    assert np.allclose(found.frames["time"], np.arange(FRAMES) / 25)
    objects = pd.read_csv(written / "objects.csv")
    assert len(found.objects) == len(objects) == found.frames["objects"].sum() > FRAMES
    columns = ["x1", "y1", "x2", "y2", *model.tasks]
    assert np.allclose(found.objects[columns], objects[columns], atol=1e-4)
    assert np.allclose(found.objects["score"], objects["combined"], atol=1e-4)
    assert set(found.objects["task"]) <= set(model.tasks)
    events = pd.read_csv(written / "events.csv")
    assert len(found.events) == len(events) > 0
    assert found.events.columns.tolist() == events.columns.tolist()
    shared = ["start_frame", "end_frame", "score", "object_frame", "x1", "y2"]
    assert np.allclose(found.events[shared].astype(float), events[shared], atol=1e-3)
    assert found.events["clip"].isna().all() and events["clip"].str.startswith("clips/").all()


def test_no_threads_are_left(model, clip):
    before = threading.active_count()
    frames = model.frames(clip)
    first = next(frames)
    assert first.scored.picture.ndim == 3 and first.source == "clip"
    frames.close()
    assert threading.active_count() <= before


def test_events_come_one_by_one_and_with_their_clips(model, found, clip, tmp_path):
    events = list(model.watch(clip, output=tmp_path / "events"))
    assert [e["start_frame"] for e in events] == found.events["start_frame"].tolist()
    assert all((tmp_path / "events" / event["clip"]).is_file() for event in events)
    assert set(events[0]["tasks"]) == set(model.tasks) and len(events[0]["box"]) == 4
    again = list(model.watch(clip, output=tmp_path / "events"))
    assert [e["event"] for e in again] == [e["event"] + len(events) for e in events]
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="not empty"):
        next(model.watch(clip, output=tmp_path))


def test_plot_and_video(found, tmp_path):
    found.plot().savefig(tmp_path / "scores.png")
    assert (tmp_path / "scores.png").stat().st_size > 5000
    found.save_video(tmp_path / "annotated.mp4")
    with av.open(str(tmp_path / "annotated.mp4")) as video:
        assert len(list(video.decode(video=0))) == FRAMES


def test_a_folder_of_clips_has_a_video_each(built, model, tmp_path):
    found = model.score(built.path("data/toy/test"))
    clips = sorted(found.frames["source"].unique())
    assert len(clips) == 3 and len(found.plot().axes) == 3
    found.save_video(tmp_path / "all.mp4")
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"all-{clip}.mp4" for clip in clips]


def test_wrong_settings_and_folders_are_one_line(built, tmp_path):
    with pytest.raises(InputError, match="did you mean 'threshold'"):
        ssmtl.load(built.path(WATCHER), treshold=0.2)
    with pytest.raises(InputError, match=r"no watcher\.json"):
        ssmtl.load(tmp_path)


def test_the_readmes_example_runs_as_written(built, clip, tmp_path, monkeypatch, capsys):
    (tmp_path / "yard").symlink_to(built.path(WATCHER))
    (tmp_path / "clip.mp4").symlink_to(clip)
    (tmp_path / "scores").mkdir()
    for name in ("01", "05"):
        np.save(tmp_path / "scores" / f"{name}.npy", np.linspace(0, 1, FRAMES))
    (tmp_path / "labels.csv").write_text("clip,first,last\n01,5,12\n05,8,20\n")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    blocks = [block for block in blocks if "import ssmtl" in block]
    assert blocks
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {})
    assert "micro" in capsys.readouterr().out
    assert (tmp_path / "annotated.mp4").is_file()


def test_the_examples_run(built, clip, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    watcher = str(built.path(WATCHER))
    for name, words in (
        ("score_a_clip", [watcher, str(clip)]),
        ("watch_a_camera", [watcher, str(clip), "events"]),
        ("measure_any_method", []),
    ):
        path = str(ROOT / "examples/api" / f"{name}.py")
        monkeypatch.setattr(sys, "argv", [path, *words])
        runpy.run_path(path, run_name="__main__")
    assert "alarms" in capsys.readouterr().out
