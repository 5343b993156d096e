"""Ablation and sensitivity on the toy data: what is trained, what is shared, what comes out."""

import json
from collections import Counter

import numpy as np
import pandas as pd
import pytest

ABLATION = {
    "groups": ["options"],
    "seeds": [0],
    "variants": {
        "middle_alone": {"train": {"tasks": ["middle_box"]}},
        "mean_fusion": {"score": {"fusion": "mean"}},
        "no_smoothing": {"evaluate": {"sigma": 0}},
    },
}
SENSITIVITY = {"cell": [2], "filter_size": [1], "sigma": [0], "fusion": ["mean"]}
PAGES = ("results/toy/ablation.html", "results/toy/sensitivity.html")


def rules(planned: Counter) -> dict[str, int]:
    """How many jobs of every rule a dry run has."""
    counts: Counter = Counter()
    for (rule, _), count in planned.items():
        counts[rule] += count
    return dict(counts)


@pytest.fixture(scope="module")
def ablated(finished, tmp_path_factory):
    """The toy project with its ablation and sensitivity built on top."""
    project = finished.copied(tmp_path_factory.mktemp("ablation") / "project")
    project.change(ABLATION, "datasets", "toy", "ablation")
    project.change(SENSITIVITY, "datasets", "toy", "sensitivity")
    assert not project.planned()  # neither section is among the settings of another stage
    project.build(*PAGES)
    return project


def test_only_what_differs_is_made(project):
    project.change(ABLATION | {"groups": ["only", "encoders", "options"]}, "ablation")
    # Four tasks alone, three other encoders and one named variant are trained; a fusion is scored
    # anew, in two shards; a smoothing is only evaluated.
    expected = {"train": 8, "calibrate": 9, "score": 18, "evaluate": 10, "ablation": 1}
    assert rules(project.planned(PAGES[0])) == expected
    # A shorter training of all has a full set of its own.
    project.change({"cubes_seen": 32}, "ablation", "train")
    assert rules(project.planned(PAGES[0])) == expected | {
        "train": 9, "calibrate": 10, "score": 20, "evaluate": 11,
    }  # fmt: skip


def test_every_variant_has_a_row(ablated):
    table = pd.read_csv(ablated.path("results/toy/ablation.csv")).set_index("variant")
    assert list(table.index) == ["full", *sorted(ABLATION["variants"])]
    assert table["micro_mean"].between(0, 1).all() and (table["cubes_seen"] == 64).all()
    counts = table["parameters"]
    assert counts["middle_alone"] < counts["full"] == counts["mean_fusion"]
    full = ablated.metrics()["scores"]["zero"]["combined"]["micro"]
    assert table.loc["full", "micro_mean"] == pytest.approx(full, abs=1e-6)
    models = ablated.path("results/toy/models")
    alone = json.loads((models / "tiny.middle_alone/seed0/metrics.json").read_text())
    assert alone["tasks"] == ["middle_box"]
    assert not (models / "tiny.full").exists()
    assert not (models / "tiny.mean_fusion/seed0/model.safetensors").exists()
    assert not (models / "tiny.no_smoothing/seed0/scores").exists()
    assert "middle alone" in ablated.path("results/toy/ablation.svg").read_text()


def test_the_sweep_meets_the_evaluation_and_the_variants(ablated):
    table = pd.read_csv(ablated.path("results/toy/sensitivity.csv"))
    variants = pd.read_csv(ablated.path("results/toy/ablation.csv")).set_index("variant")
    configured = table[table["configured"]].iloc[0]
    assert configured["micro"] == pytest.approx(variants.loc["full", "micro_mean"], abs=2e-6)
    at = (table["cell"] == 2) & (table["filter_size"] == 3) & (table["border"] == "zero")
    mean = table[at & (table["fusion"] == "mean") & (table["sigma"] == 2)]["micro"]
    raw = table[at & (table["fusion"] == "ecdf") & (table["sigma"] == 0)]["micro"]
    np.testing.assert_allclose(mean, variants.loc["mean_fusion", "micro_mean"], atol=2e-6)
    np.testing.assert_allclose(raw, variants.loc["no_smoothing", "micro_mean"], atol=2e-6)
    assert len(mean) == len(raw) == 1


def test_looking_again_makes_nothing(ablated, tmp_path):
    project = ablated.copied(tmp_path / "project")
    assert not project.planned(*PAGES)
    project.change([0, 3], "datasets", "toy", "sensitivity", "sigma")
    assert rules(project.planned(*PAGES)) == {"sensitivity": 1, "sensitivity_page": 1}


def test_a_variant_that_there_is_not_is_one_line(finished):
    target = "results/toy/models/tiny.only_nothing/seed0/metrics.json"
    done = finished.snakemake("--dry-run", target)
    assert done.returncode != 0
    assert "model 'tiny' has no variant 'only_nothing' on toy; there are full" in done.stdout
