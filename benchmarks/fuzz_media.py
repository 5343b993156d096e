"""Broken pictures and video: each is refused with one line, or read with what is missing said.

    PYTHONPATH=workflow python benchmarks/fuzz_media.py --seconds 60

Files are made, then bytes of them are overwritten, taken away, doubled or cut off. A traceback, a
hang, a signal (each file is read in a process of its own kind) or a frame lost in silence fails:
frames and what is said to be missing must be as many as were written, where the container tells.
"""

import argparse
import json
import multiprocessing
import tempfile
import time
from collections import Counter
from pathlib import Path

import av
import cv2
import numpy as np

from ssmtl.core.errors import InputError
from ssmtl.media import codec, video
from ssmtl.media.images import ImageClip

FRAMES, HANG = 40, 60.0
VIDEOS = {
    ".mp4": "libx264",
    ".mkv": "libx264",
    ".ts": "libx264",
    ".avi": "mpeg4",
    ".mov": "mjpeg",
    ".mpg": "mpeg2video",
    ".flv": "flv1",
    ".webm": "libvpx-vp9",
}
IMAGES = (".png", ".jpg", ".bmp", ".tif")


def originals(folder: Path) -> list[Path]:
    """Whole files of each kind, of a few frames."""
    rng = np.random.default_rng(0)
    ground = rng.integers(0, 200, (48, 64, 3), np.uint8)
    paths = []
    for suffix, encoder in VIDEOS.items():
        path = folder / f"whole{suffix}"
        with av.open(str(path), "w") as container:
            stream = container.add_stream(encoder, rate=25)
            stream.height, stream.width = ground.shape[:2]
            stream.pix_fmt = "yuvj420p" if encoder == "mjpeg" else "yuv420p"
            for number in range(FRAMES):
                picture = np.roll(ground, number, 1) + np.uint8(number)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
            container.mux(stream.encode(None))
        paths.append(path)
    deep = rng.integers(0, 1 << 16, (48, 64), np.uint16)
    for suffix in IMAGES:
        paths.append(folder / f"whole{suffix}")
        cv2.imwrite(str(paths[-1]), ground)
    paths.append(folder / "deep.png")
    cv2.imwrite(str(paths[-1]), deep)
    return paths


def broken(data: bytes, rng: np.random.Generator) -> bytes:
    """The bytes with one to five changes."""
    data = bytearray(data)
    for _ in range(rng.integers(1, 6)):
        at = int(rng.integers(0, max(len(data), 1)))
        length = int(min(2 ** rng.integers(0, 12), max(len(data) - at, 1)))
        kind = rng.integers(0, 6)
        if kind == 0:
            data[at : at + length] = rng.integers(0, 256, length, np.uint8).tobytes()
        elif kind == 1:
            del data[at : at + length]
        elif kind == 2:
            data[at:at] = data[at : at + length]
        elif kind == 3:
            del data[at:]
        elif kind == 4:
            data[at : at + 4] = rng.choice([b"\xff" * 4, b"\0" * 4, b"\x7f" + b"\xff" * 3])
        elif data:
            data[min(at, len(data) - 1)] ^= 1 << int(rng.integers(0, 8))
    return bytes(data)


def read(path: Path) -> str:
    """What comes of a file: "refused", "read", "read, damage said", or what is wrong."""
    try:
        if path.suffix in VIDEOS:
            return read_video(path)
        clip = ImageClip(path.parent)
        picture = clip.load(0)[1]
        assert picture.dtype == np.uint8 and picture.ndim == 3
        codec.encode_png(picture)
    except InputError as error:
        return "refused" if "\n" not in str(error) else f"wrong: {error}"
    except Exception as error:
        return f"wrong: {type(error).__name__}: {error}"
    return "read"


def read_video(path: Path) -> str:
    promised = video.probe_video(path)
    frames, lost, said, last = 0, 0, False, -1.0
    for item in video.video_frames(path):
        if isinstance(item, video.Missing):
            said, lost = True, lost + item.frames
            continue
        assert item.picture.dtype == np.uint8 and item.picture.shape[2] == 3
        assert item.time > last or frames == 0, f"time {item.time} behind {last}"
        frames, last = frames + 1, item.time
    assert promised.frames > 0 and 0 < promised.fps <= video.FASTEST
    # The stage frames refuses fewer than promised; more are its error.
    if frames > promised.frames:
        return f"more than promised: {frames} of {promised.frames}"
    return "read, damage said" if said or frames < promised.frames else "read"


def worker(folder: Path, seed: int, seconds: float, pipe) -> None:
    rng, end = np.random.default_rng(seed), time.monotonic() + seconds
    whole = [(path.suffix, path.read_bytes()) for path in originals(folder)]
    place = folder / "broken"
    place.mkdir()
    while time.monotonic() < end:
        suffix, data = whole[rng.integers(0, len(whole))]
        path = place / f"1{suffix}"
        path.write_bytes(broken(data, rng))
        pipe.send((suffix, None))
        pipe.send((suffix, read(path)))
        path.unlink()
    pipe.send(None)


def fuzz(seconds: float, seed: int, keep: Path | None = None) -> dict:
    """Counts of what came of the files; `failures` has what must not be."""
    counts, failures = Counter(), []
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        with tempfile.TemporaryDirectory() as folder:
            ours, theirs = multiprocessing.Pipe()
            arguments = (Path(folder), seed, left, theirs)
            process = multiprocessing.Process(target=worker, args=arguments)
            process.start()
            theirs.close()
            problem = listen(ours, counts, failures)
            if problem:
                failures.append(problem)
                process.kill()
            process.join()
            if (problem or failures) and keep:
                for path in Path(folder).glob("broken/*"):
                    (keep / f"{seed}{path.suffix}").write_bytes(path.read_bytes())
        seed += 1
    return {"files": sum(counts.values()), "counts": dict(counts), "failures": failures}


def listen(pipe, counts: Counter, failures: list) -> str | None:
    """Takes what a worker says; what is wrong where it falls silent or dies."""
    at = "start"
    while True:
        try:
            if not pipe.poll(HANG):
                return f"hang over {HANG:g} s in {at}"
            message = pipe.recv()
        except EOFError:
            return f"died of a signal in {at}"
        if message is None:
            return None
        at, outcome = message
        if outcome:
            counts[f"{at}: {outcome.partition(':')[0]}"] += 1
            if outcome.startswith("wrong"):
                failures.append(f"{at}: {outcome}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="folder for files that fail")
    options = parser.parse_args()
    result = fuzz(options.seconds, options.seed, options.keep)
    print(json.dumps(result, indent=1))
    raise SystemExit(bool(result["failures"]))
