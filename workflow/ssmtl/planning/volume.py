"""`ssmtl plan`: what a data set will take of disk and time, before anything runs.

Sizes follow from the formats; times from the rates that benchmarks measured (docs/performance.md).
"""

import math
from dataclasses import dataclass
from pathlib import Path

from ssmtl import config as tree
from ssmtl.core.errors import InputError
from ssmtl.core.machine import cores, has_gpu
from ssmtl.datasets import video as readers
from ssmtl.datasets.clips import Clip, source_size
from ssmtl.stages.manifest import list_clips, probe, without

GB, HOUR = 1e9, 3600
RESNET = 1000  # outputs of the first teacher
ROW = 40  # bytes of an object beside its pixels and classes: frame, box, confidence, class
# Bytes a pixel of a stored frame, JPEG of quality 95 and by how much a step of quality changes it;
# an image that is JPEG already is copied.
PNG, JPEG, STEP = 1.6, 0.5, 1.07
# Of the bytes of raw crops (docs/methods.md, Storage of cubes).
STORED = {"raw": 1.0, "lzf": 0.9, "gzip": 0.35, "jpeg": 0.1}
# Frames, objects or steps' objects a second: of one core, and of a GPU with 16 cores beside it.
RATES = {
    "cpu": {"frames": 450, "detect": 10, "cubes": 500, "teachers": 10, "train": 30, "score": 45},
    "gpu": {
        "frames": 5000,
        "detect": 1500,
        "cubes": 5000,
        "teachers": 2000,
        "train": 4000,
        "score": 10000,
    },
}


@dataclass(frozen=True)
class Footage:
    """The clips of a split: how many, their frames, what they take, and the pixels of a frame."""

    clips: int
    frames: int
    bytes: int
    pixels: int
    coded: bool  # whether the frames are JPEG images already


@dataclass(frozen=True)
class Share:
    """What a stage makes of a split: `items` (frames or objects), GB of its file, and hours."""

    stage: str
    split: str
    items: int
    gigabytes: float
    hours: float


def plan(
    config: dict, name: str, footage: dict[str, Footage], objects: float, device: str, units: int
) -> list[Share]:
    """The stages of a data set's first model, in their order.

    objects: a frame, on average; device: cpu or gpu; units: cores, or GPUs.
    """
    data = tree.dataset(config, name)
    stages = ("frames", "detect", "cubes", "teachers", "train")
    found = {stage: tree.settings(config, stage, name, data["models"][0]) for stage in stages}
    rates = {stage: rate * units for stage, rate in RATES[device].items()}
    shares = []

    def add(stage: str, split: str, items: float, size: float, work: float | None = None) -> None:
        seconds = (items if work is None else work) / rates[stage]
        shares.append(Share(stage, split, round(items), size / GB, seconds / HOUR))

    for split, film in footage.items():
        frames, count = film.frames, film.frames * objects
        add("frames", split, frames, film.bytes if film.coded else coded(film, found["frames"]))
        add("detect", split, frames, count * (ROW + 4 * 80))
        if split == "train":
            cubes = math.ceil(count / found["cubes"]["train_stride"])
            if found["cubes"]["train_max"]:
                cubes = min(cubes, film.clips * found["cubes"]["train_max"])
        else:
            cubes = 0 if data["from_frames"] else count
        add("cubes", split, cubes, cubes * cube_bytes(found["cubes"], split))
        outputs = 80 + (RESNET if split == "train" else 0)
        add("teachers", split, cubes, cubes * 4 * outputs, cubes if split == "train" else 0)
        if split == "train":
            seen = found["train"]["cubes_seen"] or found["train"]["epochs"] * cubes
            add("train", split, cubes, 0, seen)
        else:
            add("score", split, count, count * ROW)
    return shares


def coded(film: Footage, settings: dict) -> float:
    """Bytes of the frames of videos, as the stage frames stores them."""
    lossy = JPEG * STEP ** (settings["quality"] - 95)
    return film.frames * film.pixels * (PNG if settings["encoding"] == "png" else lossy)


def cube_bytes(settings: dict, split: str) -> float:
    """Bytes of a stored cube; of the training split with the frames of intermittent ones."""
    reach = settings["radius"] * (settings["max_gap"] if split == "train" else 1)
    return (2 * reach + 1) * settings["size"] ** 2 * 3 * STORED[settings["storage"]]


def footage_of(config: dict, name: str) -> dict[str, Footage]:
    """What is in a data set's folder, by split; where nothing is, what is published of it.

    Raises InputError for a data set that is neither here nor published.
    """
    if name not in config.get("datasets", {}):
        known = ", ".join(config.get("datasets", {}))
        raise InputError(
            f"plan: no data set of video '{name}' in the configuration; it has {known}"
        )
    data = tree.dataset(config, name)
    module = readers.reader(data["reader"])
    if not Path(data["path"]).exists() and module.ABOUT.expected:
        published = module.ABOUT.expected[data["options"].get("variant", "")]
        pixels = 856 * 480
        return {
            split: Footage(clips, frames, 0, pixels, False)
            for split, (clips, frames) in published.items()
        }
    clips = without(list_clips(module, Path(data["path"]), data["options"]), data["exclude"], name)
    splits = {split: [c for c in clips if c.split == split] for split in data["splits"]}
    return {split: filmed(some, data["fps"]) for split, some in splits.items() if some}


def filmed(clips: list[Clip], fps: float) -> Footage:
    sources = [Path(clip.source) for clip in clips]
    found = [probe(source, fps) for source in sources]
    return Footage(
        len(clips),
        sum(each[0] for each in found),
        sum(source_size(source)[1] for source in sources),
        max(each[2] * each[3] for each in found),
        all(source.is_dir() and any(source.glob("*.jp*g")) for source in sources),
    )


def table(name: str, footage: dict[str, Footage], shares: list[Share], objects: float) -> str:
    """The plan as text."""
    lines = [
        f"{name}, {split}: {film.clips} clips, {film.frames:,} frames"
        for split, film in footage.items()
    ]
    lines.append(f"{objects:g} objects a frame (--objects); the first model of the data set")
    lines.append(f"{'stage':<10}{'split':<7}{'items':>12}{'GB':>9}{'hours':>9}")
    for share in shares:
        size = f"{share.gigabytes:.2f}" if share.gigabytes else "-"
        lines.append(
            f"{share.stage:<10}{share.split:<7}{share.items:>12,}{size:>9}{share.hours:>9.2f}"
        )
    gigabytes, hours = (sum(getattr(s, key) for s in shares) for key in ("gigabytes", "hours"))
    lines.append(f"{'together':<29}{gigabytes:>9.1f}{hours:>9.1f}")
    lines.append("While a file is made, a shard of it stands on the disk twice (shards).")
    return "\n".join(lines)


def device_and_units() -> tuple[str, int]:
    """What the stages would compute on here."""
    return ("gpu", 1) if has_gpu() else ("cpu", cores())
