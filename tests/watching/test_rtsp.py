"""A real RTSP server, Debian's GStreamer: pictures, their times, and a server that goes away."""

import socket
import subprocess
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from demanded import give_up

from ssmtl.core.errors import InputError
from ssmtl.watching import sources
from ssmtl.watching.settings import Watch

CAMERA = Path(__file__).parents[2] / "benchmarks/rtsp_camera.py"
PYTHON = "/usr/bin/python3"  # the system's, which Debian's packages are for
NEEDED = "import gi; gi.require_version('GstRtspServer', '1.0')"
SETTINGS = Watch(timeout=5.0, give_up=60.0)
LEVELS = [0, 60, 90, 120, 150, 180]  # grey of the pictures, the empty scene first


def available() -> bool:
    try:
        done = subprocess.run([PYTHON, "-c", NEEDED], capture_output=True, timeout=60)
    except OSError:
        return False
    return done.returncode == 0


@pytest.fixture
def camera(tmp_path):
    """Starts and stops a camera of grey pictures: `camera(True)` gives its address."""
    if not available():
        give_up("rtsp", "no RTSP server; benchmarks/rtsp_camera.py names the packages of Debian's")
    raw = tmp_path / "pictures.rgb"
    raw.write_bytes(b"".join(bytes([level]) * (48 * 64 * 3) for level in LEVELS))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    running: list[subprocess.Popen] = []

    def switch(on: bool) -> str:
        if on:
            command = [PYTHON, CAMERA, raw, "64", "48", "--port", str(port), "--rate", "10"]
            running.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
            assert running[-1].stdout.readline() == "ready\n"
        else:
            running[-1].kill()
            running.pop().wait(30)
        return f"rtsp://user:S3cret@127.0.0.1:{port}/camera"

    yield switch
    if running:
        switch(False)


def grey(frame: sources.Frame) -> int:
    """Which of the pictures it is."""
    return int(np.abs(np.array(LEVELS) - frame.picture.mean()).argmin())


def test_its_pictures_come_in_order_with_their_times(camera, caplog):
    stopped = threading.Event()
    found = sources.segments(camera(True), SETTINGS, stopped)
    segment, frames = next(found), []
    for frame in segment.frames:
        frames.append(frame)
        if len(frames) == 40:
            stopped.set()
            break
    assert segment.name == "rtsp://127.0.0.1" and segment.fps == 10
    assert frames[0].picture.shape == (48, 64, 3)
    shown = [grey(frame) for frame in frames]
    steps = np.diff(shown) % 5
    assert len(frames) == 40 and set(shown) == {1, 2, 3, 4, 5} and (steps == 1).mean() > 0.9
    times = np.array([frame.time for frame in frames])
    assert np.allclose(np.diff(times), 0.1, atol=0.02)
    assert all(abs(time.time() - frame.clock) < 60 for frame in frames)
    assert "S3cret" not in caplog.text


def test_a_server_that_goes_away_and_comes_back(camera, caplog, monkeypatch):
    monkeypatch.setattr(sources, "FIRST_PAUSE", 0.2)
    stopped = threading.Event()
    found = sources.segments(camera(True), SETTINGS, stopped)
    first = next(found)
    for count, _ in enumerate(first.frames):
        if count == 10:
            camera(False)
            camera(True)
    second = next(found)
    last = [next(second.frames) for _ in range(10)]
    stopped.set()
    assert second.first == first.frames.count and last[0].time > 0
    assert "connecting again" in caplog.text and "connected again after" in caplog.text
    assert "S3cret" not in caplog.text


def test_nobody_there_is_one_line(camera):
    address = camera(True)
    camera(False)
    with pytest.raises(InputError, match=r"rtsp://127\.0\.0\.1: cannot be opened") as error:
        next(sources.segments(address, SETTINGS, threading.Event()))
    assert "S3cret" not in str(error.value)
