"""Two cameras in one process: alerts within seconds, nothing lost in outages, memory that is flat.

    python benchmarks/two_cameras.py MODEL VIDEO --minutes 30

An RTSP camera (rtsp_camera.py, Debian's GStreamer) and one by HTTP show an empty scene, the median
of VIDEO, and for a few seconds of every --every seconds of the time of day VIDEO itself, which
MODEL's detector must see objects in. `ssmtl cameras` watches both, and tells a real mosquitto and a
webhook, each of which is stopped for a while, as is one camera. Exits with 1 where an event of a
camera that was there is missing, is told later than --limit seconds after it begins, or memory has
grown by more than 5 % since a third of the time.
"""

import argparse
import contextlib
import itertools
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import av
import cv2
import numpy as np
import paho.mqtt.client as paho
import psutil
import yaml

from ssmtl.watching import sources
from ssmtl.watching.settings import Watch

HERE = Path(__file__).parent
SYSTEM_PYTHON = "/usr/bin/python3"  # which Debian's GStreamer is for
SHOWN = 5.0  # seconds of each period that the scene is not empty
RATE = 10  # pictures a second


def scene(video: str, width: int) -> np.ndarray:
    """The empty scene and then the pictures of a video, uint8 (N, H, W, 3)."""
    segment = next(sources.segments(video, Watch(), threading.Event()))
    kept = np.array([frame.picture for frame in itertools.islice(segment.frames, 200)])
    if width:
        size = width // 2 * 2, round(width * kept.shape[1] / kept.shape[2]) // 2 * 2
        kept = np.array(
            [cv2.resize(picture, size, interpolation=cv2.INTER_AREA) for picture in kept]
        )
    empty = np.median(kept, axis=0).astype(np.uint8)
    return np.concatenate((empty[None], kept))


def number_at(when: float, count: int, every: float) -> int:
    """As in rtsp_camera.py."""
    phase = when % every
    return 0 if phase >= SHOWN else 1 + int(phase * RATE) % (count - 1)


class HttpCamera:
    """A transport stream over HTTP, made as it is asked for."""

    def __init__(self, pictures: np.ndarray, every: float):
        self.on = threading.Event()
        self.on.set()
        camera = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                if not camera.on.is_set():
                    self.send_error(503)
                    return
                self.send_response(200)
                self.send_header("Content-Type", "video/mp2t")
                self.end_headers()
                with contextlib.suppress(OSError, av.FFmpegError):
                    self.stream()

            def stream(self):
                with av.open(self.wfile, "w", format="mpegts") as container:
                    options = {"tune": "zerolatency", "preset": "veryfast", "crf": "18"}
                    video = container.add_stream("libx264", rate=RATE, options=options)
                    video.height, video.width = pictures.shape[1:3]
                    video.pix_fmt, video.gop_size = "yuv420p", RATE
                    begun = time.monotonic()
                    for sent in itertools.count():
                        time.sleep(max(0.0, begun + sent / RATE - time.monotonic()))
                        if not camera.on.is_set():
                            return
                        picture = pictures[number_at(time.time(), len(pictures), every)]
                        frame = av.VideoFrame.from_ndarray(picture)
                        container.mux(video.encode(frame))
                        self.wfile.flush()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/camera.ts"


class Hook:
    """A web server that alerts are posted to."""

    def __init__(self):
        self.on, self.told = threading.Event(), []
        self.on.set()
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if hook.on.is_set():
                    hook.told.append((time.time(), json.loads(body)["message"]))
                self.send_response(200 if hook.on.is_set() else 503)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"json://127.0.0.1:{self.server.server_port}"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Switched:
    """A program that can be stopped and started again."""

    def __init__(self, *command: object):
        self.command, self.process = [str(word) for word in command], None

    def start(self) -> None:
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen(self.command, **quiet)

    def stop(self) -> None:
        if self.process:
            self.process.terminate()
            self.process.wait(20)
            self.process = None


def subscribed(port: int) -> list[tuple[float, str, dict]]:
    """What a broker's clients hear of events: (when, topic, alert); filled from now on."""
    heard: list[tuple[float, str, dict]] = []
    client = paho.Client(
        paho.CallbackAPIVersion.VERSION2, client_id="listener", clean_session=False
    )

    def keep(_, __, message) -> None:
        heard.append((time.time(), message.topic, json.loads(message.payload)))

    client.on_message = keep
    client.on_connect = lambda c, *_: c.subscribe("ssmtl/+/event", qos=1)
    client.reconnect_delay_set(1, 2)
    client.connect_async("127.0.0.1", port)
    client.loop_start()
    return heard


def run(a: argparse.Namespace, folder: Path) -> bool:
    pictures = scene(a.video, a.width)
    raw, (height, width) = folder / "pictures.rgb", pictures.shape[1:3]
    raw.write_bytes(pictures.tobytes())
    mqtt_port, rtsp_port = free_port(), free_port()
    (folder / "broker.conf").write_text(
        f"listener {mqtt_port} 127.0.0.1\nallow_anonymous true\npersistence true\n"
        f"persistence_location {folder}/\n"
    )
    mosquitto = shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin")
    broker = Switched(mosquitto, "-c", folder / "broker.conf")
    rtsp = Switched(
        *(SYSTEM_PYTHON, HERE / "rtsp_camera.py", raw, width, height, "--port", rtsp_port),
        *("--rate", RATE, "--every", a.every, "--shown", SHOWN),
    )
    http, hook = HttpCamera(pictures, a.every), Hook()
    broker.start()
    rtsp.start()
    plan = {
        "model": str(a.model),
        "output": str(folder / "events"),
        "watch": {"threshold": a.threshold, "after": 2.0, "before": 1.0, "timeout": 5.0},
        "tell": {"mqtt": f"mqtt://127.0.0.1:{mqtt_port}", "notify": [hook.url]},
        "keep": {"days": 1.0, "gigabytes": 1.0},
        "heartbeat": 5.0,
        "cameras": {
            "rtsp": {"source": f"rtsp://127.0.0.1:{rtsp_port}/camera"},
            "http": {"source": http.url},
        },
    }
    (folder / "cameras.yaml").write_text(yaml.safe_dump(plan))
    time.sleep(3)
    heard = subscribed(mqtt_port)
    with (folder / "log").open("w") as log:
        command = [sys.executable, "-m", "ssmtl", "cameras", str(folder / "cameras.yaml")]
        watcher = subprocess.Popen(command, stderr=log)
    try:
        begun = wait_until_watching(folder, watcher)
        memory, outages = observe(a, begun, watcher, broker, rtsp, hook)
        watcher.terminate()
        watcher.wait(60)
        time.sleep(3)
    finally:
        watcher.kill()
        broker.stop()
        rtsp.stop()
    return judged(a, folder, begun, heard, hook, memory, outages)


