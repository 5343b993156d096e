"""Stage frames: clips of JPEG images (copied) and of H.264 video (decoded, coded again as JPEG)."""

from pathlib import Path

import av
import cv2
import synthetic
from measure import Case, best

UNIT = "frames"
DEVICES = ("cpu",)
CLIPS, IMAGES, FILMED = 4, 500, 200  # clips of each kind, frames in each


def prepare(folder: Path, scale: float) -> None:
    for number in range(CLIPS):
        name = f"{number:02d}"
        synthetic.write_images(folder / "images" / "test" / name, round(IMAGES * scale))
        synthetic.write_video(folder / "video" / "test" / f"{name}.mp4", round(FILMED * scale))
    for kind in ("images", "video"):
        synthetic.write_manifest(folder / kind)


def stage(kind: str):
    def run(folder: Path) -> tuple[int, float]:
        output = folder / f"{kind}.h5"

        def work() -> int:
            manifest = ("--manifest", folder / kind / "clips.csv")
            synthetic.run("frames", output, *manifest, "--split", "test", "--shard", 0)
            return synthetic.frames_in(output)

        return best(work, before=lambda: output.unlink(missing_ok=True))

    return run


def decoded_images(folder: Path) -> tuple[int, float]:
    """OpenCV decodes every file, on all cores: what checking each file cannot do without."""
    files = sorted((folder / "images").rglob("*.jpg"))
    return best(lambda: synthetic.on_all_cores(lambda file: cv2.imread(str(file)), files))


def decoded_video(folder: Path) -> tuple[int, float]:
    """PyAV decodes every file to RGB, on all cores, one thread a file."""

    def decode(path: Path) -> int:
        with av.open(str(path)) as container:
            container.streams.video[0].thread_type = "NONE"
            return sum(
                1 for frame in container.decode(video=0) if len(frame.to_ndarray(format="rgb24"))
            )

    files = sorted((folder / "video").rglob("*.mp4"))
    return best(lambda: sum(synthetic.mapped_on_all_cores(decode, files)))


CASES = [
    Case("ours", "images", "JPEG images, 360x240", stage("images")),
    Case("limit", "images", "decoding alone (cv2)", decoded_images),
    Case("ours", "video", "H.264 to JPEG, 360x240", stage("video")),
    Case("limit", "video", "decoding alone (PyAV)", decoded_video),
]
