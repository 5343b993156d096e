"""A released model: a folder with a trained model, its calibration, its history and a card."""

import json
from pathlib import Path

from ssmtl.core.errors import InputError

FILES = ("model.safetensors", "model.json", "calibration.h5", "history.csv")
CARD = "README.md"


def released_seed(folder: Path) -> int:
    """The seed that a released model was trained with."""
    path = folder / "model.json"
    try:
        return int(json.loads(path.read_text())["seed"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not the card of a released model ({error!r})") from error
