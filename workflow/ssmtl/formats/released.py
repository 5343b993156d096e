"""A released model: a folder with a trained model, its calibration, its history and a card."""

from pathlib import Path

from ssmtl.formats.card import read_card

FILES = ("model.safetensors", "model.json", "calibration.h5", "history.csv")
CARD = "README.md"


def released_seed(folder: Path) -> int:
    """The seed that a released model was trained with."""
    return read_card(folder / "model.json")["seed"]
