"""model.json: the card of a trained model, all that it takes to build and to use it again."""

import re
from pathlib import Path

from ssmtl.core.errors import InputError
from ssmtl.formats.tables import read_json, unreadable

LARGEST = 1 << 12  # pixels or frames of a cube's side
RANGES = {"size": (1, LARGEST), "radius": (0, LARGEST), "max_gap": (1, LARGEST)}
NAME = r"[a-z][a-z0-9_]*"  # of tasks and encoders, which are modules of ours


def read_card(path: Path) -> dict:
    """The checked card of a model; InputError where it is missing, or another file.

    `spec` is what the model is built from: tasks and task_options, encoder and encoder_options,
    size, radius, max_gap, classes.
    """
    if not Path(path).exists():
        raise InputError(f"{path}: no such file; train the model first, or check the path")
    try:
        card = read_json(path, spec=dict, seed=int, train=dict)
        try:
            card["spec"] = upgraded(card["spec"])
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise unreadable(path, f"no card of version 0.1 either, {error!r}") from error
        check(path, card)
    except InputError as error:
        raise InputError(f"{path}: not the card of an ssmtl model ({reason(error)})") from error
    return card


def upgraded(spec: dict) -> dict:
    """A specification as it is written today, of one that version 0.1 may have written."""
    if "settings" not in spec:
        return spec
    spec = {"encoder": "cnn3d"} | spec  # the first ones do not name theirs
    old = spec.pop("settings")
    if spec["encoder"] == "wideresnet":
        depth, widen = map(int, spec.pop("wideresnet").split("-"))
        spec["encoder_options"] = {"depth": depth, "widen": widen}
    else:
        spec["encoder_options"] = {key: spec.pop(key) for key in ("depth", "width")}
    options: dict[str, dict] = {}
    for key, value in old.items():
        task, _, option = key.partition("_")
        options.setdefault(task, {})[option] = value
    return spec | {"task_options": options}


def reason(error: InputError) -> str:
    """What is said in brackets, or else all of it."""
    found = re.search(r"\((.*)\)", str(error))
    return found[1] if found else str(error)


def check(path: Path, card: dict) -> None:
    spec = card["spec"]
    for key, (low, high) in RANGES.items():
        value = spec.get(key)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise unreadable(path, f"spec.{key} is {value!r}, not from {low} to {high}")
    for key in ("tasks", "classes"):
        names = spec.get(key)
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise unreadable(path, f"spec.{key} is no list of names")
    for name in (*spec["tasks"], spec.get("encoder")):
        if not isinstance(name, str) or not re.fullmatch(NAME, name):
            raise unreadable(path, f"{name!r} is no name of a task or encoder")
    for key in ("task_options", "encoder_options"):
        if not isinstance(spec.get(key), dict):
            raise unreadable(path, f"no spec.{key}")
    if card["seed"] < 0:
        raise unreadable(path, f"seed is {card['seed']}")
