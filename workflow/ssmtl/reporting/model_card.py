"""The card of a released model, Markdown: what it is, what it was trained on, how good it is."""

from pathlib import Path

import yaml

from ssmtl.core import store
from ssmtl.datasets import video as datasets
from ssmtl.evaluation.metrics.names import OF_FRAMES
from ssmtl.formats.metrics import read_metrics
from ssmtl.reporting.page import environment, notes_of


def write_card(
    output: Path,
    *,
    card: dict,
    metrics: Path,
    reader: str,
    config: dict,
    command: str,
    megabytes: float,
) -> None:
    """Writes the card of a released run.

    card: its model.json; reader: of its data set, whose terms are shown; config: what the run was
    made with, by stage; command: what makes it again.
    """
    markdown = environment().overlay(autoescape=False, keep_trailing_newline=True)
    text = markdown.get_template("model_card.md.j2").render(
        card=card,
        metrics=read_metrics(metrics),
        metric_names=OF_FRAMES,
        about=datasets.reader(reader).ABOUT,
        notes=notes_of(config),
        settings=yaml.safe_dump(config | {"train": card["settings"]}, sort_keys=False).rstrip(),
        command=command,
        megabytes=megabytes,
    )
    with store.replacing(output) as path:
        path.write_text(text)
