"""Stage `report`: one self-contained HTML page about a data set and the models run on it."""

import json
import logging
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from ssmtl import __version__
from ssmtl.core import store
from ssmtl.core.errors import InputError
from ssmtl.evaluation.settings import BORDERS
from ssmtl.formats.history import read_history
from ssmtl.formats.manifest import read_manifest
from ssmtl.reporting import clips as clips_
from ssmtl.reporting import event_details as events
from ssmtl.reporting import interactive as figures
from ssmtl.reporting import published
from ssmtl.reporting.inventory import folder_size, stage_rows, times_noted
from ssmtl.reporting.page import (
    as_yaml,
    environment,
    file_size,
    known,
    mean,
    notes_of,
    percent,
    spread,
)
from ssmtl.reporting.runs import (
    LOCALISATION,
    METRICS,
    Run,
    clip_table,
    headline,
    kind_table,
    lacking,
    load_models,
    localisation_of,
    metric_table,
    scores_of,
)
from ssmtl.scoring.events import Events, events_of

log = logging.getLogger(__name__)


def as_script(value) -> Markup:
    """JSON for a `<script>`: no tag in a string may end the element."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c"))


def roc_of(run: Run) -> dict | None:
    scores = run.metrics["scores"].get(run.metrics["border"], {})
    auc = {column: scores.get(column, {}).get("micro") for column in run.columns}
    return figures.roc(run.frames, run.columns, auc)


def to_look_at(view: dict, number: int) -> list[dict]:
    """What a reader should see first of a model: sentences with their place on the page."""
    points = []
    if view["events"]:
        e = view["events"][0]["event"]
        words = f" ({e.truth})" if e.truth else ""
        text = f"The highest score: clip {e.clip}, frames {e.first} to {e.last}{words}"
        points.append({"text": text, "href": f"#events-{number}"})
    if view["labelled"]:
        counts = view["counts"]
        text = (
            f"False alarms: {counts['false']} of {counts['events']} events; misses: "
            f"{counts['missed']} of {counts['stretches']} labelled stretches"
        )
        points.append({"text": text, "href": f"#mistakes-{number}"})
    for what, rows, name, href in (
        ("kind", view["kinds"], "kind", "#kinds"),
        ("clip", view["clips"], "clip", "#clips"),
    ):
        measured = [row for row in rows if known([row["auc"][0]])]
        if len(measured) > 1:
            low = min(measured, key=lambda row: row["auc"][0])
            text = f"The hardest {what}: {low[name]}, AUC {percent(low['auc'][0])} %"
            points.append({"text": text, "href": href})
    return points


def model_view(number: int, runs: list[Run], footage: events.Footage, manifest, videos) -> dict:
    """All that the page shows of its model `number`; figures and events are of the first run."""
    first = runs[0]
    border = first.metrics["border"]
    found = events_of(first.frames)
    view = {
        "name": first.model,
        "number": number,
        "runs": runs,
        "columns": first.columns,
        "tasks": first.tasks,
        "border": border,
        "labelled": first.metrics["labelled"],
        "headline": headline(runs),
        "metrics": metric_table(runs),
        "per_run": [(run.seed, metric_table([run])) for run in runs] if len(runs) > 1 else [],
        "ours": published_row(runs, "combined"),
        "baseline": published_row(runs, "speed"),
        "lacking": lacking(runs),
        "kinds": kind_table(runs),
        "clips": clip_table(runs),
        "panels": clips_.panels(first, manifest, videos, found.level),
        "filmed": any(model == first.model for model, _ in videos),
        "level": found.level,
        "range": score_range(first),
        **event_view(first, footage, found),
        "roc": roc_of(first),
        "distributions": {c: figures.distribution(first.frames, c) for c in first.columns},
        "losses": figures.losses(read_history(first.folder / "history.csv")),
    }
    return view | {"points": to_look_at(view, number)}


def published_row(runs: list[Run], column: str) -> list[str]:
    """A column's figures in the order of the published ones: micro, macro padded, RBDC, TBDC."""
    border = runs[0].metrics["border"]
    auc = (scores_of(runs, border, column, metric) for metric in ("micro", "macro_padded"))
    localisation = (localisation_of(runs, column, metric) for metric in ("rbdc", "tbdc"))
    return [spread(values) for values in (*auc, *localisation)]


