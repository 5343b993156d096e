"""Released models: a folder with a trained model, its calibration, its history and a card.

Such a folder is made from a run, and taken in place of training. Nothing in it is unpickled.
The Snakefile imports this module, so what takes seconds to import is imported where it is used.
"""

import json
import logging
import shutil
from pathlib import Path

import yaml

from ssmtl.core import store
from ssmtl.core.errors import InputError
from ssmtl.datasets import video as datasets

log = logging.getLogger(__name__)

FILES = ("model.safetensors", "model.json", "calibration.h5", "history.csv")
CARD = "README.md"


def check(folder: Path) -> dict:
    """The card of the model in a folder; InputError unless all its files are there and fit."""
    from ssmtl.learning import model as models

    if missing := [name for name in FILES if not (folder / name).is_file()]:
        raise InputError(
            f"{folder}: not a released model, it has no {' and no '.join(missing)}; `ssmtl "
            "release` makes one from a run"
        )
    model, card = models.load(folder / "model.safetensors")
    with store.read(folder / "calibration.h5", "calibration") as file:
        if set(file) != set(model.tasks):
            raise InputError(
                f"{folder / 'calibration.h5'}: of the tasks {', '.join(sorted(file))}, the model "
                f"has {', '.join(sorted(model.tasks))}; calibrate that model and release it again"
            )
    return card


def use_released(output: Path, *, released: Path, seed: int) -> None:
    """Copies a released model's files into the folder of the run of its seed."""
    card = check(released)
    if card["seed"] != seed:
        raise InputError(
            f"{released}: trained with seed {card['seed']}, not {seed}; ask for that seed"
        )
    for name in FILES:
        with store.replacing(output / name) as path:
            shutil.copyfile(released / name, path)
    log.info(
        "%s: trained on %d objects of %d clips, seed %d",
        released,
        card["train"]["objects"],
        card["train"]["clips"],
        card["seed"],
    )


def released_seed(folder: Path) -> int:
    """The seed that a released model was trained with."""
    path = folder / "model.json"
    try:
        return int(json.loads(path.read_text())["seed"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not the card of a released model ({error!r})") from error


def release(
    output: Path, *, run: Path, metrics: Path, reader: str, config: dict, command: str
) -> None:
    """Writes a run's model, calibration and history and a card about them into a folder.

    config: what the run was made with, by stage, shown in the card; command: what makes it again.
    """
    from ssmtl.formats.tables import read_json
    from ssmtl.reporting.page import environment, notes_of

    card = check(run)
    found = read_json(metrics)
    markdown = environment().overlay(autoescape=False, keep_trailing_newline=True)
    text = markdown.get_template("model_card.md.j2").render(
        card=card,
        metrics=found,
        about=datasets.reader(reader).ABOUT,
        notes=notes_of(config),
        settings=yaml.safe_dump(config | {"train": card["settings"]}, sort_keys=False).rstrip(),
        command=command,
        megabytes=(run / "model.safetensors").stat().st_size / 1e6,
    )
    for name in FILES:
        with store.replacing(output / name) as path:
            shutil.copyfile(run / name, path)
    with store.replacing(output / CARD) as path:
        path.write_text(text)
