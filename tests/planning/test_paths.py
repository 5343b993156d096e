"""Patterns of paths, and what a typo in a target is answered with."""

import re

import pytest

from ssmtl.planning import paths
from ssmtl.planning.targets import pages, unknown_target

CONFIG = {
    "models": {"best": {}, "a.b": {}},
    "datasets": {"demo": {"released": {"best": "x"}}, "ped2": {}},
    "image_datasets": {"digits": {}},
}


def test_wildcards_match_whole_names_only():
    found = paths.constraints(CONFIG)
    assert re.fullmatch(found["dataset"], "demo") and not re.fullmatch(found["dataset"], "demos")
    assert re.fullmatch(found["model"], "best.only_jigsaw") and re.fullmatch(found["model"], "a.b")
    assert not re.fullmatch(found["model"], "aXb")  # the dot of a name is a dot
    assert not re.fullmatch(found["seed"], "-1")
    assert not re.fullmatch(paths.constraints({"datasets": {"demo": {}}})["imageset"], "")
    assert paths.datasets_with(CONFIG, "released", True) == "demo"
    assert paths.datasets_with(CONFIG, "released", False) == "ped2"
    assert paths.datasets_with(CONFIG, "from_frames", True) == "(?!)"


@pytest.mark.parametrize(
    ("target", "answer"),
    [
        ("results/demo/reprot.html", "did you mean results/demo/report.html?"),
        ("results/dmo/report.html", "did you mean results/demo/report.html?"),
        ("results/demo/report.htm", "did you mean results/demo/report.html?"),
        ("result/demo/report.html", "did you mean results/demo/report.html?"),
        ("results/digits/one-vs-all.html", "did you mean results/digits/one_vs_all.html?"),
        ("manifst", "did you mean manifest?"),
        ("results/pde2/manifest.csv", "no data set 'pde2'; did you mean ped2?"),
        ("results/moon/manifest.csv", "no data set 'moon'; there are demo, "),
        ("results/demo/models/bst/seed0/metrics.json", "no model 'bst'; did you mean best?"),
        ("results/demo/models/q/seed0/metrics.json", "no model 'q'; there are best, a.b"),
        ("elsewhere", "pages are results/demo/report.html, results/ped2/report.html"),
    ],
)
def test_a_typo_is_answered_with_the_nearest_target(target, answer):
    line = unknown_target(target, CONFIG, ["manifest", "train"])
    assert line.startswith(f"no rule makes '{target}'") and answer in line and "\n" not in line


def test_pages_are_those_of_all_data_sets():
    assert "results/summary.html" in pages(CONFIG)
    assert {"results/ped2/ablation.html", "results/digits/one_vs_all.html"} < set(pages(CONFIG))
    assert "results/digits/report.html" not in pages(CONFIG)
