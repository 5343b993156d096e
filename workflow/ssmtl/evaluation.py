"""Stage `evaluate`: frame scores of every clip, and AUC where there are labels."""

import json
import logging
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from ssmtl import store
from ssmtl.anomaly_map import frame_scores, smooth
from ssmtl.datasets.labels import parse_labels
from ssmtl.errors import InputError
from ssmtl.manifest import read_manifest
from ssmtl.metrics import auc
from ssmtl.progress import progress

log = logging.getLogger(__name__)

BORDERS = ("zero", "replicate")


def clip_table(group: h5py.Group, row, columns: list[str], radius: int, settings: dict):
    """Frame scores of one clip: clip, frame, label, kind, objects, and two columns per score."""
    frames = int(row.frames)
    frame, box = group["frame"][:], group["box"][:]
    table = pd.DataFrame({"clip": row.clip, "frame": np.arange(frames)})
    label, kind = frame_labels(row.labels, frames)
    table["label"], table["kind"] = label, kind
    table["objects"] = np.bincount(frame, minlength=frames)
    for column in columns:
        table[column] = frame_scores(
            frame,
            box,
            group[column][:],
            frames=frames,
            radius=radius,
            shape=(int(row.height), int(row.width)),
            cell=settings["cell"],
            filter_size=settings["filter_size"],
        )
        table[f"{column}_smoothed"] = smooth(
            table[column].to_numpy(), settings["sigma"], settings["border"]
        )
    return table


def frame_labels(text: str, frames: int) -> tuple[np.ndarray | None, np.ndarray]:
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


def score_table(tables: list[pd.DataFrame], columns: list[str], sigma: float) -> dict:
    """Micro and both macro AUCs by border rule and score column."""
    labels = [table["label"].to_numpy(bool) for table in tables]
    result = {}
    for border in BORDERS:
        result[border] = {}
        for column in columns:
            scores = [smooth(table[column].to_numpy(), sigma, border) for table in tables]
            result[border][column] = {
                "micro": auc.micro(labels, scores),
                "macro_padded": auc.macro_padded(labels, scores),
                "macro_strict": auc.macro_strict(labels, scores),
            }
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


def summary(tables: list[pd.DataFrame], columns: list[str], settings: dict) -> dict:
    """The metrics of one model; AUCs are left out where no clip has labels."""
    labelled = [table for table in tables if table["label"].notna().all()]
    result = {
        "columns": columns,
        "tasks": [column for column in columns if column not in ("combined", "speed")],
        "border": settings["border"],
        "sigma": settings["sigma"],
        "frames": sum(map(len, tables)),
        "anomalous_frames": int(sum(table["label"].sum() for table in labelled)),
        "objects": int(sum(table["objects"].sum() for table in tables)),
        "labelled": bool(labelled),
        "scores": score_table(labelled, columns, settings["sigma"]) if labelled else {},
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
    """InputError where the scores of a clip are of another length than the manifest says."""
    if int(group.attrs["frames"]) != int(row.frames):
        raise InputError(
            f"{path}: clip {row.clip} covers {int(group.attrs['frames'])} frames, the manifest "
            f"says {row.frames}; run the clip's earlier stages again"
        )


def evaluate(
    output: Path,
    table_path: Path,
    *,
    manifest: Path,
    scores: list[Path],
    dataset: str,
    model: str,
    seed: int,
    radius: int,
    settings: dict,
) -> None:
    """Writes metrics.json and frame_scores.csv of one model from its object scores."""
    clips = read_manifest(manifest).query("split == 'test'")
    rows = {row.clip: row for row in clips.itertuples()}
    tables = {}
    columns: list[str] = []
    for path in scores:
        with store.read(path, "scores") as file:
            columns = json.loads(file.attrs["columns"])
            for clip in progress(list(file), "evaluate", "clip"):
                if clip not in rows:
                    raise InputError(f"{path}: clip {clip} is not in {manifest}; score it again")
                check_coverage(path, file[clip], rows[clip])
                tables[clip] = clip_table(file[clip], rows[clip], columns, radius, settings)
    if missing := sorted(set(rows) - set(tables)):
        raise InputError(
            f"{', '.join(map(str, scores))}: no scores for clip {', '.join(missing)} of "
            f"{manifest}; every clip must be scored before any figure is made"
        )
    ordered = [tables[clip] for clip in sorted(tables)]
    result = {"dataset": dataset, "model": model, "seed": seed}
    result |= summary(ordered, columns, settings)
    with store.replacing(table_path) as path:
        pd.concat(ordered).to_csv(path, index=False, float_format="%.6f")
    with store.replacing(output) as path:
        path.write_text(json.dumps(result, indent=1) + "\n")


def metrics_text(metrics: dict) -> str:
    """The table that a run prints: AUC per task, combined and baseline, in per cent."""
    if not metrics["labelled"]:
        return f"{metrics['frames']} frames scored; no labels, so no AUC"
    rows = metrics["scores"][metrics["border"]]
    lines = [f"{'AUC, %':<22}{'micro':>9}{'macro (padded)':>16}{'macro (strict)':>16}"]
    for name, row in rows.items():
        label = "box-speed baseline" if name == "speed" else name
        cells = (row["micro"], row["macro_padded"], row["macro_strict"])
        widths = (9, 16, 16)
        text = (f"{100 * c:.1f}" if c is not None else "-" for c in cells)
        lines.append(
            f"{label:<22}" + "".join(f"{t:>{w}}" for t, w in zip(text, widths, strict=True))
        )
    return "\n".join(lines)
