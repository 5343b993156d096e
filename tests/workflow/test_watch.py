"""Watching gives the batch pipeline's scores, from a file, a folder and an HTTP stream."""

import json
import os
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import cv2
import h5py
import numpy as np
import pandas as pd
import pytest
import yaml
from streams import ADDRESSES, SECRET, served, write_lossless
from toy import FRAMES, HEIGHT, ROOT, TEST, VIDEOS, WATCHER, WIDTH, Project

from ssmtl import cli
from ssmtl.evaluation.anomaly_map import smooth
from ssmtl.media import codec
from ssmtl.media.images import image_files

RUN = "results/toy/models/tiny/seed0"


@pytest.fixture
def watch(built, tmp_path):
    """Watches a source; returns the folder with what was found."""

    def call(source, *options: str, model: Path | None = None, output: Path | None = None) -> Path:
        folder = output or tmp_path / f"found-{len(list(tmp_path.iterdir()))}"
        where = ["--model", str(model or built.path(WATCHER)), "--output", str(folder), "--scores"]
        cli.main(["watch", str(source), *where, *options])
        return folder

    return call


def pictures(project: Project, clip: str) -> list[np.ndarray]:
    files = image_files(project.path("data/toy/test") / clip)
    return [codec.decode_image(file.read_bytes(), str(file)) for file in files]


def batch_objects(project: Project, clip: str) -> pd.DataFrame:
    """The pipeline's objects and scores of a test clip."""
    for path in project.path(f"{RUN}/scores").glob("*.h5"):
        with h5py.File(path) as file:
            if clip in file:
                columns = [c for c in json.loads(file.attrs["columns"]) if c != "speed"]
                table = pd.DataFrame(file[clip]["box"][:], columns=["x1", "y1", "x2", "y2"])
                return table.assign(
                    frame=file[clip]["frame"][:], **{c: file[clip][c][:] for c in columns}
                )
    raise AssertionError(f"no scores of clip {clip}")


def batch_frames(project: Project, clip: str) -> tuple[np.ndarray, np.ndarray]:
    """The pipeline's raw and causally smoothed frame scores of a test clip."""
    table = pd.read_csv(project.path(f"{RUN}/frame_scores.csv"), dtype={"clip": str})
    raw = table.loc[table["clip"] == clip, "combined"].to_numpy()
    return raw, smooth(raw, 2, "zero", "causal")


def assert_equal(project: Project, folder: Path, clip: str, source: str, first: int = 0) -> None:
    """What was found in a source is what the pipeline found in a clip."""
    text = {"source": str}
    objects = pd.read_csv(folder / "objects.csv", dtype=text).query("source == @source")
    frames = pd.read_csv(folder / "frames.csv", dtype=text).query("source == @source")
    expected = batch_objects(project, clip)
    assert len(expected) > FRAMES
    assert (objects["frame"].to_numpy() - first == expected["frame"].to_numpy()).all()
    for column in expected.columns.drop("frame"):
        assert np.allclose(objects[column], expected[column], rtol=0, atol=1e-4), column
    assert frames["frame"].tolist() == list(range(first, first + FRAMES))
    for column, values in zip(frames.columns[2:], batch_frames(project, clip), strict=True):
        assert np.allclose(frames[column], values, rtol=0, atol=1e-4), column


def test_a_folder_of_clips(built, watch):
    folder = watch(built.path("data/toy/test"))
    for clip in TEST:
        assert_equal(built, folder, clip, clip)


def test_a_video_file(built, watch, tmp_path):
    folder = watch(write_lossless(tmp_path / "film.mkv", pictures(built, "01")))
    assert_equal(built, folder, "01", "film")


def test_an_http_stream(built, watch, tmp_path):
    body = write_lossless(tmp_path / "film.ts", pictures(built, "05")).read_bytes()
    with served([{"body": body, "length": True}]) as url:
        assert_equal(built, watch(url), "05", "http://127.0.0.1")  # all that is shown of it


def test_a_cut_stream_is_picked_up_again(built, watch, tmp_path, caplog):
    bodies = [
        write_lossless(tmp_path / f"{clip}.ts", pictures(built, clip)).read_bytes()
        for clip in ("01", "05")
    ]
    with served([{"body": body} for body in bodies]) as url:
        folder = watch(url, "--give-up", "1")
    frames = pd.read_csv(folder / "frames.csv")
    assert frames["frame"].tolist() == list(range(2 * FRAMES))
    # No cube reaches over the gap: each part has the scores of its clip.
    for part, clip in enumerate(("01", "05")):
        found = frames["combined"].iloc[part * FRAMES : (part + 1) * FRAMES]
        assert np.allclose(found, batch_frames(built, clip)[0], rtol=0, atol=1e-4)
    said = caplog.text
    assert "http://127.0.0.1: no connection" in said and "connecting again" in said
    assert "http://127.0.0.1: connected again after" in said and "giving up" in said


