"""The manifest: one row per clip of a data set, with all that later stages need to know of it."""

import inspect
import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import pandas as pd

from ssmtl.core.errors import InputError
from ssmtl.datasets import video as datasets
from ssmtl.datasets.clips import Clip, left_out, shards_of, source_size
from ssmtl.datasets.labels import checked, csv_clips
from ssmtl.formats.labels import format_labels
from ssmtl.formats.manifest import COLUMNS, SPLITS
from ssmtl.formats.tables import write_csv
from ssmtl.media.codec import decode_depth
from ssmtl.media.images import image_files, read_image
from ssmtl.media.video import VideoInfo, probe_video

log = logging.getLogger(__name__)

SHOWN = 10  # names that a line has at most


def build_manifest(
    output: Path,
    *,
    dataset: str,
    reader: str,
    root: Path,
    options: dict,
    exclude: list[str],
    shards: dict[str, int],
    expected_frames: dict[str, int] | None,
    allow_partial: bool,
    fps: float,
    splits: Sequence[str] = SPLITS,
    boxes: dict[str, str] | None = None,
) -> None:
    """Lists a data set's clips, probes each of them, and writes `output` (CSV, columns COLUMNS).

    Only the clips of `splits` count.

    `shards` has the number of shards per split, `exclude` names clips to leave out (`02`, or
    `test/02` where both splits have a clip of that name), and `fps` is the rate of clips that
    are folders of images. `boxes` has the CSV of imported boxes per split; clips that it or a CSV
    of labels names, and that are not there, are said. The frames per split are compared with
    `expected_frames`, or, where that is None, with what the reader knows of the published data
    set. Raises InputError for anything missing, repeated or of the wrong length; with
    `allow_partial` a wrong total is a warning only.
    """
    module = datasets.reader(reader)
    placed = placed_clips(module, root, options, exclude, shards, splits, dataset)
    rows = []
    for clip, shard in placed:
        row = row_of(clip, shard, fps)
        truth = {"labels": labels_of(clip, module, row["frames"]), "tracks": clip.tracks}
        rows.append(row | truth | {"masks": clip.masks})
    manifest = pd.DataFrame(rows, columns=COLUMNS)
    if expected_frames is None:
        expected_frames = module.ABOUT.expected_frames(options.get("variant", ""))
    expected = {split: count for split, count in expected_frames.items() if split in splits}
    check_totals(manifest, expected, allow_partial, f"{root}: {dataset}")
    report(manifest, dataset)
    excluded = [name.rpartition("/")[2] for name in exclude]
    say_strangers([clip for clip, _ in placed], excluded, boxes or {})
    for folder in sorted({Path(clip.source).parent for clip, _ in placed}):
        if names := left_out(folder):
            log.info("%s: left out, no clips by their names: %s", folder, names)
    write_csv(output, manifest, None)


def write_clips(
    output: Path,
    *,
    dataset: str,
    reader: str,
    root: Path,
    options: dict,
    exclude: list[str],
    split: str,
    shard: int,
    count: int,
    fps: float,
) -> None:
    """Writes the rows of one shard of `count`, without the truth, which frames do not depend on."""
    module = datasets.reader(reader)
    placed = placed_clips(module, root, options, exclude, {split: count}, [split], dataset)
    rows = [row_of(clip, place, fps) for clip, place in placed if place == shard]
    write_csv(output, pd.DataFrame(rows, columns=COLUMNS).fillna(""), None)


def placed_clips(
    module: ModuleType,
    root: Path,
    options: dict,
    exclude: list[str],
    shards: dict[str, int],
    splits: Sequence[str],
    dataset: str,
) -> list[tuple[Clip, int]]:
    """The clips of some splits, but for the excluded ones, each with its shard.

    Excluded clips keep their shards, so that leaving one out moves no other.
    """
    clips = [clip for clip in list_clips(module, root, options) if clip.split in splits]
    assigned = {
        split: shards_of((clip.name for clip in clips if clip.split == split), shards[split])
        for split in splits
    }
    others = [split for split in SPLITS if split not in splits]
    exclude = [name for name in exclude if name.split("/")[0] not in others]
    clips = without(clips, exclude, dataset)
    check_names(clips, root, splits)
    return [(clip, assigned[clip.split][clip.name]) for clip in clips]


def list_clips(module: ModuleType, root: Path, options: dict) -> list[Clip]:
    """The reader's clips, training first, each split sorted by name."""
    try:
        inspect.signature(module.list_clips).bind(root, **options)
    except TypeError as error:
        name = module.__name__.rpartition(".")[2]
        raise InputError(f"options of the data set reader '{name}': {error}") from error
    clips = module.list_clips(Path(root), **options)
    return sorted(clips, key=lambda clip: (SPLITS.index(clip.split), clip.name))


def without(clips: list[Clip], exclude: list[str], dataset: str) -> list[Clip]:
    """The clips but for the excluded ones, each of which must name exactly one clip."""
    excluded = set()
    for name in exclude:
        found = [clip for clip in clips if name in (clip.name, f"{clip.split}/{clip.name}")]
        if not found:
            raise InputError(f"datasets.{dataset}.exclude: there is no clip '{name}'")
        if len(found) > 1:
            raise InputError(
                f"datasets.{dataset}.exclude: '{name}' is in both splits; "
                f"write train/{name} or test/{name}"
            )
        excluded.update(found)
    return [clip for clip in clips if clip not in excluded]