def event_view(run: Run, footage: events.Footage, found: Events) -> dict:
    """The events of a run, its false alarms and what it missed, each looked at again."""
    shown = found.looked_at()
    return {
        **{kind: events.explained(run, footage, some) for kind, some in shown.items()},
        "counts": {
            "events": len(found.found),
            "false": len(found.false),
            "missed": len(found.missed),
            "stretches": sum(len(clips_.truths(c) or ()) for c in run.clips.values()),
        },
    }


def score_range(run: Run) -> list[float]:
    """The combined scores between which boxes change their colour: low, and alarming."""
    scores = run.objects["combined"].astype(float)
    return [0.0, max(float(scores.quantile(0.99)), 1e-3) if len(scores) else 1.0]


def clip_means(view: dict) -> dict[str, float | None]:
    """The combined AUC of every clip."""
    return {row["clip"]: mean(row["auc"][:1]) for row in view["clips"]}


def timeline_ids(views: list[dict]) -> dict[tuple[str, str], str]:
    """The place of every clip on the page, by model and clip."""
    return {
        (view["name"], panel["clip"]): f"timeline-{view['number']}-{place}"
        for view in views
        for place, panel in enumerate(view["panels"], 1)
    }


# What every report's page is filled with.
FIXED = {
    "metric_names": list(METRICS.values()),
    "localisation_names": list(LOCALISATION.values()),
    "borders": BORDERS,
    "differences": published.DIFFERENCES,
    "as_script": as_script,
    "clip_means": clip_means,
}


def write_report(
    output: Path,
    *,
    dataset: str,
    config: dict,
    manifest: Path,
    frames: list[Path],
    detections: list[Path],
    cubes: list[Path],
    teachers: list[Path],
    runs: list[Path],
    videos: Sequence[Path] = (),
    benchmarks: Path | None = None,
) -> None:
    """Writes the report of a data set: one HTML file that needs no network and no other file.

    The stage files are those of all splits and shards, `data/{split}/{shard}/{stage}.h5`; `runs`
    are folders `models/{model}/seed{seed}`, `videos` folders of annotated videos of a model's first
    run; `benchmarks` is where Snakemake notes the stages' times.
    `config["notes"]` (list of str) is shown at the top, `config["published"]` names the published
    results to show. Raises InputError where a file is missing or broken, and without any run.
    """
    models = load_models(runs)
    if not models:
        raise InputError(f"{output}: no model to report on; train and score one first")
    rows = read_manifest(manifest)
    files = {"frames": frames, "detections": detections, "cubes": cubes, "teachers": teachers}
    footage = events.Footage(frames)
    firsts = [group[0] for group in models.values()]
    found = clips_.clip_videos(firsts, [Path(folder) for folder in videos], Path(output))
    views = [
        model_view(number, group, footage, rows, found)
        for number, group in enumerate(models.values(), 1)
    ]
    runs_of = [run for group in models.values() for run in group]
    values = FIXED | {
        "dataset": dataset,
        "notes": notes_of(config),
        "clips": rows["split"].value_counts().to_dict(),
        "minutes": minutes(rows),
        "totals": firsts[0].metrics,
        "models": views,
        "ids": timeline_ids(views),
        "stills": clips_.still_frames(footage, firsts[0].clips),
        "published": published.results_for(config.get("published")),
        "stages": stage_rows(files, models),
        "times": times_noted(benchmarks),
        "sizes": {run.folder: folder_size(run.folder) for run in runs_of},
        "config": as_yaml(config),
        "citations": published.citations(__version__),
        "plotly": Markup(get_plotlyjs()),
    }
    page = environment().get_template("template.html.j2").render(values)
    with store.replacing(output) as temporary:
        temporary.write_text(page, encoding="utf-8")
    log.info("%s: %d models, %s", output, len(views), file_size(Path(output).stat().st_size))


def minutes(manifest: pd.DataFrame) -> float:
    """How long the test clips play."""
    test = manifest[manifest["split"] == "test"]
    return float((test["frames"] / test["fps"]).sum() / 60)
