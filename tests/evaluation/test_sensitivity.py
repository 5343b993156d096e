"""The sweep: each point is what the evaluation gives with these settings."""

import json

import numpy as np
import pandas as pd
import pytest
from made_files import write_calibration, write_scores

from ssmtl.core.errors import InputError
from ssmtl.evaluation import evaluate as evaluation
from ssmtl.evaluation import sensitivity
from ssmtl.evaluation.settings import Evaluate, Point, Sensitivity
from ssmtl.formats.manifest import COLUMNS
from ssmtl.reporting.pages.sensitivity import factor_tables, read_sweeps, write_page
from ssmtl.scoring import fusion

FRAMES, WIDTH, HEIGHT, RADIUS = 40, 64, 48, 2
LABELS = {"01": "10-25:running", "02": "normal", "03": "20-39:falling", "04": ""}
TASKS = ["arrow_of_time", "middle_box"]
# An option of a task, which calibration and scores have to share.
MADE_WITH = {"task_options": {"middle_box": {"reduction": "mean"}}}
CONFIGURED = {"fusion": "fisher", "cell": 4, "filter_size": 3, "sigma": 2, "border": "replicate"}
GRID = {
    "fusion": ["mean", "ecdf"],
    "cell": [2],
    "filter_size": [1, 3],
    "sigma": [0, 5],
    "border": ["zero"],
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Manifest, task scores in two shards, and calibration; the last clip has no labels."""
    folder = tmp_path_factory.mktemp("made")
    rng = np.random.default_rng(0)
    rows = [("test", clip, text) for clip, text in LABELS.items()]
    manifest = pd.DataFrame(rows, columns=["split", "clip", "labels"])
    manifest = manifest.assign(
        shard=0, source="clips", frames=FRAMES, fps=25.0, width=WIDTH, height=HEIGHT, tracks=""
    )
    manifest.reindex(columns=COLUMNS, fill_value="").to_csv(folder / "manifest.csv", index=False)
    levels = np.linspace(0, 1, fusion.QUANTILES)
    calibration = {"arrow_of_time": levels**3, "middle_box": levels / 2}
    write_calibration(folder / "calibration.h5", calibration, MADE_WITH)
    known = fusion.Calibration(calibration)
    frame = np.repeat(np.arange(RADIUS, FRAMES - RADIUS), 2)
    for shard, clips in enumerate((("01", "03"), ("02", "04"))):
        found = {}
        for clip in clips:
            corner = rng.uniform(0, 30, (len(frame), 2))
            tasks = {t: rng.uniform(0, 1, len(frame)).astype(np.float32) for t in TASKS}
            found[clip] = {
                "frame": frame,
                "box": np.hstack([corner, corner + 16]).astype(np.float32),
                **tasks,
                "combined": fusion.combine(tasks, CONFIGURED["fusion"], known),
                "speed": np.zeros(len(frame), np.float32),
            }
        write_scores(
            folder / f"{shard}.h5",
            [*TASKS, "combined", "speed"],
            found,
            (FRAMES, WIDTH, HEIGHT),
            MADE_WITH,
            radius=RADIUS,
            model="small",
        )
    return folder


def arguments(folder):
    scores = [folder / "0.h5", folder / "1.h5"]
    return {"manifest": folder / "manifest.csv", "scores": scores}


@pytest.fixture(scope="module")
def table(made):
    output = made / "small" / "seed0" / "sensitivity.csv"
    sensitivity.write_sensitivity(
        output,
        **arguments(made),
        calibration=made / "calibration.h5",
        configured=Point.parse(CONFIGURED),
        settings=Sensitivity.parse(GRID),
    )
    return pd.read_csv(output)


def test_the_grid_is_complete_and_has_the_configured_point_once(table):
    assert (
        len(table) == 3 * 2 * 2 * 3 * 2 == len(table[list(sensitivity.FACTORS)].drop_duplicates())
    )
    point = table[table["configured"]]
    assert point[list(sensitivity.FACTORS)].to_dict("records") == [CONFIGURED]
    settings = Sensitivity.parse(GRID)
    grids = sensitivity.grids(settings, Point.parse(CONFIGURED))
    assert grids["fusion"] == ["mean", "ecdf", "fisher"] and grids["cell"] == [2, 4]
    assert sensitivity.grids(settings, Point.parse(CONFIGURED | {"sigma": 5}))["sigma"] == [0, 5]


@pytest.mark.parametrize("change", [{}, {"sigma": 5, "border": "zero"}, {"filter_size": 1}])
def test_a_point_is_what_the_evaluation_says(made, table, tmp_path, change):
    point = CONFIGURED | change
    settings = Evaluate.parse({k: point[k] for k in point if k != "fusion"})
    evaluation.evaluate(
        tmp_path / "metrics.json",
        tmp_path / "frame_scores.csv",
        **arguments(made),
        dataset="made",
        model=None,
        settings=settings,
    )
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    expected = metrics["scores"][point["border"]]["combined"]
    row = table[(table[list(point)] == list(point.values())).all(axis=1)].iloc[0]
    for name in sensitivity.METRICS:
        assert row[name] == pytest.approx(expected[name], abs=1e-6), name


def test_the_grid_runs_over_fusions_computed_from_the_tasks(made, table):
    """Against the fusion by hand: with cells of 4, no filter and no smoothing."""
    clips = sensitivity.read_clips(**arguments(made))
    assert len(clips) == 3  # one has no labels
    by_hand = [
        sensitivity.mapped(
            [clip], [np.mean(list(clip.tasks.values()), 0)], RADIUS, cell=4, filter_size=1
        )[0]
        for clip in clips
    ]
    expected = sensitivity.measure(clips, by_hand, 0, "zero")
    chosen = table.query("fusion == 'mean' and cell == 4 and filter_size == 1 and sigma == 0")
    assert len(chosen) == 2 and np.allclose(chosen["micro"], expected["micro"], atol=1e-6)


def test_one_factor_at_a_time(table):
    parts = sensitivity.one_at_a_time(table)
    assert {f: len(p) for f, p in parts.items()} == {
        "fusion": 3, "cell": 2, "filter_size": 2, "sigma": 3, "border": 2,
    }  # fmt: skip
    assert all(part["configured"].sum() == 1 for part in parts.values())


def test_the_page_holds_every_seed_and_factor(made, table, tmp_path):
    paths = [made / "small" / f"seed{seed}" / "sensitivity.csv" for seed in (0, 1)]
    paths[1].parent.mkdir(exist_ok=True)
    worse = table.assign(micro=table["micro"] - 0.02)
    worse.to_csv(paths[1], index=False)
    page, combined = tmp_path / "sensitivity.html", tmp_path / "sensitivity.csv"
    write_page(page, combined, dataset="made", tables=paths, about={"notes": ["made <only>"]})
    assert len(pd.read_csv(combined)) == 2 * len(table)
    html = page.read_text()
    for text in ("made &lt;only&gt;", "one factor at a time", "picked by test labels", "72 points"):
        assert text.lower() in " ".join(html.lower().split()), text
    assert "http" not in html and html.count("<svg") == 1
    sweeps = read_sweeps(paths)
    sigma = next(t for t in factor_tables(sweeps) if "Gaussian" in t["title"])
    at = sensitivity.one_at_a_time(table)["sigma"]["micro"].to_numpy() - 0.01
    shown = [float(row["cells"][0][0].split(" ")[0]) for row in sigma["rows"]]
    np.testing.assert_allclose(shown, 100 * at, atol=0.051)
    assert [row["value"] for row in sigma["rows"]] == ["0", "2", "5"]


def test_bad_files_are_input_errors(made, tmp_path):
    files = arguments(made)
    with pytest.raises(InputError, match=r"1\.h5: no scores for clip 01, 03 of"):
        sensitivity.read_clips(files["manifest"], files["scores"][1:])
    text = files["manifest"].read_text()
    short = tmp_path / "manifest.csv"
    short.write_text("".join(line for line in text.splitlines(True) if ",01," not in line))
    with pytest.raises(InputError, match=r"0\.h5: clip 01 is not in"):
        sensitivity.read_clips(short, files["scores"])
    bare = pd.read_csv(files["manifest"], dtype=str).assign(labels="")
    bare.to_csv(short, index=False)
    with pytest.raises(InputError, match="no test clip has labels"):
        sensitivity.read_clips(short, files["scores"])
    foreign = tmp_path / "m" / "seed0" / "sensitivity.csv"
    foreign.parent.mkdir(parents=True)
    foreign.write_text("fusion,sigma\nmean,2\n")
    with pytest.raises(InputError, match="no column border, cell"):
        read_sweeps([foreign])