def wait_until_watching(folder: Path, watcher: subprocess.Popen) -> float:
    """When both cameras gave pictures."""
    end = time.time() + 300
    while time.time() < end and watcher.poll() is None:
        with contextlib.suppress(OSError, ValueError):
            status = json.loads((folder / "events/status.json").read_text())
            if all(each["frames"] > 20 for each in status["cameras"].values()):
                return time.time()
        time.sleep(1)
    raise SystemExit((folder / "log").read_text())


def observe(a, begun: float, watcher, broker, rtsp, hook) -> tuple[list[float], dict]:
    """Resident megabytes of the watcher, and what was stopped when; each is stopped in turn."""
    total, memory, outages = 60 * a.minutes, [], {}
    switches = {
        "broker": (broker.stop, broker.start),
        "webhook": (hook.on.clear, hook.on.set),
        "rtsp": (rtsp.stop, rtsp.start),
    }
    plan = []
    for place, (name, both) in enumerate(switches.items(), 1):
        at = begun + total * place / 5
        plan += [(at, name, both[0]), (at + a.outage, name, both[1])]
    while time.time() < begun + total and watcher.poll() is None:
        while plan and time.time() >= plan[0][0]:
            _, name, switch = plan.pop(0)
            switch()
            outages.setdefault(name, []).append(time.time())
            print(f"{time.time() - begun:6.0f} s: {name} switched", flush=True)
        memory.append(psutil.Process(watcher.pid).memory_info().rss / 1e6)
        time.sleep(2)
    return memory, outages


def judged(a, folder: Path, begun, heard, hook, memory, outages) -> bool:
    """Prints the figures; whether all is as it should be."""
    good = True
    ended = begun + 60 * a.minutes
    down = {"rtsp": (outages["rtsp"][0] - a.every, outages["rtsp"][1] + 30)}
    silent = [(o[0] - 1, o[1] + 65) for n, o in outages.items() if n != "rtsp"]  # of who listens
    for camera in ("rtsp", "http"):
        lines = (folder / "events" / camera / "events.jsonl").read_text().splitlines()
        events = [json.loads(line) for line in lines]
        alerts = [(t, m) for t, topic, m in heard if topic == f"ssmtl/{camera}/event"]
        starts = np.arange(np.ceil(begun / a.every) * a.every, ended - 2 * SHOWN, a.every)
        first, last = down.get(camera, (0, 0))
        starts = [s for s in starts if not first < s < last]
        late = []
        for start in starts:
            told = [
                t for t, m in alerts if m["kind"] == "begin" and start <= begins(m) < start + SHOWN
            ]
            if not told:
                print(f"{camera}: no event of {start - begun:.0f} s was told")
                good = False
            elif not any(low < start < high for low, high in silent):
                late.append(min(told) - start)
        kinds = [(m["kind"], m["event"]["event"]) for _, m in alerts]
        wanted = [(k, e["event"]) for e in events for k in ("begin", "end")]
        posted = [text for _, text in hook.told if text.endswith(camera)]
        lost = len(set(wanted) - set(kinds)), len(wanted) - len(posted)
        good &= lost[0] == 0 and lost[1] <= 0 and bool(late) and max(late) <= a.limit
        print(
            f"{camera}: {len(starts)} scenes, {len(events)} events, {len(alerts)} alerts by MQTT, "
            f"{len(posted)} by webhook, not told {lost}; told after {np.median(late):.2f} s "
            f"(median), {max(late):.2f} s at most"
        )
    third = memory[len(memory) // 3]
    growth = memory[-1] / third - 1
    print(f"memory: {third:.0f} MB after a third, {memory[-1]:.0f} MB at the end ({growth:+.1%})")
    return good and growth <= 0.05


def begins(alert: dict) -> float:
    """When an alert's event began, seconds since the epoch."""
    from datetime import datetime

    return datetime.fromisoformat(alert["event"]["start_clock"]).timestamp()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, help="folder of a watcher")
    parser.add_argument("video", help="video file or folder of images with objects in it")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--every", type=float, default=20.0, help="seconds of a period [20]")
    parser.add_argument("--outage", type=float, default=45.0, help="seconds of each [45]")
    parser.add_argument("--limit", type=float, default=3.0, help="seconds until told [3]")
    parser.add_argument("--threshold", type=float, default=0.05)
    parser.add_argument("--width", type=int, default=0, help="pixels; 0 for the video's own [0]")
    parser.add_argument("--keep", type=Path, help="folder for all that was written")
    a = parser.parse_args()
    if a.keep:
        a.keep.mkdir(parents=True, exist_ok=True)
        sys.exit(not run(a, a.keep))
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(not run(a, Path(folder)))


if __name__ == "__main__":
    main()
