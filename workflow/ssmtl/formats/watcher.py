"""A watcher's folder: watcher.json, normal_scores.csv, and beside them the files they name.

watcher.json has the settings of all stages, and fps and frames of each clip of normal video whose
frame scores are in normal_scores.csv (clip, time in seconds, score). `false_alarms_per_hour` is the
rate that the threshold is chosen for unless another one is asked for.
"""

from pathlib import Path

import pandas as pd

from ssmtl.core.errors import InputError
from ssmtl.formats.tables import read_csv, read_json

CARD, NORMAL = "watcher.json", "normal_scores.csv"
ASKED = 1.0  # false alarms an hour, of a watcher that does not say
STAGES = ("detect", "cubes", "score", "evaluate")
FILES = ("weights", "names", "cfg")  # settings of the detector that may name a file of the folder


def read_about(folder: Path) -> dict:
    """The checked content of watcher.json; whoever uses the settings checks their values."""
    path = folder / CARD
    if not path.is_file():
        raise InputError(
            f"{folder}: no {CARD} here, so no watcher; `ssmtl learn` makes one from a folder of "
            "normal video, `snakemake results/<dataset>/watcher/<model>/seed<n>/watcher.json` "
            "from a data set of the config"
        )
    about = read_json(path, settings=dict, normal=dict)
    settings = about["settings"]
    for stage in STAGES:
        if not isinstance(settings.get(stage), dict):
            raise InputError(f"{path}: no settings of {stage}; make the watcher again")
    detect = settings["detect"]
    options = detect.get("backend_options", {})
    if not isinstance(options, dict):
        raise InputError(f"{path}: detect.backend_options is no section; make the watcher again")
    texts = {key: value for key, value in options.items() if isinstance(value, str)}
    for key, name in ({key: detect.get(key) for key in FILES} | texts).items():
        if name is not None and (not isinstance(name, str) or "/" in name or name in (".", "..")):
            raise InputError(
                f"{path}: detect.{key} is {str(name)[:60]!r}, not the plain name of a file in "
                "this folder; make the watcher again"
            )
    rate = about.setdefault("false_alarms_per_hour", ASKED)
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 < rate < float("inf"):
        raise InputError(
            f"{path}: false_alarms_per_hour is {str(rate)[:60]!r}, no number above 0; set it with "
            "`ssmtl threshold`"
        )
    for clip, values in about["normal"].items():
        fps = values.get("fps") if isinstance(values, dict) else None
        if not isinstance(fps, int | float) or not 0 < fps <= 1e6:
            raise InputError(f"{path}: clip {clip} has fps {fps!r}; make the watcher again")
    return about


def read_normal(folder: Path, about: dict) -> pd.DataFrame:
    """The checked normal_scores.csv; InputError unless it is of the clips that `about` names."""
    path = folder / NORMAL
    table = read_csv(path, ("clip",), ("clip", "score"))
    if table["score"].isna().any() or not table["score"].between(0, 1).all():
        raise InputError(f"{path}: a score is not in [0, 1]; make the watcher again")
    counts = {str(clip): len(part) for clip, part in table.groupby("clip", sort=False)}
    stated = {clip: values.get("frames") for clip, values in about["normal"].items()}
    if counts != stated or not counts:
        raise InputError(
            f"{path}: scores of {counts or 'no clip'}, {CARD} names {stated}; make the watcher "
            "again"
        )
    return table
