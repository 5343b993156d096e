"""Stage cubes: frames.h5 + detections.h5 -> cubes.h5, at test length 7 and training length 25.

The rival goes object by object: it reads every image of the object's window from disk, cuts out
the box, resizes it with OpenCV and writes the cube as one .npy file.
"""

import time
from pathlib import Path

import cv2
import h5py
import numpy as np
import synthetic
from measure import Case, best

from ssmtl.formats.cubes import open_cubes

UNIT = "cubes"
DEVICES = ("cpu", "cuda")
FRAMES, SIZE, RADIUS = 250, 64, 3
RIVAL_EVERY = 20  # objects that the rival leaves out for one that it takes


def prepare(folder: Path, scale: float) -> None:
    synthetic.write_clip(folder, round(FRAMES * scale))


def stage(split: str, storage: str = "raw"):
    def run(folder: Path) -> tuple[int, float]:
        output = folder / f"{split}{'' if storage == 'raw' else storage}.h5"
        how = ("--split", split, "--size", SIZE, "--storage", storage)
        files = ("--frames", folder / "frames.h5", "--detections", folder / "detections.h5")

        def work() -> int:
            synthetic.run("cubes", output, *files, *how)
            with h5py.File(output) as file:
                return len(file["clip"]["frame"])

        return best(work, before=lambda: output.unlink(missing_ok=True))

    return run


def memory_copy(split: str):
    """Copying as many bytes as the cubes have, once: a memory's bandwidth, reading and writing."""

    def run(folder: Path) -> tuple[int, float]:
        with h5py.File(folder / f"{split}.h5") as file:
            shape = file["clip"]["cubes"].shape
        block = np.ones((256, *shape[1:]), np.uint8)
        target = np.empty_like(block)

        def work() -> int:
            for _ in range(0, shape[0], len(block)):
                np.copyto(target, block)
            return -(-shape[0] // len(block)) * len(block)

        return best(work)

    return run


def one_by_one(folder: Path) -> tuple[int, float]:
    """The loop over objects; with every RIVAL_EVERY-th, since it is slow."""
    files = sorted((folder / "test" / "clip").iterdir())
    target = folder / "rival"
    target.mkdir(exist_ok=True)
    with h5py.File(folder / "test.h5") as file:
        frame, box = (file["clip"][name][::RIVAL_EVERY] for name in ("frame", "box"))

    def work() -> int:
        for number, (middle, (x1, y1, x2, y2)) in enumerate(
            zip(frame, box.astype(int), strict=True)
        ):
            crops = []
            for path in files[middle - RADIUS : middle + RADIUS + 1]:
                picture = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
                crops.append(cv2.resize(picture[y1:y2, x1:x2], (SIZE, SIZE)))
            np.save(target / f"{number}.npy", np.stack(crops))
        return len(frame)

    return best(work)


def agreement(folder: Path) -> dict:
    """Pixels against OpenCV's, away from the crop's edge, where OpenCV repeats the last pixel."""
    with h5py.File(folder / "test.h5") as file:
        ours = file["clip"]["cubes"][::RIVAL_EVERY]
    theirs = np.stack([np.load(folder / "rival" / f"{n}.npy") for n in range(len(ours))])
    edge = SIZE // 14 + 1  # half a pixel of a box that is 14 or more pixels wide
    apart = np.abs(ours.astype(int) - theirs)[:, :, edge:-edge, edge:-edge]
    assert apart.max() <= 2, f"pixels differ by {apart.max()}"
    return {"cubes": len(ours), "largest_difference": int(apart.max())}


def share_of_raw(storage: str):
    """Bytes of the compressed file over those of the raw one, and how far its pixels are off."""

    def run(folder: Path) -> dict:
        raw, packed = folder / "test.h5", folder / f"test{storage}.h5"
        with h5py.File(raw) as one, h5py.File(packed) as other:
            start = time.perf_counter()
            pixels = open_cubes(other["clip"])[:]
            seconds = time.perf_counter() - start
            apart = pixels.astype(np.int16) - one["clip"]["cubes"][:]
        assert storage == "jpeg" or not apart.any()
        return {
            "size_over_raw": round(packed.stat().st_size / raw.stat().st_size, 3),
            "read_per_second": round(len(pixels) / seconds),
            "root_mean_square_error": round(
                float(np.sqrt(np.square(apart, dtype=float).mean())), 2
            ),
        }

    return run


CASES = [
    Case("ours", "test", f"7 x {SIZE} x {SIZE}, 10 objects a frame", stage("test")),
    Case("limit", "test", "a memory copy", memory_copy("test")),
    Case("rival", "test", "imread and resize per object", one_by_one),
    Case("check", "test", "the same pixels", agreement),
    Case("ours", "lzf", "the same, compressed by lzf", stage("test", "lzf")),
    Case("check", "lzf", "equal pixels", share_of_raw("lzf")),
    Case("ours", "gzip", "the same, compressed by gzip", stage("test", "gzip")),
    Case("check", "gzip", "equal pixels", share_of_raw("gzip")),
    Case("ours", "jpeg", "the same as JPEG", stage("test", "jpeg")),
    Case("check", "jpeg", "nearly the same pixels", share_of_raw("jpeg")),
    Case("ours", "train", f"25 x {SIZE} x {SIZE}, 10 objects a frame", stage("train")),
    Case("limit", "train", "a memory copy", memory_copy("train")),
]
