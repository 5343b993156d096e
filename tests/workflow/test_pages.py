"""The pages beyond a data set's report: the comparison, and Snakemake's own report."""

import json
import os
import re
import subprocess
import sys
from zipfile import ZipFile

import pandas as pd
import pytest
from toy import ONE_THREAD

RUN = "results/toy/models/tiny/seed0"
# A network of its own, with nothing in it; as root or where users may have one.
ALONE = ["unshare", "--net", *([] if os.getuid() == 0 else ["--map-root-user"])]


@pytest.fixture(scope="module")
def compared(finished, tmp_path_factory):
    """The toy project with its comparison page."""
    project = finished.copied(tmp_path_factory.mktemp("compared") / "project")
    project.build("results/summary.html")
    return project


def test_comparison_page_and_tables(compared):
    metrics = compared.metrics()
    table = pd.read_csv(compared.path("results/summary.csv"))
    assert table["score"].tolist()[0] == "combined" and set(table["score"]) == set(
        metrics["columns"]
    )
    border = metrics["border"]
    for row in table.itertuples():
        assert row.micro == pytest.approx(metrics["scores"][border][row.score]["micro"], abs=1e-6)
        assert row.rbdc == pytest.approx(metrics["regions"][row.score]["rbdc"], abs=1e-6)
    micro = f"{100 * metrics['scores'][border]['combined']['micro']:.1f}"
    page = compared.path("results/summary.html").read_text()
    assert f'<td class="number">{micro}</td>' in page and 'href="toy/report.html"' in page
    assert f"toy & tiny & 1 & {micro} &" in compared.path("results/summary.tex").read_text()
    figures = compared.path("results/toy/figures/tiny/seed0")
    for folder, name in ((figures, "roc"), (figures, "timelines"), (figures.parents[3], "summary")):
        assert (folder / f"{name}.pdf").read_bytes().startswith(b"%PDF")
        assert "<svg" in (folder / f"{name}.svg").read_text()


def test_stage_times_stand_in_the_report(finished):
    page = finished.path("results/toy/report.html").read_text()
    for stage in ("frames", "detect", "cubes", "teachers", "train", "score", "evaluate"):
        assert len(list(finished.path("results/toy/benchmarks").glob(f"{stage}_*.tsv"))) >= 1
        assert re.search(rf'<tr><th>{stage}</th><td class="number">\d+</td>', page), stage


def test_snakemake_report_is_complete_and_needs_no_network(compared):
    command = [sys.executable, "-m", "snakemake", "--report", "report.zip", "--cores", "1"]
    command += ["results/summary.html", *ONE_THREAD]
    possible = subprocess.run([*ALONE, "true"], capture_output=True).returncode == 0
    done = subprocess.run(
        [*(ALONE if possible else []), *command],
        cwd=compared.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    with ZipFile(compared.path("report.zip")) as archive:
        page = archive.read("report/report.html").decode()
    entries = json.loads(re.search(r"var results = (\{.*\});", page)[1])
    assert {f"{RUN}/metrics.json", "results/toy/report.html", "results/summary.csv"} <= set(entries)
    for name, entry in entries.items():
        caption = re.sub("<[^>]*>", "", entry["caption"]).strip()
        assert len(caption) > 40 and "{{" not in caption, name
    groups = json.loads(re.search(r"var categories = (\{.*\});", page)[1])
    assert set(groups) == {"toy", "Comparison"}
    assert {"metrics", "training", "report", "figures"} <= set(groups["toy"])
