"""Figures of one run for papers: ROC and timelines, as SVG and PDF."""

from pathlib import Path

from matplotlib.figure import Figure

from ssmtl.core.errors import InputError
from ssmtl.reporting import plots
from ssmtl.reporting.runs import Run, load_models


def write_figures(outputs: list[Path], *, run: Path) -> None:
    """Writes the figures of a folder `models/{model}/seed{seed}` by the names of the outputs.

    outputs: files named `roc` or `timelines`, `.svg` or `.pdf`.
    """
    [[found]] = load_models([run]).values()
    for path in map(Path, outputs):
        if path.stem not in FIGURES or path.suffix not in (".svg", ".pdf"):
            raise InputError(
                f"{path}: no such figure; ask for {' or '.join(FIGURES)}, as .svg or .pdf"
            )
        plots.save(FIGURES[path.stem](found), path)


def roc(run: Run) -> Figure:
    scores = run.metrics["scores"].get(run.metrics["border"], {})
    auc = {column: scores.get(column, {}).get("micro") for column in run.columns}
    return plots.roc_figure(run.frames, run.columns, auc)


def timelines(run: Run) -> Figure:
    return plots.timelines_figure(run.clips)


FIGURES = {"roc": roc, "timelines": timelines}
