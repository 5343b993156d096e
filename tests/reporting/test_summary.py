"""The comparison of runs: its numbers, table and figure."""

import json

import pandas as pd

from ssmtl.reporting import published, series
from ssmtl.reporting.pages import summary


def run(dataset, model, seed, micro, regions=True):
    """Contents of metrics.json, as far as the comparison reads them."""
    scores = {
        column: {"micro": value, "macro_padded": value + 0.01, "macro_strict": None}
        for column, value in (("arrow_of_time", 0.5), ("combined", micro), ("speed", 0.7))
    }
    other = {column: dict.fromkeys(values, 0.0) for column, values in scores.items()}
    return {
        "dataset": dataset,
        "model": model,
        "seed": seed,
        "columns": list(scores),
        "tasks": ["arrow_of_time"],
        "frames": 30,
        "labelled": True,
        "clips": {"01": {}},
        "border": "replicate",
        "scores": {"zero": other, "replicate": scores},
        "regions": {c: {"rbdc": 0.25, "tbdc": 0.75} for c in scores} if regions else {},
        "pixel_auc": {},
    }


RUNS = [run("a", "m_1", 0, 0.8), run("a", "m_1", 1, 0.9), run("b", "m_1", 0, 0.6, regions=False)]


def test_rows_hold_the_runs_own_border_rule():
    table = summary.run_table(RUNS)
    assert len(table) == 9 and table["score"].tolist()[:3] == ["combined", "arrow_of_time", "speed"]
    combined = table[table["score"] == "combined"]
    assert combined["micro"].tolist() == [0.8, 0.9, 0.6]
    assert combined["rbdc"].tolist()[:2] == [0.25, 0.25] and pd.isna(combined["rbdc"].iloc[2])


def test_seeds_become_mean_and_deviation_beside_what_is_published():
    results = {"a": published.RESULTS["ped2"]}
    rows = summary.model_rows(summary.run_table(RUNS), results)
    ours, baseline, first = rows[:3]
    assert ours["seeds"] == 2 and ours["cells"][0] == "85.0 ± 7.1"
    assert ours["cells"][2] == series.UNKNOWN and ours["cells"][4] == "25.0 ± 0.0"
    assert baseline["cells"][0] == "70.0"
    assert first["method"].startswith("SSMTL") and first["cells"][:2] == ["97.5", "99.8"]
    assert [row["kind"] for row in rows if row["dataset"] == "b"] == ["ours", "baseline"]


def test_latex_is_escaped():
    text = summary.as_latex(summary.model_rows(summary.run_table(RUNS), {}))
    assert r"a & m\_1 & 2 & 85.0 ± 7.1 &" in text and r"\toprule" in text


def test_files_are_the_same_each_time(tmp_path):
    paths = []
    for number, metrics in enumerate(RUNS):
        paths.append(tmp_path / f"{number}.json")
        paths[-1].write_text(json.dumps(metrics))
    names = ("s.html", "s.csv", "s.tex", "s.svg", "s.pdf")
    contents = []
    for folder in (tmp_path / "one", tmp_path / "two"):
        page, csv, tex, *figures = (folder / name for name in names)
        summary.write_summary(page, csv, tex, figures, metrics=paths, published_results={})
        contents.append([(folder / name).read_bytes() for name in names])
    assert contents[0] == contents[1]
    page = contents[0][0].decode()
    assert "http" not in page and 'href="b/report.html"' in page


def test_a_data_set_without_labels_has_dashes():
    unlabelled = run("c", "m", 0, 0.5) | {"scores": {}, "regions": {}}
    table = summary.run_table([unlabelled])
    [ours, baseline] = summary.model_rows(table, {})
    assert set(ours["cells"]) == set(baseline["cells"]) == {series.UNKNOWN}
    summary.summary_figure(table, {})
