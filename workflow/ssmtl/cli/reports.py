"""Commands that show results: tables, pages, figures and videos."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from ssmtl.cli.program import REPORTS, command
from ssmtl.cli.values import FLAG, Files, Json

Protocol = Literal["one_vs_all", "out_of_distribution", "presentation_attack"]


@command(REPORTS, quiet=True)
def show(metrics: list[Path], /, *, borders: Annotated[bool, FLAG] = False) -> None:
    """Print the metrics table of evaluated models.

    Args:
        metrics: metrics.json of each.
        borders: The combined score under both border rules.
    """
    from ssmtl.evaluation.evaluate import borders_text, metrics_text
    from ssmtl.formats.metrics import read_metrics

    runs = [read_metrics(path) for path in metrics]
    if borders:
        print(borders_text(runs))
        return
    for run in runs:
        print(f"{run['dataset']}, model {run['model']}, seed {run['seed']}")
        print(metrics_text(run))


@command(REPORTS, quiet=True)
def show_protocol(summaries: list[Path], /) -> None:
    """Print the tables of a protocol.

    Args:
        summaries: CSVs of `ssmtl protocol`, such as one_vs_all.csv.
    """
    from ssmtl.evaluation.protocols import read_summary, summary_text

    for path in summaries:
        print(summary_text(read_summary(path)))


@command(REPORTS)
def history(output: Path, /, *, history: Path) -> None:
    """Plot a training history.

    Args:
        output: Figure to write (.svg).
        history: history.csv.
    """
    from ssmtl.formats.history import read_history
    from ssmtl.reporting import plots

    plots.save(plots.history_figure(read_history(history)), output)


@command(REPORTS, "ssmtl.reporting.pages.report:write_report")
def report(
    output: Path,
    /,
    *,
    dataset: str,
    config: Json,
    manifest: Path,
    frames: list[Path],
    detections: list[Path],
    cubes: Files = (),
    teachers: Files = (),
    runs: list[Path],
    videos: Files = (),
    benchmarks: Path | None = None,
) -> None:
    """Write the HTML report of a data set.

    Args:
        output: report.html.
        dataset: Name of the data set.
        config: Configuration to show, JSON.
        manifest: manifest.csv.
        frames: frames.h5 of all shards.
        detections: detections.h5 of all shards.
        cubes: cubes.h5 of all shards that have one.
        teachers: teachers.h5 of all shards that have one.
        runs: Model folders with metrics.json.
        videos: Folders of annotated videos.
        benchmarks: Folder of Snakemake's benchmarks.
    """


@command(REPORTS, "ssmtl.reporting.paper_figures:write_figures")
def figures(outputs: list[Path], /, *, run: Annotated[Path, Parameter("--run-folder")]) -> None:
    """Draw a run's figures for papers.

    Args:
        outputs: Files named roc or timelines, .svg or .pdf.
        run: Folder of the run.
    """


@command(REPORTS)
def summary(
    page: Path,
    csv: Path,
    tex: Path,
    svg: Path,
    pdf: Path,
    /,
    *,
    metrics: list[Path],
    published: Json | None = None,
) -> None:
    """Compare data sets, models and seeds: page, tables and figure.

    Args:
        page: summary.html.
        csv: Table to write, one row per run and score (.csv).
        tex: Table to write, one row per model (.tex).
        svg: Figure to write (.svg).
        pdf: Figure to write (.pdf).
        metrics: metrics.json of all runs.
        published: Published results of each data set, by their name, JSON.
    """
    from ssmtl.reporting.pages.summary import write_summary

    write_summary(page, csv, tex, [svg, pdf], metrics=metrics, published_results=published or {})


@command(REPORTS, "ssmtl.reporting.annotated_videos:write_videos")
def videos(
    output: Path,
    /,
    *,
    frames: list[Path],
    scores: list[Path],
    table: Path,
    calibration: Path,
    model: Annotated[str | None, Parameter("--model-name")] = None,
) -> None:
    """Draw objects, scores and ground truth into the test clips, as H.264 video.

    Args:
        output: Folder to write {clip}.mp4 to.
        frames: frames.h5 of the test shards.
        scores: Scores of the same shards, in the same order.
        table: frame_scores.csv.
        calibration: calibration.h5, for scores combined by one.
        model: The model's name in metrics.json; that of the scores where not given.
    """


@command(REPORTS, "ssmtl.reporting.pages.ablation:write_ablation")
def ablation(
    page: Path,
    summary: Path,
    runs: Path,
    figure: Path,
    /,
    *,
    dataset: str,
    plan: Json,
    metrics: list[Path],
    cards: list[Path],
) -> None:
    """Compare the variants of a model: page, tables and figure.

    Args:
        page: ablation.html.
        summary: CSV to write, one row per variant.
        runs: CSV to write, one row per variant and seed.
        figure: Figure to write (.svg).
        dataset: Name of the data set.
        plan: What is compared, JSON.
        metrics: metrics.json of all variants and seeds.
        cards: model.json that each of these was scored with, in the same order.
    """


@command(REPORTS)
def sensitivity_page(
    page: Path,
    combined: Path,
    /,
    *,
    dataset: str,
    tables: list[Path],
    about: Json | None = None,
) -> None:
    """Write the page of a data set's sensitivity.

    Args:
        page: sensitivity.html.
        combined: CSV to write, all tables in one.
        dataset: Name of the data set.
        tables: CSVs of `ssmtl sensitivity`.
        about: Notes to show and teachers, JSON.
    """
    from ssmtl.reporting.pages.sensitivity import write_page

    write_page(page, combined, dataset=dataset, tables=tables, about=about or {})


@command(REPORTS)
def protocol(
    page: Path,
    summary: Path,
    runs: Path,
    figure: Path,
    /,
    *,
    protocol: Protocol,
    dataset: str,
    plan: Json,
    images: list[Path],
    scores: list[Path],
) -> None:
    """Measure a protocol of the image system: page, tables and figure.

    Args:
        page: Page to write (.html).
        summary: CSV to write, one row per case and score.
        runs: CSV to write, one row per case, score and seed.
        figure: Figure to write (.svg).
        protocol: Protocol to measure.
        dataset: Name of the data set.
        plan: References, notes and settings, JSON.
        images: images.h5 of the test pictures of every data set.
        scores: Scores, of the method first; each lies in a folder within that of its run.
    """
    from ssmtl.reporting.pages.protocol import write_protocol

    write_protocol(
        page,
        summary,
        runs,
        figure,
        protocol=protocol,
        dataset=dataset,
        plan=plan,
        scores=scores,
        images=images,
    )
    show_protocol([summary])
