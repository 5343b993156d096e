"""The configuration: checked against the schema, completed with its defaults.

The schema is the one home of every key's meaning and default; the command line's options are
made from it too.
"""

import copy
import difflib
import shlex
from functools import cache
from pathlib import Path

import jsonschema
import yaml

from ssmtl.errors import InputError

SCHEMA = Path(__file__).parents[1] / "schemas" / "config.schema.yaml"
STAGES = ("frames", "detect", "cubes", "teachers", "train", "score", "evaluate")


@cache
def schema() -> dict:
    return yaml.safe_load(SCHEMA.read_text())


def keys(stage: str) -> dict[str, dict]:
    """The keys of a stage's section: name -> type, description and default."""
    return schema()["$defs"][stage]["properties"]


def defaults(stage: str) -> dict:
    return {name: copy.deepcopy(key["default"]) for name, key in keys(stage).items()}


def check(config: dict) -> None:
    """InputError with one line for the first mistake in a configuration."""
    validator = jsonschema.Draft202012Validator(schema())
    errors = sorted(
        validator.iter_errors(config), key=lambda e: (list(map(str, e.path)), e.message)
    )
    if errors:
        raise InputError(f"config: {explain(errors[0])}")
    for name, data in config["datasets"].items():
        known = config.get("models", {"paper": {}})
        for model in data.get("models", ["paper"]):
            if model not in known:
                raise InputError(
                    f"config: datasets.{name}.models names '{model}', which is not under models "
                    f"({', '.join(known)})"
                )
    for name in config.get("run", {}).get("datasets", ["demo"]):
        if name not in config["datasets"]:
            raise InputError(
                f"config: run.datasets names '{name}', which is not under datasets "
                f"({', '.join(config['datasets'])})"
            )
    for model in (None, *config.get("models", {})):
        for name in (None, *config["datasets"]):
            if settings(config, "evaluate", name, model)["filter_size"] % 2 == 0:
                raise InputError(
                    "config: evaluate.filter_size must be odd, so that it has a middle"
                )


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
    return config


def explain(error: jsonschema.ValidationError) -> str:
    """One line for a schema error: where, what was found, what is allowed."""
    place = ".".join(map(str, error.path)) or "top level"
    if error.validator == "additionalProperties" and isinstance(error.instance, dict):
        known = list(error.schema["properties"])
        unknown = next(key for key in error.instance if key not in known)
        close = difflib.get_close_matches(str(unknown), known, 1)
        hint = f"did you mean '{close[0]}'?" if close else f"known are {', '.join(known)}"
        return f"unknown key '{unknown}' at {place}; {hint}"
    return f"{place}: {error.message}"


def settings(
    config: dict, stage: str, dataset: str | None = None, model: str | None = None
) -> dict:
    """A stage's settings: the defaults, then the config's section, the model's, the data set's."""
    layers = [config.get(stage, {})]
    if model is not None:
        layers.append(config.get("models", {}).get(model, {}).get(stage, {}))
    if dataset is not None:
        layers.append(config["datasets"][dataset].get(stage, {}))
    merged = defaults(stage)
    for layer in layers:
        merged |= layer
    return merged


def dataset(config: dict, name: str) -> dict:
    """A data set's entry with its defaults."""
    if name not in config["datasets"]:
        raise InputError(f"config: no data set '{name}'; there are {', '.join(config['datasets'])}")
    properties = schema()["$defs"]["dataset"]["properties"]
    filled = {k: copy.deepcopy(v["default"]) for k, v in properties.items() if "default" in v}
    filled |= {"path": f"data/{name}"} | config["datasets"][name]
    filled["shards"] = {"train": 1, "test": 1} | filled["shards"]
    return filled


def run(config: dict) -> dict:
    """The `run` section with its defaults."""
    properties = schema()["properties"]["run"]["properties"]
    return {k: copy.deepcopy(v["default"]) for k, v in properties.items()} | config.get("run", {})


def flags(values: dict) -> str:
    """Settings as command-line options, in a fixed order: `--batch 16 --iou 0.45`."""
    words = []
    for name, value in sorted(values.items()):
        text = ",".join(value) if isinstance(value, list) else str(value)
        words += [f"--{name.replace('_', '-')}", shlex.quote(text)]
    return " ".join(words)
