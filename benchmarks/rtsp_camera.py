"""An RTSP camera made of Debian's GStreamer: for tests, and for two_cameras.py.

    /usr/bin/python3 benchmarks/rtsp_camera.py PICTURES WIDTH HEIGHT --port 8554 --rate 10

PICTURES is a file of raw RGB pictures, the first of them the empty scene. With --every 15 --shown 5
it is empty but for 5 s of every 15 s of the time of day, in which the others come one after the
other; without, they always come. Needs apt-get install gir1.2-gst-rtsp-server-1.0 python3-gi
gstreamer1.0-plugins-good gstreamer1.0-plugins-ugly; runs with the system's Python.
"""

import argparse
import time
from pathlib import Path

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402


def number_at(when: float, count: int, rate: float, every: float, shown: float) -> int:
    """Which of `count` pictures a scene shows at a time of day, in seconds."""
    phase = when % every
    if phase >= shown:
        return 0
    return 1 + int(phase * rate) % (count - 1)


class Camera(GstRtspServer.RTSPMediaFactory):
    def __init__(self, a: argparse.Namespace):
        super().__init__()
        self.a, data, size = a, a.pictures.read_bytes(), a.width * a.height * 3
        self.pictures = [data[start : start + size] for start in range(0, len(data), size)]
        caps = f"video/x-raw,format=RGB,width={a.width},height={a.height},framerate={a.rate}/1"
        self.set_launch(
            f"( appsrc name=source is-live=true format=time do-timestamp=false caps={caps} ! "
            "videoconvert ! video/x-raw,format=I420 ! "
            f"x264enc tune=zerolatency bitrate=4000 key-int-max={a.rate} ! "
            "rtph264pay name=pay0 pt=96 config-interval=1 )"
        )
        self.set_shared(True)
        self.connect("media-configure", self.configured)

    def configured(self, _, media) -> None:
        source = media.get_element().get_by_name("source")
        source.set_property("max-buffers", 1)
        sent = 0

        def push(source, _) -> None:
            nonlocal sent
            a = self.a
            count = len(self.pictures)
            number = 1 + sent % (count - 1)
            if a.every:
                number = number_at(time.time(), count, a.rate, a.every, a.shown)
            buffer = Gst.Buffer.new_wrapped(self.pictures[number])
            buffer.duration = Gst.SECOND // a.rate
            buffer.pts = sent * buffer.duration
            sent += 1
            source.emit("push-buffer", buffer)

        source.connect("need-data", push)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("width", type=int)
    parser.add_argument("height", type=int)
    parser.add_argument("--port", type=int, default=8554)
    parser.add_argument("--rate", type=int, default=10, help="pictures a second [10]")
    parser.add_argument("--every", type=float, default=0.0)
    parser.add_argument("--shown", type=float, default=0.0)
    a = parser.parse_args()
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(str(a.port))
    server.get_mount_points().add_factory("/camera", Camera(a))
    server.attach(None)
    print("ready", flush=True)
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