def test_events_and_their_clips(built, watch, tmp_path, caplog):
    caplog.set_level("INFO")
    smoothed = batch_frames(built, "05")[1]
    limit = float(np.quantile(smoothed, 0.5))
    above = np.flatnonzero(smoothed > limit)
    options = ["--threshold", f"{limit:.5f}", "--before", "0.2", "--after", "10"]
    told = tmp_path / "told"
    program = f"{sys.executable} -c 'import sys; open(sys.argv[1], \"a\").write(input() + chr(10))'"
    options += ["--name", "gate", "--on-event", f"{program} {told}"]
    folder = watch(built.path("data/toy/test/05"), *options)
    lines = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    (event,) = lines
    assert (event["source"], event["start_frame"], event["end_frame"]) == ("05", *above[[0, -1]])
    assert event["start"] == pytest.approx(above[0] / 25) and event["start_clock"] is None
    assert event["score"] == pytest.approx(smoothed.max(), abs=1e-4)
    objects = batch_objects(built, "05")
    early = objects[objects["frame"] <= event["end_frame"]]
    top = early.loc[early["combined"].idxmax()]
    assert event["object_score"] == pytest.approx(top["combined"], abs=1e-4)
    assert event["object_frame"] == top["frame"]
    assert np.allclose(event["box"], top[["x1", "y1", "x2", "y2"]].tolist(), atol=0.06)
    assert event["task"] in event["tasks"] and event["class"] in names(built)
    assert all(0 <= share <= 1 for share in event["shares"].values())
    begun, ended = map(json.loads, told.read_text().splitlines())
    assert (begun["kind"], ended["kind"]) == ("begin", "end") and ended["event"] == event
    assert begun["event"]["start_frame"] == event["start_frame"]
    assert event["words"] in ended["sentence"] and ended["sentence"].endswith("gate")
    assert begun["clip"] == ended["clip"] == str(folder / event["clip"])
    snapshot = codec.decode_image((folder / event["snapshot"]).read_bytes(), "snapshot")
    # Labels cover much of so small a picture; still it is nearest to the frame that it is of.
    distances = [abs(snapshot.astype(int) - own).mean() for own in pictures(built, "05")]
    assert np.argmin(distances) == event["object_frame"]
    (row,) = pd.read_csv(folder / "events.csv").to_dict("records")
    assert (row["start_frame"], row["clip"], row["x1"]) == (
        above[0],
        event["clip"],
        event["box"][0],
    )
    before = min(5, above[0])  # 0.2 seconds of it
    assert len(decoded(folder / event["clip"])) == before + FRAMES - above[0]
    assert "event 1 begins: 05" in caplog.text and "frames/s; 1 events in" in caplog.text


def names(project: Project) -> list[str]:
    """The classes of the detector."""
    return (project.path("detector") / "toy.names").read_text().split("\n")


