"""Stage `evaluate`: frame scores of every clip, and metrics where there is ground truth."""

import json
import logging
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

from ssmtl.core import store
from ssmtl.core.errors import InputError
from ssmtl.core.progress import progress
from ssmtl.evaluation.anomaly_map import box_scores, filtered, pad_to_clip, smooth
from ssmtl.evaluation.following import averaged, links
from ssmtl.evaluation.localisation import Localisation
from ssmtl.evaluation.metrics import auc, names
from ssmtl.evaluation.settings import BORDERS, Evaluate
from ssmtl.formats.labels import parse_labels
from ssmtl.formats.manifest import read_manifest
from ssmtl.formats.scores import read_scores, scored_alike
from ssmtl.formats.tables import write_csv

log = logging.getLogger(__name__)


def scores_of_clip(
    group: h5py.Group,
    row,
    columns: list[str],
    radius: int,
    settings: Evaluate,
    localisation: Localisation,
) -> dict[str, np.ndarray]:
    """Frame scores of one clip, float (T,) per column; boxes' and pixels' scores go to
    `localisation`.

    The first and last `radius` frames have no full window and take the nearest frame's map [D].
    """
    frame, box = group["frame"][:], group["box"][:]
    truth = localisation.truth(row)
    scores, of_boxes = {}, {}
    reach = settings.follow
    following = links(frame, box) if reach else np.full(len(frame), -1)
    for column in columns:
        maps = filtered(
            frame,
            box,
            averaged(group[column][:], following, reach),
            span=(radius, int(row.frames) - radius),
            shape=(int(row.height), int(row.width)),
            cell=settings.cell,
            filter_size=settings.filter_size,
        )
        peaks, inside, done = [], [], 0
        for volume in maps:
            peaks.append(volume.max((1, 2)))
            inside.append(box_scores(volume, radius + done, frame, box, settings.cell))
            if truth:
                localisation.count_pixels(column, truth, volume, done)
            done += len(volume)
        scores[column] = pad_to_clip(np.concatenate(peaks), radius)
        of_boxes[column] = np.concatenate(inside)
    localisation.add_boxes(row, frame, box, of_boxes)
    return scores


def clip_table(row, objects: np.ndarray, scores: dict[str, np.ndarray], settings: Evaluate):
    """Frame scores of one clip: clip, frame, label, kind, objects, and two columns per score.

    objects int (N,): the frame of each object; scores: float (T,) per column.
    """
    frames = int(row.frames)
    table = pd.DataFrame({"clip": row.clip, "frame": np.arange(frames)})
    label, kind = labels_of_row(row.labels, frames)
    table["label"], table["kind"] = label, kind
    table["objects"] = np.bincount(objects, minlength=frames)
    for column, values in scores.items():
        table[column] = values
        table[f"{column}_smoothed"] = smooth(
            values, settings.sigma, settings.border, settings.smoothing
        )
    return table


def labels_of_row(text: str, frames: int) -> tuple[np.ndarray | None, np.ndarray]:
    """Labels of a manifest row: 0 or 1 per frame (None: unlabelled), and the kinds, str (T,)."""
    kinds = np.full(frames, "", dtype=object)
    intervals = parse_labels(text)
    if intervals is None:
        return None, kinds
    label = np.zeros(frames, int)
    for first, last, kind in intervals:
        label[first : last + 1] = 1
        kinds[first : last + 1] = kind
    return label, kinds


def score_table(
    tables: list[pd.DataFrame], columns: list[str], sigma: float, smoothing: str
) -> dict:
    """Micro and macro AUCs by border rule and score column."""
    labels = [table["label"].to_numpy(bool) for table in tables]
    result: dict[str, dict] = {}
    for border in BORDERS:
        result[border] = {}
        for column in columns:
            scores = [
                smooth(table[column].to_numpy(), sigma, border, smoothing) for table in tables
            ]
            result[border][column] = auc.frame_metrics(labels, scores)
    return result


