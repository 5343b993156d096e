"""What `measure` is given, in whatever form, as arrays per clip.

Everything is a file, a folder, or objects in memory. Clips are named, or come in an order: then
they take the names of the labels, or else 01, 02, ...
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ssmtl.core.errors import InputError
from ssmtl.datasets import ground_truth
from ssmtl.datasets import labels as label_files
from ssmtl.datasets.clips import FROM_MASKS, Clip, clip_number
from ssmtl.datasets.ground_truth import Tracks, read_masks, read_tracks
from ssmtl.formats import foreign
from ssmtl.formats.labels import to_array
from ssmtl.formats.matlab import read_mat

ALIKE = (str, Path)  # what is a path


@dataclass(frozen=True)
class Footage:
    """Scores and ground truth of all clips by name, in one order.

    scores float64 (T,), labels bool (T,); boxes: of `foreign.BOXES`, frames ascending within a
    clip, None where there are none; tracks, masks (uint8 (T, H, W), or a path), maps float
    (T, H, W): {} where there are none.
    """

    scores: dict[str, np.ndarray]
    labels: dict[str, np.ndarray]
    boxes: dict[str, pd.DataFrame] | None
    tracks: dict[str, Tracks]
    masks: dict[str, Any]
    maps: dict[str, np.ndarray]


def gather(scores, labels, *, lengths=None, boxes=None, tracks=None, masks=None, maps=None):
    """The `Footage` of what was given; InputError where parts do not fit each other.

    Without frame scores a frame has the highest score of its boxes, 0 where it has none.
    """
    boxes = None if boxes is None else tables_of(boxes)
    lengths = lengths_of(lengths)
    if scores is None:
        counts = named(lengths, label_names(labels)) if lengths else None
        scores = scores_of_boxes(boxes, counts)
    scores = named(scores_of(scores, lengths), label_names(labels))
    truth = labels_of(labels, scores)
    if boxes is not None:
        check_boxes(boxes, scores)
        boxes = {clip: boxes[clip] for clip in scores if clip in boxes}
    anomalous = [clip for clip, label in truth.items() if label.any()]
    masks = {} if masks is None else entries(masks, scores, anomalous, "masks")
    if isinstance(tracks, ALIKE) and str(tracks) == FROM_MASKS:
        tracks = tracks_in(masks, scores)
    return Footage(
        scores,
        truth,
        boxes,
        {} if tracks is None else tracks_of(tracks, scores, anomalous),
        masks,
        {} if maps is None else maps_of(maps, scores),
    )


# ---------------------------------------------------------------- clips and their names


def named(values, names: list[str] | None) -> dict:
    """Values by name; a list takes `names` in their order, or else 01, 02, ..."""
    if isinstance(values, Mapping):
        return {str(name): value for name, value in values.items()}
    names = names or [f"{number:02d}" for number in range(1, len(values) + 1)]
    if len(names) != len(values):
        raise InputError(f"scores of {len(values)} clips, labels of {len(names)}: {names[:5]}")
    return dict(zip(names, values, strict=True))


def label_names(labels) -> list[str] | None:
    """The clips that labels name, None where they name none."""
    if isinstance(labels, Mapping):
        return [str(name) for name in labels]
    if isinstance(labels, pd.DataFrame):
        return foreign.ordered(labels["clip"].astype(str).unique())
    if isinstance(labels, ALIKE):
        path = Path(labels)
        if path.is_dir():
            return foreign.ordered({entry.stem for entry in path.iterdir() if entry.name[0] != "."})
        if path.suffix.lower() == ".csv":
            return foreign.ordered(label_files.csv_clips(path))
    return None


def entry_of(folder: Path, clip: str, what: str) -> Path | None:
    """A clip's own file or folder in a folder: that of its name, or the only one of its number."""
    found = [entry for entry in folder.iterdir() if clip in (entry.name, entry.stem)]
    if not found and any(letter.isdigit() for letter in clip):
        found = [
            entry
            for entry in folder.iterdir()
            if any(letter.isdigit() for letter in entry.stem)
            and clip_number(entry.stem) == clip_number(clip)
        ]
    if len(found) > 1:
        raise InputError(f"{folder}: {what} of clip {clip} twice, {found[0].name}, {found[1].name}")
    return found[0] if found else None


def entries(given, clips: Mapping, needed: list[str], what: str) -> dict[str, Any]:
    """What is there for each clip, by its name: of a folder, paths. Clips that are not `needed`
    may have nothing."""
    if isinstance(given, ALIKE):
        folder = Path(given)
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder of {what}; one file or folder per clip")
        each = ((clip, entry_of(folder, clip, what)) for clip in clips)
        found: dict[str, Any] = {clip: entry for clip, entry in each if entry is not None}
    else:
        found = named(given, list(clips))
    if missing := [clip for clip in needed if clip not in found]:
        raise InputError(f"no {what} of clip {missing[0]}, which has anomalous frames")
    if unknown := [clip for clip in found if clip not in clips]:
        raise InputError(f"{what} of clip {unknown[0]}, which has no scores")
    return found


