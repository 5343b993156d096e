"""Video streams for the tests: files of known pixels, and an HTTP server on this machine alone."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import av
import numpy as np

from ssmtl.media.video import Frame

LOSSLESS = {
    ".ts": ("libx264rgb", "rgb24"),
    ".mkv": ("ffv1", "bgr0"),
    ".mp4": ("libx264rgb", "rgb24"),
}

SECRET = "S3cretPw"
# Addresses of cameras with a secret {s}, in front of the host {h} and in any place behind it.
ADDRESSES = (
    "http://admin:{s}@{h}/a.ts",
    "http://admin:pa%23{s}@{h}/a.ts",
    "http://admin:pa#{s}@{h}/a.ts",
    "http://admin:pa/{s}@{h}/a.ts",
    "http://admin:pa?{s}@{h}/a.ts",
    "http://admin:pa[{s}@{h}/a.ts",
    "http://admin:pä{s}@{h}/a.ts",
    "http://{s}@{h}/a.ts",
    "http://admin:x@{s}@{h}/a.ts",
    "http://{h}/v.cgi?user=admin&password={s}",
    "http://{h}/user=admin&password={s}&channel=1",
    "http://{h}/{s}/live.ts?mail=a@b",
    "http://{h}/a.ts#{s}",
    "http://{h}/ключ-{s}",
)


def write_lossless(
    path: Path, pictures: list[np.ndarray], fps: int = 25, times: list[float] | None = None
) -> Path:
    """A video whose frames decode to exactly these pictures, uint8 (H, W, 3) RGB.

    times: seconds of each frame, to milliseconds, where the rate varies.
    """
    codec, layout = LOSSLESS[path.suffix]
    with av.open(str(path), "w") as container:
        options = {"crf": "0", "g": "10", "bf": "0"} if codec == "libx264rgb" else {}
        stream = container.add_stream(codec, rate=fps, options=options)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = layout
        if times:
            stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture)
            if times:
                frame.time_base, frame.pts = Fraction(1, 1000), round(1000 * times[number])
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def at_rate(pictures, fps: float = 25.0) -> list[Frame]:
    """Pictures as the frames of a stream of constant rate."""
    return [Frame(picture, number / fps) for number, picture in enumerate(pictures)]


def with_sound(path: Path, pictures: list[np.ndarray], seconds: float) -> tuple[bytes, int]:
    """A transport stream whose pictures stop while its sound goes on, and where they stop."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264rgb", rate=25, options={"crf": "0", "bf": "0"})
        video.height, video.width = pictures[0].shape[:2]
        video.pix_fmt = "rgb24"
        sound = container.add_stream("mp2", rate=48000)
        for picture in pictures:
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture)))
        container.mux(video.encode(None))
        silence = np.zeros((1, 2 * 1152), np.int16)
        for number in range(round(seconds * 48000 / 1152)):
            frame = av.AudioFrame.from_ndarray(silence, format="s16", layout="stereo")
            frame.rate, frame.pts, frame.time_base = 48000, 1152 * number, Fraction(1, 48000)
            container.mux(sound.encode(frame))
    data = path.read_bytes()
    with av.open(str(path)) as container:
        last = max(p.pos + p.size for p in container.demux(video=0) if p.size)
    return data, last


@contextmanager
def served(answers: list[dict], forever: bool = False) -> Iterator[str]:
    """The URL of a server on 127.0.0.1 that gives one answer per connection, and then 404.

    An answer: `body`, bytes; `length`, whether their number is said, as of a recording; `stall`,
    seconds of silence before the connection is closed; `pieces`, more bytes, one `every` so many
    seconds; `type`, what the content is called. With `forever` the last answer is given again.
    """
    waiting, lock, ending = list(answers), threading.Lock(), threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            with lock:
                again = forever and len(waiting) == 1
                answer = waiting[0] if again else waiting.pop(0) if waiting else None
            if answer is None:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Type", answer.get("type", "video/mp2t"))
            if answer.get("length"):
                self.send_header("Content-Length", str(len(answer["body"])))
            self.end_headers()
            self.wfile.write(answer["body"])
            self.wfile.flush()
            for piece in answer.get("pieces", ()):
                if ending.wait(answer["every"]):
                    return
                try:
                    self.wfile.write(piece)
                except OSError:  # whoever watched has gone
                    return
            ending.wait(answer.get("stall", 0))

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/camera.ts"
    finally:
        ending.set()
        server.shutdown()
        server.server_close()
        thread.join()
