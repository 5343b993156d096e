"""A folder of annotated videos: `{clip}.mp4` of the test clips, and videos.json, which says what
run they show, so that nothing depends on the folder's name."""

import json
from pathlib import Path

from ssmtl.core import store
from ssmtl.formats.tables import read_json

CARD = "videos.json"


def write_about(folder: Path, model: str, seed: int | None) -> None:
    """Writes last, when all videos are there; seed: of a model that has one."""
    with store.replacing(folder / CARD) as path:
        path.write_text(json.dumps({"model": model, "seed": seed}) + "\n")


def read_about(folder: Path) -> tuple[str, int | None]:
    """Model and seed of a folder of videos; InputError where it is none."""
    about = read_json(folder / CARD, model=str, seed=(int, type(None)))
    return about["model"], about["seed"]
