"""What the readers of video data sets share: clips, what is known of a data set, and listings."""

import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from ssmtl.core.errors import InputError
from ssmtl.core.store import digest
from ssmtl.media.video import VIDEO_SUFFIXES

FROM_MASKS = "from_masks"  # of tracks: the components of the masks


@dataclass(frozen=True)
class Clip:
    """One clip as a reader found it; paths start with the root that the reader was given."""

    split: str  # "train" or "test"
    name: str  # unique within its split
    source: str  # a video file, or a folder of images
    labels: str = ""  # the file or folder that its labels come from; "" for none
    tracks: str = ""  # the file of its ground-truth tracks; "" for none
    masks: str = ""  # the file or folder of its ground-truth masks; "" for none


@dataclass(frozen=True)
class Download:
    """A file that may be fetched automatically, with the SHA-256 that it must have."""

    url: str
    sha256: str


@dataclass(frozen=True)
class About:
    """What is known of a data set before any of its files is read."""

    title: str
    homepage: str
    terms: str
    # (clips, frames) per split, per variant; the variant is "" where there is only one
    expected: dict[str, dict[str, tuple[int, int]]] = field(default_factory=dict)
    downloads: tuple[Download, ...] = ()

    def expected_frames(self, variant: str = "") -> dict[str, int]:
        """The published number of frames per split; {} where none is published."""
        return {split: frames for split, (_, frames) in self.expected.get(variant, {}).items()}

    def not_found(self, root: Path, layout: str) -> InputError:
        """The error for a root that holds none of the layouts a reader knows."""
        return InputError(
            f"{root}: {self.title} is not here (looked for {layout}); get it from "
            f"{self.homepage} and unpack it into this folder, see docs/data.md"
        )


