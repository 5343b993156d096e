"""The ablation's tables: right means and differences, one row per variant, nothing left out."""

import json

import numpy as np
import pandas as pd
import pytest

from ssmtl import config
from ssmtl.core.errors import InputError
from ssmtl.evaluation import ablation
from ssmtl.reporting.pages.ablation import write_ablation

TASKS = ["arrow_of_time", "middle_box"]
SEEDS = [0, 1, 2]
TREE = {
    "models": {"small": {"train": {"tasks": TASKS}, "score": {"fusion": "ecdf"}}},
    "datasets": {"made": {"reader": "videos", "models": ["small"]}},
    "ablation": {
        "seeds": SEEDS,
        "groups": ["only", "encoders", "options"],
        "variants": {"mean_fusion": {"score": {"fusion": "mean"}}},
    },
}
SPEC = {
    "tasks": TASKS,
    "encoder": "cnn3d",
    "encoder_options": {"depth": "shallow", "width": "narrow"},
    "task_options": {},
    "size": 16,
    "radius": 2,
    "max_gap": 3,
    "classes": ["a", "b"],
}


def write_run(folder, name, seed, micro, regions=None):
    """metrics.json and model.json of a run; the zero border is 0.1 worse."""
    folder = folder / name / f"seed{seed}"
    folder.mkdir(parents=True)

    def values(shift):
        macro = {"macro_padded": micro - shift, "macro_strict": None, "macro_normal_added": None}
        return {"micro": micro - shift} | macro

    borders = {"zero": 0.1, "replicate": 0.0}
    scores = {b: {"combined": values(s), "middle_box": values(0.3)} for b, s in borders.items()}
    metrics = {
        "dataset": "made",
        "columns": ["combined", "middle_box"],
        "tasks": ["middle_box"],
        "model": name,
        "seed": seed,
        "labelled": True,
        "border": "replicate",
        "frames": 30,
        "clips": {"01": {}},
        "scores": scores,
    }
    if regions:
        metrics |= {"regions": {"combined": regions}, "pixel_auc": {"combined": 0.5}}
    card = {"spec": SPEC, "seed": seed, "train": {"cubes_seen": 64, "parameters": 1234}}
    paths = folder / "metrics.json", folder / "model.json"
    for path, content in zip(paths, (metrics, card), strict=True):
        path.write_text(json.dumps(content))
    return paths


def micro_of(name, seed):
    """Made figures: the full set is at 0.8, 0.81, 0.82, each model elsewhere by a fixed step."""
    step = sum(name.encode()) % 7 / 100 if "." in name else 0
    return 0.8 + 0.01 * seed - step


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    plan = config.ablation_plan(TREE, "made")
    names = dict.fromkeys(row["model"] for row in plan["rows"])
    runs = [write_run(folder, name, seed, micro_of(name, seed)) for name in names for seed in SEEDS]
    files = [folder / f for f in ("ablation.html", "ablation.csv", "runs.csv", "ablation.svg")]
    metrics, cards = map(list, zip(*runs, strict=True))
    options = {"dataset": "made", "plan": plan, "metrics": metrics, "cards": cards}
    write_ablation(*files, **options)
    return files, options


def test_mean_spread_and_difference_of_every_variant(written):
    (_, summary, runs, _), options = written
    table = pd.read_csv(summary).set_index("variant")
    assert list(table.index) == [row["variant"] for row in options["plan"]["rows"]]
    for name, row in table.iterrows():
        values = [micro_of(row["model"], seed) for seed in SEEDS]
        assert row["micro_mean"] == pytest.approx(np.mean(values), abs=1e-6)
        assert row["micro_sd"] == pytest.approx(0.01, abs=1e-6)
        assert row["micro_difference"] == pytest.approx(np.mean(values) - 0.81, abs=1e-6), name
        assert (row["seeds"], row["cubes_seen"], row["border"]) == (3, 64, "replicate")
        assert row["parameters"] == 1234
    assert table["macro_strict_mean"].isna().all() and table["rbdc_mean"].isna().all()
    each = pd.read_csv(runs)
    assert len(each) == 3 * len(table)
    assert np.allclose(each["micro"], each["micro_replicate"])
    assert np.allclose(each["micro_zero"], each["micro"] - 0.1)


def test_the_full_sets_own_encoder_is_the_full_set(written):
    table = pd.read_csv(written[0][1]).set_index("variant")
    assert table.loc["shallow_narrow", "model"] == table.loc["full", "model"] == "small"
    assert table.loc["shallow_narrow", "micro_difference"] == 0
    assert table.loc["deep_wide", "model"] == "small.deep_wide"


def test_the_page_shows_every_variant_and_needs_nothing_else(written):
    html = written[0][0].read_text()
    for text in ("81.0 ± 1.0", "only arrow of time", "deep wide", "mean fusion", "0, 1, 2"):
        assert text in html, text
    assert "score.fusion &#34;mean&#34; (full set: &#34;ecdf&#34;)" in html
    assert "Reduced form" not in html and "without" not in html.split("<h2>What was run")[0]
    assert "http" not in html and "<svg" in html
    assert "RBDC" not in html  # not measured here


def test_equal_input_gives_equal_bytes(written, tmp_path):
    files, options = written
    again = [tmp_path / path.name for path in files]
    write_ablation(*again, **options)
    assert [p.read_bytes() for p in again] == [p.read_bytes() for p in files]


def test_a_reduced_form_is_named(written, tmp_path):
    files, options = written
    plan = options["plan"] | {"reduced": {"cubes_seen": [6400, 64]}}
    again = [tmp_path / path.name for path in files]
    write_ablation(*again, **options | {"plan": plan})
    html = " ".join(again[0].read_text().split())
    assert "Reduced form" in html and "train.cubes_seen 64 (model small by itself: 6400)" in html


def test_regions_and_pixels_are_shown_where_they_are_measured(written, tmp_path):
    files, options = written
    rows = options["plan"]["rows"][:1]
    pairs = [write_run(tmp_path, "small", s, 0.9, {"rbdc": 0.6, "tbdc": 0.7}) for s in SEEDS]
    metrics, cards = map(list, zip(*pairs, strict=True))
    again = [tmp_path / path.name for path in files]
    changes = {"plan": options["plan"] | {"rows": rows}, "metrics": metrics, "cards": cards}
    write_ablation(*again, **options | changes)
    row = pd.read_csv(again[1]).iloc[0]
    assert (row["rbdc_mean"], row["tbdc_mean"], row["pixel_auc_mean"]) == (0.6, 0.7, 0.5)
    assert "RBDC" in again[0].read_text()


def test_a_variant_without_all_seeds_is_an_input_error(written, tmp_path):
    files, options = written
    short = {key: options[key][:-1] for key in ("metrics", "cards")}
    output = [tmp_path / path.name for path in files]
    with pytest.raises(InputError, match=r"has the seeds \[0, 1\], the full set has \[0, 1, 2\]"):
        write_ablation(*output, **options | short)
    assert not any(path.exists() for path in output)


def test_one_seed_has_no_spread(written):
    runs = ablation.read_runs(written[1]["metrics"][::3], written[1]["cards"][::3])
    table = ablation.summarise(ablation.run_table(written[1]["plan"]["rows"], runs))
    assert table["micro_sd"].isna().all() and (table["seeds"] == 1).all()
