"""Whose values win: defaults, the config's section, the model's, the data set's, a variant's."""

import copy
import os
import re
from collections.abc import Iterable
from functools import cache
from typing import Any

from ssmtl.config.sections import DEFAULT_MODEL, SECTIONS, Config, Dataset, ImageDataset, Run
from ssmtl.core.errors import InputError
from ssmtl.core.pipeline import shipped
from ssmtl.core.settings import Settings

STAGES = ("frames", "detect", "cubes", "teachers", "features", "train", "score", "evaluate")
MODEL_STAGES = STAGES[5:]  # those whose settings a model may change


def schema() -> dict:
    """The JSON schema of a configuration."""
    return Config.model_json_schema()


@cache
def keys(stage: str) -> dict[str, dict]:
    """The keys of a stage's section: name -> type, description and default."""
    return SECTIONS[stage].model_json_schema()["properties"]


def defaults(stage: str) -> dict:
    return SECTIONS[stage].parse({}).model_dump()


def base_settings(
    config: dict,
    stage: str,
    dataset: str | None = None,
    model: str | None = None,
    changes: Iterable[dict] = (),
) -> dict:
    """A stage's settings: the defaults, then the config's section, the model's, the data set's.

    model: none of its variants, whose layers are the changes that win over all.
    """
    layers = [config.get(stage, {})]
    if model:
        layers.append(config.get("models", {}).get(model, {}).get(stage, {}))
    if dataset is not None:
        sets = config["datasets"] | config.get("image_datasets", {})
        layers.append(sets[dataset].get(stage, {}))
    section = SECTIONS[stage]
    return located(section.parse(layered(section, [*layers, *changes]), stage).model_dump())


# Keys that are options by name, of which a layer changes those that it names; and, where they are
# those of one module, the key that names it.
BY_NAME = {"task_options": None, "encoder_options": "encoder", "backend_options": "backend"}


def layered(section: type[Settings], layers: Iterable[dict]) -> dict:
    """The values of layers of a section, the later ones over the earlier ones."""
    found: dict = {}
    for layer in layers:
        for options, key in BY_NAME.items():
            if key is None or key not in layer:
                continue
            if layer[key] != found.get(key, section.model_fields[key].default):
                found.pop(options, None)  # those of another encoder or detector
        named = {key: over(found.get(key, {}), layer[key]) for key in BY_NAME if key in layer}
        found |= layer | named
    return found


def over(values: dict, changes: dict) -> dict:
    """Values by name with changes, of sections within them too."""
    found = dict(values)
    for key, value in changes.items():
        section = isinstance(value, dict) and isinstance(found.get(key), dict)
        found[key] = over(found[key], value) if section else value
    return found


def located(values: dict) -> dict:
    """The same with paths of the pipeline's own files as these are found from here."""

    def place(value: Any) -> Any:
        if isinstance(value, dict):
            return located(value)
        return shipped(value) if isinstance(value, str) else value

    return {key: place(value) for key, value in values.items()}


def dataset(config: dict, name: str) -> dict:
    """A data set's entry with its defaults, without its changes to sections."""
    if name not in config["datasets"]:
        raise InputError(f"config: no data set '{name}'; there are {', '.join(config['datasets'])}")
    return entry(Dataset, config["datasets"][name], f"datasets.{name}", name)


def image_dataset(config: dict, name: str) -> dict:
    """An image data set's entry with its defaults, without its changes to sections."""
    known = config.get("image_datasets", {})
    if name not in known:
        raise InputError(f"config: no image data set '{name}'; there are {', '.join(known)}")
    return entry(ImageDataset, known[name], f"image_datasets.{name}", name)


def entry(kind: type[Dataset | ImageDataset], values: dict, place: str, name: str) -> dict:
    """What a data set says of itself; keys without a value are left out."""
    found = kind.parse(values, place).model_dump(exclude=set(SECTIONS), exclude_none=True)
    if "released" in found:
        found["released"] = located(found["released"])
    if "path" in found:
        found["path"] = from_environment(found["path"], f"{place}.path")
    return {"path": f"data/{name}"} | found


def from_environment(path: str, place: str) -> str:
    """A path with the values of variables, as a shell reads `${NAME}` and `${NAME:-default}`.

    InputError for a variable that is neither set nor has a default; place: the key of the path.
    """

    def value(match: re.Match) -> str:
        name, default = match["name"], match["default"]
        found = os.environ.get(name) or default
        if found is None:
            raise InputError(
                f"config: {place}: the environment variable {name} is not set; set it, or write "
                f"${{{name}:-folder}} for what is used without it"
            )
        return found

    return re.sub(r"\$\{(?P<name>\w+)(:-(?P<default>[^}]*))?\}", value, path)


def run(config: dict) -> dict:
    """The `run` section with its defaults."""
    return Run.parse(config.get("run", {}), "run").model_dump()


def models(config: dict) -> list[str]:
    """The names of the models, of which there is one where the configuration names none."""
    return [*config.get("models", [DEFAULT_MODEL])]


def seeded(config: dict) -> dict:
    """The configuration with its `seed`, where it has one, put into all its places."""
    if "seed" not in config:
        return config
    config = copy.deepcopy(config)
    seed = config.pop("seed")
    config.setdefault("run", {})["seeds"] = [seed]
    for data in config["datasets"].values():
        if data["reader"] == "demo":
            data["options"]["seed"] = seed
    for data in config.get("image_datasets", {}).values():
        data["seeds"] = [seed]
    return config