# ---------------------------------------------------------------- scores


def lengths_of(given) -> dict[str, int] | list[int] | None:
    if given is None:
        return None
    if isinstance(given, Mapping):
        return {str(clip): int(frames) for clip, frames in given.items()}
    if isinstance(given, ALIKE):
        return foreign.read_lengths(Path(given))
    return foreign.checked_lengths(np.asarray(given), "lengths")


def scores_of(given, lengths) -> foreign.PerClip:
    """Frame scores per clip of anything that they may be given as."""
    if isinstance(given, ALIKE):
        return foreign.read_scores(Path(given), lengths)
    if isinstance(given, pd.DataFrame):
        return foreign.by_clip(typed(given, foreign.SCORES, "scores"), "scores")
    if isinstance(given, Mapping):
        return {str(clip): foreign.vector(v, f"scores of clip {clip}") for clip, v in given.items()}
    if isinstance(given, np.ndarray) and given.dtype != object:
        if lengths is None:
            raise InputError("scores: all clips in one array; give lengths, the frames of each")
        return foreign.end_to_end(foreign.vector(given, "scores"), lengths, "scores")
    return [foreign.vector(v, f"scores of clip {i}") for i, v in enumerate(given, 1)]


def scores_of_boxes(boxes: dict[str, pd.DataFrame] | None, lengths: Mapping | None) -> dict:
    """The highest score of the boxes of every frame, 0 in frames without any."""
    if boxes is None:
        raise InputError("nothing to measure; give scores of frames, or boxes with scores")
    if not lengths:
        raise InputError("boxes without frame scores: give the frames of every clip as lengths")
    found = {clip: np.zeros(frames) for clip, frames in lengths.items()}
    check_boxes(boxes, found)
    for clip, table in boxes.items():
        if (table["score"] < 0).any():
            raise InputError(
                f"boxes of clip {clip}: scores below 0, which is what frames without a box have; "
                "give frame scores too"
            )
        np.maximum.at(found[clip], table["frame"].to_numpy(), table["score"].to_numpy())
    return found


def typed(table: pd.DataFrame, columns: tuple[str, ...], what: str) -> pd.DataFrame:
    """A table in memory as `foreign.read_table` reads it from a file."""
    if missing := [name for name in columns if name not in table]:
        raise InputError(f"{what}: no column '{missing[0]}'; expected {', '.join(columns)}")
    kinds = {name: str if name == "clip" else float for name in columns}
    table = table[list(columns)].astype(kinds | {"frame": np.int64}).reset_index(drop=True)
    values = table.drop(columns="clip").to_numpy(float)
    if not np.isfinite(values).all():
        raise InputError(
            f"{what}: row {np.flatnonzero(~np.isfinite(values).all(1))[0]} has no number"
        )
    return table


def tables_of(given) -> dict[str, pd.DataFrame]:
    """Boxes per clip, frames ascending; a table in memory, or a CSV's path."""
    table = (
        foreign.read_boxes(Path(given))
        if isinstance(given, ALIKE)
        else typed(given, foreign.BOXES, "boxes")
    )
    table = table.sort_values("frame", kind="stable")
    return {clip: rows.reset_index(drop=True) for clip, rows in table.groupby("clip", sort=False)}


def check_boxes(boxes: dict[str, pd.DataFrame], clips: Mapping) -> None:
    for clip, table in boxes.items():
        if clip not in clips:
            raise InputError(f"boxes of clip {clip}, which has neither scores nor a length")
        if (last := int(table["frame"].max())) >= len(clips[clip]):
            raise InputError(f"boxes of clip {clip}: frame {last} of {len(clips[clip])} frames")


# ---------------------------------------------------------------- ground truth


