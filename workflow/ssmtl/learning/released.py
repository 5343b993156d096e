"""Released models take the place of training. Nothing in them is unpickled."""

import logging
import shutil
from pathlib import Path

from ssmtl.core import store
from ssmtl.core.errors import InputError
from ssmtl.formats.calibration import read_calibration
from ssmtl.formats.released import FILES
from ssmtl.learning import model as models

log = logging.getLogger(__name__)


def check(folder: Path) -> dict:
    """The card of the model in a folder; InputError unless all its files are there and fit."""
    if missing := [name for name in FILES if not (folder / name).is_file()]:
        raise InputError(
            f"{folder}: not a released model, it has no {' and no '.join(missing)}; `ssmtl "
            "release` makes one from a run"
        )
    model, card = models.load(folder / "model.safetensors")
    with read_calibration(folder / "calibration.h5") as file:
        if set(file) != set(model.tasks):
            raise InputError(
                f"{folder / 'calibration.h5'}: of the tasks {', '.join(sorted(file))}, the model "
                f"has {', '.join(sorted(model.tasks))}; calibrate that model and release it again"
            )
    return card


def release(output: Path, *, run: Path) -> dict:
    """Copies the files of a run into a folder of their own; the model's card, as a dict."""
    card = check(run)
    copy_files(run, output)
    return card


def copy_files(source: Path, output: Path) -> None:
    for name in FILES:
        with store.replacing(output / name) as path:
            shutil.copyfile(source / name, path)


def use_released(output: Path, *, released: Path, seed: int, name: str = "model") -> None:
    """Copies a released model's files into the folder of the run of its seed.

    name: of the model here, which its scores will carry.
    """
    card = check(released)
    if card["seed"] != seed:
        raise InputError(
            f"{released}: trained with seed {card['seed']}, not {seed}; ask for that seed"
        )
    copy_files(released, output)
    models.write_card(output, card | {"name": name})
    log.info(
        "%s: trained on %d objects of %d clips, seed %d",
        released,
        card["train"]["objects"],
        card["train"]["clips"],
        card["seed"],
    )