def shards_of(names: Iterable[str], count: int) -> dict[str, int]:
    """The shard of each clip of a split, 0 to `count` - 1, nearly equal in size.

    In the order of their names, each clip goes to the first shard, in an order of its own, that is
    not full: that holds less than an equal share of the clips so far, rounded up, or less than 1.25
    times such a share. Hence a clip whose name comes last touches its own shard and no other; one
    that comes between others may move some of those behind it.
    """
    sizes = [0] * count
    shards = {}
    for place, name in enumerate(sorted(set(names), key=natural), 1):
        most = max(-(-place // count), 5 * place // (4 * count))
        liked = sorted(range(count), key=lambda shard: digest(name, shard))
        shards[name] = next(shard for shard in liked if sizes[shard] < most)
        sizes[shards[name]] += 1
    return shards


def natural(name: str) -> tuple[list[str | int], str]:
    """A key that sorts `clip 9` before `clip 10`."""
    parts = re.split(r"(\d+)", name, flags=re.ASCII)
    return [int(part) if place % 2 else part for place, part in enumerate(parts)], name


def listing_digest(clips: Iterable[Clip]) -> str:
    """A hash that changes when a clip is added, removed, renamed or of another size.

    Modification times do not count, so that a copied data set is not computed again.
    """
    return digest([[c.split, c.name, c.source, *source_size(Path(c.source))] for c in clips])


def source_size(source: Path) -> tuple[int, int]:
    """The number of files and their bytes: of a folder's own files, or of one file."""
    try:
        if not source.is_dir():
            return 1, source.stat().st_size
        with os.scandir(source) as entries:
            sizes = [entry.stat().st_size for entry in entries if entry.is_file()]
    except FileNotFoundError as error:
        raise InputError(
            f"{error.filename}: no such file or folder; fetch it again, or make the manifest again "
            "if it was taken away"
        ) from error
    return len(sizes), sum(sizes)


def labels_digest(clips: Iterable[Clip]) -> str:
    """A hash of every file that the clips' labels come from, and of where tracks and masks lie."""
    clips = list(clips)
    paths = sorted({c.labels for c in clips if c.labels})
    files = [file for path in paths for file in files_of(Path(path))]
    contents = [[str(file), digest(file.read_bytes())] for file in files]
    return digest(contents, [[c.tracks, c.masks] for c in clips])


def files_of(path: Path) -> list[Path]:
    """The file itself, or every file under a folder, sorted."""
    return sorted(f for f in path.rglob("*") if f.is_file()) if path.is_dir() else [path]


def find_folder(root: Path, accepted: Callable[[Path], bool]) -> Path | None:
    """The first accepted folder among `root` and two levels below it, the nearest first.

    Archives unpack into folders of their own, so a data set may lie a little deeper than `root`.
    """
    return next((folder for folder in folders_within(Path(root)) if accepted(folder)), None)


def folders_within(root: Path) -> Iterator[Path]:
    level = [root] if root.is_dir() else []
    yield from level
    for _ in range(2):
        level = [child for folder in level for child in sorted(folder.iterdir()) if child.is_dir()]
        yield from level


def clips_in(folder: Path, split: str, pattern: str = ".*") -> list[Clip]:
    """Clips without labels: the video files and subfolders of a folder, sorted by name.

    Hidden entries, other files, and names that do not match the regular expression `pattern` in
    full are left out; a folder that is not there has no clips.
    """
    entries = sorted(folder.iterdir()) if folder.is_dir() else []
    sources = [entry for entry in entries if entry.name[0] != "." and is_source(entry)]
    clips = [Clip(split, clip_name(source), str(source)) for source in sources]
    return [clip for clip in clips if re.fullmatch(pattern, clip.name)]


def left_out(folder: Path) -> str:
    """The files of a folder of clips that are none by their names, a few of them named; "" for
    none. What is hidden is left out on purpose."""
    entries = sorted(folder.iterdir()) if folder.is_dir() else []
    names = [e.name for e in entries if e.name[0] != "." and not is_source(e)]
    return ascii_list(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def ascii_list(names: list[str]) -> str:
    return ", ".join(name if name.isprintable() else ascii(name) for name in names)


def is_source(path: Path) -> bool:
    return path.suffix.lower() in VIDEO_SUFFIXES or path.is_dir()


def clip_name(source: Path) -> str:
    """A folder's name, or a video file's name without its suffix."""
    name = source.name if source.is_dir() else source.stem
    if not name.isprintable():
        raise InputError(f"{source!a}: unprintable characters in the clip's name; rename it")
    return name


def clip_number(name: str) -> int:
    """The last run of digits in a name: 7 for `Test007`, `07` and `7_label`."""
    digits = re.findall(r"\d+", name)
    if not digits:
        raise InputError(f"clip {name}: no number in its name to match labels by; rename it")
    return int(digits[-1])


def first_existing(*paths: Path) -> str:
    """The first path that exists, as text; "" if none does."""
    return next((str(path) for path in paths if path.exists()), "")


def track_file(base: Path, clip: str) -> str:
    """The clip's ground-truth tracks, `<base>/tracks/<clip>.txt` or `.csv`, if there are any."""
    return first_existing(base / "tracks" / f"{clip}.txt", base / "tracks" / f"{clip}.csv")


def numbered_track_file(base: Path, clip: str) -> str:
    """As `track_file`, or else the `tracks/*_gt.txt` with the clip's number, as MERL names them."""
    files = sorted((base / "tracks").glob("*_gt.txt"))
    numbered = (file for file in files if clip_number(file.stem) == clip_number(clip))
    return track_file(base, clip) or first_existing(*numbered)


def with_tracks(clips: list[Clip], tracks: str) -> list[Clip]:
    """The clips with tracks as the option `tracks` asks: `files`, or `from_masks` [D]."""
    if tracks not in ("files", FROM_MASKS):
        raise InputError(f"options.tracks '{tracks}': expected files or {FROM_MASKS}")
    if tracks == "files":
        return clips
    return [replace(clip, tracks=clip.masks) for clip in clips]


def mask_file(base: Path, clip: str) -> str:
    """The clip's ground-truth masks: the folder `<base>/masks/<clip>`, or that name with `.npy`."""
    return first_existing(base / "masks" / clip, base / "masks" / f"{clip}.npy")