def labels_of(given, scores: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """bool (T,) per clip of `scores`, of labels in any form that the project reads.

    A folder with a file or folder per clip, a CSV by frame or interval, a .mat or .m with a cell
    per clip, all clips in one array; in memory an array, a mapping or list with an array or
    intervals per clip, or a table. Raises InputError for a clip without labels.
    """
    if isinstance(given, pd.DataFrame):
        table = given.rename(columns={"anomalous": "score", "label": "score"})
        given = foreign.by_clip(typed(table, foreign.SCORES, "labels"), "labels")
    if isinstance(given, ALIKE):
        return labels_in(Path(given), scores)
    if isinstance(given, np.ndarray) and given.dtype != object and given.ndim == 1:
        lengths = {clip: len(values) for clip, values in scores.items()}
        given = foreign.end_to_end(foreign.vector(given, "labels"), lengths, "labels")
    found = entries(given, scores, list(scores), "labels")
    return {clip: label_of(found[clip], clip, len(values)) for clip, values in scores.items()}


def labels_in(path: Path, scores: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Labels of files."""
    lengths = {clip: len(values) for clip, values in scores.items()}
    if path.is_dir():
        found = entries(path, scores, list(scores), "labels")
        return {clip: label_of(found[clip], clip, frames) for clip, frames in lengths.items()}
    suffix = path.suffix.lower()
    if suffix in (".npy", ".npz") or (suffix == ".mat" and not is_known_mat(path)):
        arrays = foreign.read_arrays(path)
        parts: Any = arrays
        if not set(scores) <= set(arrays):
            parts = foreign.split_arrays(arrays, "labels", lengths, path)
        return {clip: label_of(parts[clip], clip, frames) for clip, frames in lengths.items()}
    return {clip: label_of(path, clip, frames) for clip, frames in lengths.items()}


def is_known_mat(path: Path) -> bool:
    """Whether a Matlab file holds masks or a cell of intervals per clip."""
    return bool(foreign.read_or_refuse(path, lambda: read_mat(path, ["gt", "volLabel"])))


def label_of(given, clip: str, frames: int) -> np.ndarray:
    """Labels of one clip, bool (frames,): of a path, an array, or intervals."""
    if isinstance(given, ALIKE):
        path = Path(given)
        if not path.is_dir() and path.suffix.lower() not in label_files.READERS:
            raise InputError(
                f"{path}: no form of labels; known are {', '.join(label_files.READERS)}, and "
                "folders of masks"
            )
        intervals = label_files.frame_labels(Clip("test", clip, "", labels=str(path)), frames)
        if intervals is None:
            raise InputError(f"{path}: nothing about clip {clip}; name it, or leave its scores out")
        return to_array(intervals, frames)
    values = np.asarray(given, dtype=None if isinstance(given, np.ndarray) else object)
    if values.ndim == 2 or (values.ndim == 1 and len(values) and isinstance(values[0], tuple)):
        return of_intervals(given, clip, frames)
    if not isinstance(given, np.ndarray) and len(values) == 0:
        return np.zeros(frames, bool)
    values = foreign.vector(np.asarray(given), f"labels of clip {clip}")
    if len(values) != frames:
        raise InputError(f"clip {clip}: {frames} scores and {len(values)} labels")
    if not np.isin(values, (0, 1)).all():
        raise InputError(f"clip {clip}: labels must be 0 or 1, found {np.unique(values)[:4]}")
    return values.astype(bool)


def of_intervals(given, clip: str, frames: int) -> np.ndarray:
    """Labels of intervals (first, last) or (first, last, kind), both frames included."""
    found = [(int(first), int(last), "") for first, last, *_ in given]
    for first, last, _ in found:
        if not 0 <= first <= last < frames:
            raise InputError(f"clip {clip}: interval {first} to {last} in {frames} frames")
    return to_array(found, frames)


def tracks_of(given, scores: dict[str, np.ndarray], anomalous: list[str]) -> dict[str, Tracks]:
    """Tracks of every clip; those without have none."""
    found = entries(given, scores, anomalous, "tracks")
    none = Tracks.of()
    return {
        clip: tracks_of_clip(found[clip], len(values)) if clip in found else none
        for clip, values in scores.items()
    }


def tracks_in(masks: dict[str, Any], scores: dict[str, np.ndarray]) -> dict[str, Tracks]:
    """The tracks of the clips that have masks: the components of these in space and time."""
    if not masks:
        raise InputError(f"tracks {FROM_MASKS}: there are no masks; give them as masks")
    shape, counts = picture_shape(masks, scores), {c: len(values) for c, values in scores.items()}
    return {
        clip: ground_truth.tracks_of(masks_of_clip(given, clip, counts[clip], shape))
        for clip, given in masks.items()
    }


def tracks_of_clip(given, frames: int) -> Tracks:
    if isinstance(given, Tracks):
        return given
    return read_tracks(Path(given), frames) if isinstance(given, ALIKE) else Tracks.of(given)


def maps_of(given, scores: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Score maps (T, H, W) of every clip; those of files stay on disk."""
    found = entries(given, scores, list(scores), "maps")
    return {clip: map_of(found[clip], clip, len(values)) for clip, values in scores.items()}


def map_of(given, clip: str, frames: int) -> np.ndarray:
    if isinstance(given, ALIKE):
        path = Path(given)
        given = foreign.read_or_refuse(
            path, lambda: np.load(path, mmap_mode="r", allow_pickle=False)
        )
    if given.ndim != 3 or len(given) != frames or given.dtype.kind not in "biuf":
        raise InputError(
            f"map of clip {clip}: {given.dtype} {given.shape}; expected ({frames}, height, width)"
        )
    return given


def masks_of_clip(given, clip: str, frames: int, shape: tuple[int, int]):
    """The masks of a clip, bool (H, W) each; InputError unless they fit."""
    if isinstance(given, ALIKE):
        return read_masks(Path(given), frames, shape)
    if given.shape != (frames, *shape):
        raise InputError(f"masks of clip {clip}: {given.shape}; expected {(frames, *shape)}")
    return (mask != 0 for mask in given)


def picture_shape(masks: dict[str, Any], scores: dict[str, np.ndarray]) -> tuple[int, int]:
    """Height and width of the first masks there are."""
    clip, given = next(iter(masks.items()))
    if not isinstance(given, ALIKE):
        return given.shape[1:]
    return next(read_masks(Path(given), len(scores[clip]), None)).shape