def decoded(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as video:
        return [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]


def test_memory_stays_flat(built):
    """The whole of it, over 20,000 frames, is benchmarks/watch_memory.py."""
    memory = runpy.run_path(str(ROOT / "benchmarks/watch_memory.py"))["memory"]
    found = memory(built.path(WATCHER), str(built.path("data/toy/test/05")), 1200, every=400)
    assert len(found) == 3 and found[-1] < 1.05 * found[0]


def test_ignored_polygons_take_objects_away(built, watch, tmp_path):
    left = [[0, 0], [WIDTH / 2, 0], [WIDTH / 2, HEIGHT], [0, HEIGHT]]
    (tmp_path / "left.json").write_text(json.dumps([left]))
    folder = watch(built.path("data/toy/test/01"), "--ignore", str(tmp_path / "left.json"))
    found, every = pd.read_csv(folder / "objects.csv"), batch_objects(built, "01")
    centre = (every["x1"] + every["x2"]) / 2
    assert 0 < len(found) < len(every) and len(found) == (centre > WIDTH / 2).sum()


def test_used_folders_and_foreign_models_are_refused(built, watch, tmp_path, capfd):
    (tmp_path / "found-1").mkdir()
    (tmp_path / "found-1/notes.txt").write_text("mine")
    for options, words in (
        ({}, "found-1: not empty"),
        ({"model": built.path(RUN), "output": tmp_path / "new"}, "no watcher.json"),
    ):
        with pytest.raises(SystemExit):
            watch(built.path("data/toy/test/01"), **options)
        assert words in capfd.readouterr().err
    assert not (tmp_path / "new").exists()


def test_annotated_videos_have_every_frame(built):
    for clip in TEST:
        frames = decoded(built.path(f"{VIDEOS}/{clip}.mp4"))
        assert len(frames) == FRAMES
        with av.open(str(built.path(f"{VIDEOS}/{clip}.mp4"))) as video:
            stream = video.streams.video[0]
            assert (stream.codec.name, stream.pix_fmt) == ("h264", "yuv420p")
            assert stream.average_rate == 25 and stream.width >= 480
        # The picture is there, enlarged; above and below it is what was drawn.
        own = pictures(built, clip)[FRAMES // 2]
        height = round(HEIGHT * 480 / WIDTH)
        shown = cv2.resize(frames[FRAMES // 2][20 : 20 + height], (WIDTH, HEIGHT))
        assert abs(shown.astype(int) - own.astype(int)).mean() < 25


def test_learning_and_watching_as_the_readme_has_it(finished, tmp_path, caplog):
    caplog.set_level("INFO")
    normal = tmp_path / "normal"
    normal.mkdir()
    for clip in "abc":
        files = image_files(finished.path("data/toy/train") / clip)
        images = [codec.decode_image(file.read_bytes(), str(file)) for file in files]
        write_lossless(normal / f"{clip}.mkv", images)
    write_lossless(normal / "glitch.mkv", images[:3])  # of a recorder that began anew
    small = "cubes: {size: 16, radius: 2, max_gap: 3, train_stride: 1}\n"
    small += "teachers: {resnet_size: 32}\ntrain: {cubes_seen: 64, batch: 8, validations: 2}\n"
    (tmp_path / "small.yaml").write_text(small)
    detector = finished.path("detector")
    network = ["--backend", "darknet", "--image-size", "96", "--iou", "0.1"]
    options = {"weights": "weights", "backend-options.cfg": "cfg", "names": "names"}
    for option, suffix in options.items():
        network += [f"--{option}", str(detector / f"toy.{suffix}")]
    more = ["--config", str(tmp_path / "small.yaml"), "--cores", "2", *network]
    cli.main(["learn", str(normal), "--output", str(tmp_path / "watcher"), *more])
    assert "ssmtl watch --model" in caplog.text
    assert "glitch.mkv: 3 frames are fewer than the 5 of one cube" in caplog.text
    own = {path.name for path in (tmp_path / "watcher").iterdir()}
    assert {"watcher.json", "model.safetensors"} <= own
    assert {"detector-weights.weights", "detector-cfg.cfg", "detector-names.names"} <= own
    video = write_lossless(tmp_path / "new.mkv", pictures(finished, "05"))
    where = ["--model", str(tmp_path / "watcher"), "--output", str(tmp_path / "events")]
    cli.main(["watch", str(video), *where, "--threshold", "0.01"])
    assert (tmp_path / "events/events.jsonl").read_text().count("\n") == 1
    assert (tmp_path / "events/clips/event_0001.mp4").stat().st_size > 1000


def test_a_stopped_watcher_ends_soon_and_tells_no_password(built, tmp_path):
    """A process of its own: SIGTERM while pictures come; nothing of the address is anywhere."""
    body = write_lossless(tmp_path / "film.ts", pictures(built, "05") * 4).read_bytes()
    pieces = [body[start : start + 1880] for start in range(0, len(body), 1880)]
    command = [sys.executable, "-m", "ssmtl", "watch", "env:CAMERA", "--threshold", "0.01"]
    command += ["--model", str(built.path(WATCHER)), "--output", str(tmp_path / "found")]
    with served([{"body": b"", "pieces": pieces * 50, "every": 0.005}]) as url:
        address = url.replace("http://", f"http://admin:pa#{SECRET}@") + f"?token={SECRET}"
        environment = os.environ | {"CAMERA": address}
        with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as process:
            lines = []
            for line in process.stderr:
                lines.append(line.decode())
                if "event 1 begins" in lines[-1]:
                    break
            listed = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline")]
            stopped = time.monotonic()
            process.send_signal(signal.SIGTERM)
            lines += process.stderr.read().decode().splitlines(keepends=True)
            process.wait(20)
            assert time.monotonic() - stopped < 10
    said = "".join(lines)
    assert process.returncode == 0 and "Traceback" not in said, said
    assert "stopping" in said and "event 1 ends" in said and "http://127.0.0.1" in said
    written = [p.read_bytes() for p in (tmp_path / "found").rglob("*") if p.is_file()]
    assert len((tmp_path / "found/events.jsonl").read_text().splitlines()) == 1
    assert not any(SECRET.encode() in data for data in [said.encode(), *written, *listed])


def test_no_form_of_address_tells_its_secret(built, tmp_path):
    """All forms at once, in a process of their own, which writes all that a watcher writes."""
    output, file, log = tmp_path / "found", tmp_path / "cameras.yaml", tmp_path / "log"
    body = write_lossless(tmp_path / "film.ts", pictures(built, "05")).read_bytes()
    names = [f"camera{number}" for number in range(len(ADDRESSES))]
    plan = {
        "model": str(built.path(WATCHER)),
        "output": str(output),
        "watch": {"threshold": 0.01},
        "heartbeat": 0.2,
        "cameras": {name: {"source": f"env:{name}"} for name in names},
    }
    file.write_text(yaml.safe_dump(plan))
    command = [sys.executable, "-m", "ssmtl", "cameras", str(file)]
    with served([{"body": body}], forever=True) as url, log.open("wb") as said:
        host = url.split("/")[2]
        forms = [form.format(s=SECRET, h=host) for form in ADDRESSES]
        environment = os.environ | dict(zip(names, forms, strict=True))
        with subprocess.Popen(command, env=environment, stdout=said, stderr=said) as process:
            end = time.monotonic() + 120
            while not all((output / n / "events.jsonl").exists() for n in names) or not all(
                (output / n / "events.jsonl").read_text() for n in names
            ):
                assert time.monotonic() < end and process.poll() is None, log.read_text()
                time.sleep(0.2)
            listed = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline")]
            process.send_signal(signal.SIGTERM)
            process.wait(30)
    assert process.returncode == 0 and "Traceback" not in log.read_text(), log.read_text()
    written = [path.read_bytes() for path in output.rglob("*") if path.is_file()]
    assert len(written) > 4 * len(names) and "http://127.0.0.1" in log.read_text()
    assert not any(SECRET.encode() in data for data in [log.read_bytes(), *written, *listed])


def test_a_killed_watcher_is_continued(built, tmp_path):
    """SIGKILL within the second event; the same output goes on, and only that event is cut."""
    body = write_lossless(tmp_path / "film.ts", pictures(built, "05")).read_bytes()
    command = [sys.executable, "-m", "ssmtl", "watch", "URL", "--threshold", "0.01"]
    command += ["--model", str(built.path(WATCHER)), "--output", str(tmp_path / "found")]
    answers = [{"body": body}, {"body": body, "stall": 60}]
    with served(answers) as url:
        command[4] = url
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            said = []
            for line in process.stderr:
                said.append(line)
                if "event 2 begins" in line:
                    break
            process.kill()
        assert "event 1 ends" in "".join(said), said
    lines = tmp_path / "found/events.jsonl"
    assert [json.loads(line)["event"] for line in lines.read_text().splitlines()] == [1]
    command[4] = str(write_lossless(tmp_path / "film.mkv", pictures(built, "05")))
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "event 2 was interrupted" in again.stderr
    events = [json.loads(line) for line in lines.read_text().splitlines()]
    assert [(e["event"], e["ended_by"]) for e in events] == [
        (1, "source"),
        (2, "interrupted"),
        (3, "source"),
    ]
    table = pd.read_csv(tmp_path / "found/events.csv")
    assert table["event"].tolist() == [1, 2, 3] and table["class"].notna().all()
    kept = sorted(path.name for path in (tmp_path / "found/clips").iterdir())
    assert kept == ["event_0001.mp4", "event_0003.mp4"]


def test_cameras_of_one_process_find_what_each_finds_alone(built, watch, tmp_path):
    """Two cameras that share detector and model, in common batches."""
    sources = {f"camera{clip}": str(built.path("data/toy/test") / clip) for clip in ("01", "05")}
    plan = {
        "model": str(built.path(WATCHER)),
        "output": str(tmp_path / "all"),
        "watch": {"threshold": 0.3},
        "heartbeat": 0.5,
        "cameras": {name: {"source": source} for name, source in sources.items()},
    }
    (tmp_path / "cameras.yaml").write_text(yaml.safe_dump(plan))
    cli.main(["cameras", str(tmp_path / "cameras.yaml")])
    status = json.loads((tmp_path / "all/status.json").read_text())["cameras"]
    for name, source in sources.items():
        alone = watch(source, "--threshold", "0.3") / "events.jsonl"
        both = (tmp_path / "all" / name / "events.jsonl", alone)
        (found,), (expected,) = (map(json.loads, p.read_text().splitlines()) for p in both)
        same = ("start_frame", "end_frame", "object_frame", "class", "task", "box", "clip")
        assert [found[key] for key in same] == [expected[key] for key in same]
        assert found["score"] == pytest.approx(expected["score"], abs=1e-3)
        assert (tmp_path / "all" / name / found["clip"]).is_file()
        assert (status[name]["frames"], status[name]["events"]) == (FRAMES, 1)
        assert status[name]["state"] == "ended" and status[name]["dropped"] == 0