def kind_table(frames: pd.DataFrame, columns: list[str]) -> dict:
    """Per kind of anomaly, the AUC of its frames against all normal frames."""
    normal = frames["label"] == 0
    result = {}
    for kind in sorted(set(frames["kind"]) - {""}):
        part = frames[normal | (frames["kind"] == kind)]
        result[kind] = {
            column: auc.auc(part["label"].to_numpy(), part[f"{column}_smoothed"].to_numpy())
            for column in columns
        }
    return result


def summary(tables: list[pd.DataFrame], columns: list[str], settings: Evaluate) -> dict:
    """The metrics of one model; AUCs are left out where no clip has labels."""
    labelled = [table for table in tables if table["label"].notna().all()]
    sigma, smoothing = settings.sigma, settings.smoothing
    result: dict[str, Any] = {
        "columns": columns,
        "tasks": [column for column in columns if column not in ("combined", "speed")],
        "border": settings.border,
        "sigma": sigma,
        "smoothing": smoothing,
        "frames": sum(map(len, tables)),
        "anomalous_frames": int(sum(table["label"].sum() for table in labelled)),
        "objects": int(sum(table["objects"].sum() for table in tables)),
        "labelled": bool(labelled),
        "scores": score_table(labelled, columns, sigma, smoothing) if labelled else {},
        "kinds": kind_table(pd.concat(labelled), columns) if labelled else {},
        "clips": {},
    }
    for table in tables:
        known = table["label"].notna().all()
        result["clips"][table["clip"].iloc[0]] = {
            "frames": len(table),
            "anomalous": int(table["label"].sum()) if known else None,
            "objects": int(table["objects"].sum()),
            "auc": {
                column: auc.auc(table["label"].to_numpy(), table[f"{column}_smoothed"].to_numpy())
                if known
                else None
                for column in columns
            },
        }
    return result


def check_coverage(path: Path, group: h5py.Group, row) -> None:
    """InputError where the scores of a clip are of another length than the manifest says.

    A clip without ground truth may have lost frames to damage, which the stage frames said.
    """
    found = int(group.attrs["frames"])
    damaged = found < int(row.frames) and not (row.labels or row.tracks or row.masks)
    if found != int(row.frames) and not damaged:
        raise InputError(
            f"{path}: clip {row.clip} covers {int(group.attrs['frames'])} frames, the manifest "
            f"says {row.frames}; run the clip's earlier stages again, or, where the stage frames "
            "lost some to damage, fetch the clip again or exclude it: its labels would shift"
        )


def evaluate(
    output: Path,
    table_path: Path,
    *,
    manifest: Path,
    scores: list[Path],
    dataset: str,
    model: str | None,
    settings: Evaluate,
) -> None:
    """Writes metrics.json and frame_scores.csv of one model from its object scores.

    model: the name to write, where it is another than the scores' own: that of a variant which
    shares them.
    """
    about = scored_alike(scores)
    clips = read_manifest(manifest).query("split == 'test'")
    rows = {row.clip: row for row in clips.itertuples()}
    radius, columns = about["radius"], about["columns"]
    localisation = Localisation(clips, radius, settings.cell)
    tables = {}
    for path in scores:
        with read_scores(path) as file:
            for clip in progress(list(file), "evaluate", "clip"):
                if clip not in rows:
                    raise InputError(f"{path}: clip {clip} is not in {manifest}; score it again")
                row, group = rows[clip], file[clip]
                check_coverage(path, group, row)
                row = row._replace(frames=int(group.attrs["frames"]))
                of_frames = scores_of_clip(group, row, columns, radius, settings, localisation)
                tables[clip] = clip_table(row, group["frame"][:], of_frames, settings)
    if missing := sorted(set(rows) - set(tables)):
        raise InputError(
            f"{', '.join(map(str, scores))}: no scores for clip {', '.join(missing)} of "
            f"{manifest}; every clip must be scored before any figure is made"
        )
    ordered = [tables[clip] for clip in sorted(tables)]
    result = {"dataset": dataset, "model": model or about["model"], "seed": about["seed"]}
    result |= summary(ordered, columns, settings)
    result |= {"regions": localisation.regions(), "pixel_auc": localisation.pixel_auc()}
    write_csv(table_path, pd.concat(ordered))
    with store.replacing(output) as path:
        path.write_text(json.dumps(result, indent=1) + "\n")


