"""The runs that a page is about, trained and scored models, and the tables of their metrics."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import h5py
import pandas as pd

from ssmtl.evaluation.metrics.names import OF_FRAMES, OF_PLACES
from ssmtl.evaluation.settings import BORDERS
from ssmtl.formats.card import read_card
from ssmtl.formats.frame_scores import read_frame_scores
from ssmtl.formats.metrics import read_metrics
from ssmtl.formats.scores import object_table
from ssmtl.reporting.page import known, mean, spread, verdict

METRICS, LOCALISATION = OF_FRAMES, OF_PLACES


@dataclass(frozen=True)
class Run:
    """One trained and scored model: a folder `models/{model}/seed{seed}`."""

    folder: Path
    info: dict
    metrics: dict

    @property
    def model(self) -> str:
        return str(self.metrics["model"])

    @property
    def seed(self) -> int:
        return self.metrics["seed"]

    @property
    def columns(self) -> list[str]:
        """The columns of scores, the one that counts first."""
        return sorted(self.metrics["columns"], key=lambda column: column != "combined")

    @property
    def tasks(self) -> list[str]:
        return self.metrics["tasks"]

    @property
    def encoder(self) -> dict:
        """What the model was built from, but for its tasks."""
        others = ("tasks", "task_options", "classes", "settings", "encoder_options")
        spec = self.info["spec"]
        return {k: v for k, v in spec.items() if k not in others} | spec.get("encoder_options", {})

    @cached_property
    def frames(self) -> pd.DataFrame:
        """frame_scores.csv, one row per frame of every test clip."""
        return read_frame_scores(self.folder / "frame_scores.csv")

    @cached_property
    def clips(self) -> dict[str, pd.DataFrame]:
        """The rows of frame_scores.csv per clip, in the file's order."""
        return dict(iter(self.frames.groupby("clip", sort=False)))

    @cached_property
    def objects(self) -> pd.DataFrame:
        """All scored objects, as `formats.scores.object_table` has them."""
        return object_table(sorted((self.folder / "scores").glob("*.h5")), self.columns)


def load_models(folders: Iterable[Path]) -> dict[str, list[Run]]:
    """The runs (seeds) of every model, in the order given."""
    models: dict[str, list[Run]] = {}
    for folder in map(Path, folders):
        run = Run(folder, read_card(folder / "model.json"), read_metrics(folder / "metrics.json"))
        models.setdefault(run.model, []).append(run)
    return models


def scores_of(runs: list[Run], border: str, column: str, metric: str) -> list[float | None]:
    """One metric of one column, of every run."""
    tables = (run.metrics["scores"].get(border, {}) for run in runs)
    return [table.get(column, {}).get(metric) for table in tables]


def localisation_of(runs: list[Run], column: str, metric: str) -> list[float | None]:
    """One of LOCALISATION of one column, of every run; None where there are no tracks or masks."""
    if metric == "pixel_auc":
        return [run.metrics["pixel_auc"].get(column) for run in runs]
    return [run.metrics["regions"].get(column, {}).get(metric) for run in runs]


def lacking(runs: list[Run]) -> str:
    """What a data set lacks for some of LOCALISATION, in words; "" where it has all."""
    first = runs[0].metrics
    names = {"regions": "tracks (for RBDC and TBDC)", "pixel_auc": "masks (for the pixel AUC)"}
    return " and ".join(name for key, name in names.items() if not first[key])


def headline(runs: list[Run]) -> dict:
    """The combined micro AUC of a model with the configured border, and the baseline's."""
    border = runs[0].metrics["border"]
    combined = scores_of(runs, border, "combined", "micro")
    speed = scores_of(runs, border, "speed", "micro")
    ours, theirs = mean(combined), mean(speed)
    gap = None if ours is None or theirs is None else 100 * (ours - theirs)
    return {
        "model": runs[0].model,
        "seeds": len(runs),
        "combined": spread(combined),
        "speed": spread(speed),
        "measured": bool(known(combined)),
        "verdict": verdict(gap),
    }


def metric_table(runs: list[Run]) -> list[dict]:
    """One row per column of scores: the values over the runs for every metric and border rule,
    and for the metrics of localisation, which no border rule touches."""
    return [
        {
            "column": column,
            "cells": [
                {"text": spread(scores_of(runs, border, column, metric)), "border": border}
                for metric in METRICS
                for border in BORDERS
            ],
            "localisation": [
                spread(localisation_of(runs, column, metric)) for metric in LOCALISATION
            ],
        }
        for column in runs[0].columns
    ]


def kind_table(runs: list[Run]) -> list[dict]:
    """One row per kind of anomaly: AUC of every column against all normal frames, run mean."""
    first = runs[0]
    return [
        {
            "kind": kind or "(no kind given)",
            "frames": int(((first.frames["label"] == 1) & (first.frames["kind"] == kind)).sum()),
            "auc": [
                mean(run.metrics["kinds"].get(kind, {}).get(column) for run in runs)
                for column in first.columns
            ],
        }
        for kind in first.metrics["kinds"]
    ]


def clip_table(runs: list[Run]) -> list[dict]:
    """One row per test clip: its size and the AUC of every column, run mean."""
    return [
        {
            "clip": clip,
            **entry,
            "auc": [
                mean(run.metrics["clips"][clip]["auc"].get(column) for run in runs)
                for column in runs[0].columns
            ],
        }
        for clip, entry in runs[0].metrics["clips"].items()
    ]


def rows_in(group: h5py.Group, name: str) -> int:
    """The rows of a data set; 0 where a clip without objects has none."""
    return len(group[name]) if name in group else 0