def check_names(clips: list[Clip], root: Path, splits: Sequence[str]) -> None:
    """Raises InputError for a name that a split has twice, and for a split without clips."""
    counts = Counter((clip.split, clip.name) for clip in clips)
    for (split, name), count in counts.items():
        if count > 1:
            sources = " and ".join(c.source for c in clips if (c.split, c.name) == (split, name))
            raise InputError(f"{sources}: one name for {count} {split} clips; rename one of them")
    for split in splits:
        if not any(clip.split == split for clip in clips):
            raise InputError(f"{root}: no clips in the {split} split; add some")


def row_of(clip: Clip, shard: int, fps: float) -> dict:
    """A clip's row of the manifest, without the truth."""
    frames, rate, width, height = probe(Path(clip.source), fps)
    return {
        "split": clip.split,
        "shard": shard,
        "clip": clip.name,
        "source": clip.source,
        "frames": frames,
        "fps": rate,
        "width": width,
        "height": height,
    }


def labels_of(clip: Clip, module: ModuleType, frames: int) -> str:
    """A clip's labels, as the manifest has them."""
    labels = module.frame_labels(clip, frames)
    if labels:
        checked(labels, clip.name, frames, Path(clip.labels or clip.source))
    return format_labels(labels)


def probe(source: Path, fps: float) -> VideoInfo:
    """What a clip holds; decodes little unless a video is an odd one."""
    if not source.is_dir():
        return probe_video(source)
    files = image_files(source)
    height, width, _ = decode_depth(read_image(files[0]), str(files[0])).shape
    return VideoInfo(len(files), fps, width, height)


def check_totals(
    manifest: pd.DataFrame, expected: dict[str, int], allow_partial: bool, what: str
) -> None:
    """Compares each split's number of frames with the expected one."""
    for split, frames in expected.items():
        part = manifest[manifest.split == split]
        found = int(part.frames.sum())
        if found == frames:
            continue
        text = (
            f"{what}: the {split} split has {found} frames in {len(part)} clips, expected {frames}"
        )
        if not allow_partial:
            raise InputError(
                f"{text}; fetch what is missing, or set allow_partial: true to go on with this"
            )
        log.warning("%s; going on, since allow_partial is set", text)


def report(manifest: pd.DataFrame, dataset: str) -> None:
    """Logs what was found, and warns of test clips that no metric can count."""
    for split, part in manifest.groupby("split", sort=False):
        log.info("%s: %s: %d clips, %d frames", dataset, split, len(part), part.frames.sum())
    test = manifest[manifest.split == "test"]
    unlabelled = test[test.labels == ""]["clip"].tolist()
    if unlabelled:
        names = ", ".join(unlabelled[:5]) + (", ..." if len(unlabelled) > 5 else "")
        counts = f"{len(unlabelled)} of {len(test)} test clips"
        log.warning("%s: %s have no labels and count in no metric: %s", dataset, counts, names)
    if len(unlabelled) < len(test) and not test.labels.str.contains("-").any():
        log.warning("%s: no frame of a test clip is anomalous, so there will be no AUC", dataset)
    for train, again in in_both(manifest):
        log.warning(
            "%s: test clip %s is training clip %s; what a model learnt from says nothing of it, "
            "so exclude one of the two",
            *(dataset, again, train),
        )


def say_strangers(clips: list[Clip], excluded: list[str], boxes: dict[str, str]) -> None:
    """Says which clips the tables of labels and of boxes name that are not there."""
    known = {split: {*excluded, *(c.name for c in clips if c.split == split)} for split in SPLITS}
    labels = {c.labels for c in clips if c.labels and Path(c.labels).suffix.lower() == ".csv"}
    named = [(path, csv_clips(Path(path)), set.union(*known.values())) for path in sorted(labels)]
    for split, path in boxes.items():
        named.append((path, clips_with_boxes(path), known[split]))
    for path, found, there in named:
        if missing := sorted(found - there):
            shown = ", ".join(missing[:SHOWN]) + (", ..." if len(missing) > SHOWN else "")
            log.warning("%s: names %d clips that are not there: %s", path, len(missing), shown)


def clips_with_boxes(path: str) -> set[str]:
    """The clips that a CSV of boxes names; none where it is not readable, which detect says."""
    text = {"dtype": str, "keep_default_na": False, "skipinitialspace": True}
    try:
        return set(pd.read_csv(path, usecols=["clip"], encoding="utf-8-sig", **text)["clip"])
    except (OSError, ValueError):
        return set()


def in_both(manifest: pd.DataFrame) -> list[tuple[str, str]]:
    """The training and test clips that are the same footage, whatever their names are."""
    train, test = (manifest[manifest.split == split] for split in SPLITS)
    known: dict[tuple, list[pd.Series]] = {}
    for row in train.itertuples():
        known.setdefault((row.frames, source_size(Path(row.source))), []).append(row)
    found = []
    for row in test.itertuples():
        alike = known.get((row.frames, source_size(Path(row.source))), ())
        found += [(r.clip, row.clip) for r in alike if beginning(r.source) == beginning(row.source)]
    return found


def beginning(source: str) -> bytes:
    """The first bytes of a clip, enough to tell it from another of the same size."""
    path = Path(source)
    with open(image_files(path)[0] if path.is_dir() else path, "rb") as file:
        return file.read(1 << 20)