def metrics_text(metrics: dict) -> str:
    """The table that a run prints, in per cent: every metric there is, one row per column."""
    if not metrics["labelled"]:
        return f"{metrics['frames']} frames scored; no labels, so no AUC"
    shown = dict(names.OF_FRAMES)
    shown |= names.OF_REGIONS if metrics.get("regions") else {}
    shown |= {"pixel_auc": "pixel AUC"} if metrics.get("pixel_auc") else {}
    lines = heading(22, shown)
    for column, frame_level in metrics["scores"][metrics["border"]].items():
        values = frame_level | metrics.get("regions", {}).get(column, {})
        values["pixel_auc"] = metrics.get("pixel_auc", {}).get(column)
        label = "box-speed baseline" if column == "speed" else column
        lines.append(f"{label:<22}" + cells(values, shown))
    return "\n".join(lines)


def borders_text(runs: list[dict]) -> str:
    """The combined score of several runs under both border rules, in per cent.

    Then, for every model with several runs, their mean and standard deviation (n - 1).
    """
    lines = heading(40, names.OF_FRAMES)
    for metrics in runs:
        run = f"{metrics['model']}, seed {metrics['seed']}"
        if not metrics["labelled"]:
            lines.append(f"{run}: {metrics_text(metrics)}")
        for border in metrics["scores"]:
            name = f"{run}, border {border}"
            usual = " (its own)" if border == metrics["border"] else ""
            row = cells(metrics["scores"][border]["combined"], names.OF_FRAMES)
            lines.append(f"{name + usual:<40}" + row)
    for model in dict.fromkeys(metrics["model"] for metrics in runs):
        several = [m["scores"] for m in runs if m["model"] == model and m["labelled"]]
        for border in several[0] if len(several) > 1 else ():
            of_border = pd.DataFrame([scores[border]["combined"] for scores in several])
            for what, values in (("mean", of_border.mean()), ("deviation", of_border.std())):
                name = f"{model}, {len(several)} seeds, {what}, border {border}"
                lines.append(f"{name:<40}" + cells(values, names.OF_FRAMES))
    return "\n".join(lines)


def heading(label: int, shown: dict[str, str]) -> list[str]:
    """Two lines above a table whose labels take so many characters: "macro" over "padded"."""
    above, below = zip(*(halves(name) for name in shown.values()), strict=True)
    return [
        f"{text:<{label}}" + "".join(f"{half:>{width(name)}}" for half, name in pairs)
        for text, pairs in (
            ("AUC, %", zip(above, shown.values(), strict=True)),
            ("", zip(below, shown.values(), strict=True)),
        )
    ]


def halves(name: str) -> tuple[str, str]:
    """A metric's name in two lines: `RBDC, authors'` and `pixel AUC` are cut after a word."""
    first, _, second = name.partition(" ")
    return first.rstrip(","), second


def cells(values: dict, shown: dict[str, str]) -> str:
    """Values in per cent, each as wide as its heading."""
    texts = ("-" if pd.isna(values[key]) else f"{100 * values[key]:.1f}" for key in shown)
    return "".join(
        f"{text:>{width(name)}}" for text, name in zip(texts, shown.values(), strict=True)
    )


def width(name: str) -> int:
    """Characters of a printed column."""
    return max(*map(len, halves(name)), 7) + 2
