"""The configuration: checked against the schema, completed with its defaults.

The schema is the one home of every key's meaning and default; the command line's options are
made from it too.
"""

import copy
import difflib
import shlex
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import jsonschema
import yaml

from ssmtl.core.errors import InputError

SCHEMA = Path(__file__).with_name("schema.yaml")
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's is the faster one
STAGES = ("frames", "detect", "cubes", "teachers", "train", "score", "evaluate")
MODEL_STAGES = STAGES[4:]  # those whose settings a model may change


@cache
def schema() -> dict:
    return yaml.load(SCHEMA.read_text(), Loader=LOADER)


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
        released = data.get("released", {})
        if released and (left := [m for m in data.get("models", ["paper"]) if m not in released]):
            raise InputError(
                f"config: datasets.{name}.models names '{left[0]}', which has no folder under "
                f"datasets.{name}.released; add it, or make a data set of its own for it"
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
    for name in (None, *config["datasets"]):
        even = [n for n in settings(config, "sensitivity", name)["filter_size"] if n % 2 == 0]
        if even:
            raise InputError(
                f"config: sensitivity.filter_size: {even[0]} must be odd, so that it has a middle"
            )
    for name in config["datasets"]:
        check_ablation(config, name)
    for name in config.get("image_datasets", {}):
        check_image_dataset(config, name)


def check_image_dataset(config: dict, name: str) -> None:
    """InputError for a name that a data set of video has, or that is not there."""
    place = f"config: image_datasets.{name}"
    if name in config["datasets"]:
        raise InputError(f"{place} has the name of one of datasets; rename one of the two")
    data = image_dataset(config, name)
    known = {"models": config.get("models", {"paper": {}}), "others": config["image_datasets"]}
    for key, names in known.items():
        if unknown := [text for text in data[key] if text not in names]:
            section = "image_datasets" if key == "others" else key
            raise InputError(
                f"{place}.{key} names '{unknown[0]}', which is not under {section} "
                f"({', '.join(names)})"
            )
    if "pixel" in data["models"]:
        raise InputError(f"{place}.models: 'pixel' means the baselines; call the model otherwise")
    if name in data["others"]:
        raise InputError(f"{place}.others names itself; its pictures are the normal ones")


def check_ablation(config: dict, dataset: str) -> None:
    """InputError for an ablation of a model that there is not, or of impossible variants."""
    model = ablated_model(config, dataset)
    known = config.get("models", {"paper": {}})
    if model not in known:
        raise InputError(
            f"config: ablation.model names '{model}', which is not under models "
            f"({', '.join(known)})"
        )
    for name, variant in variants(config, dataset, model).items():
        if variant.changes.get("evaluate", {}).get("filter_size", 1) % 2 == 0:
            raise InputError(
                f"config: ablation.variants.{name}.evaluate.filter_size must be odd, so that it "
                "has a middle"
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
    for data in config.get("image_datasets", {}).values():
        data["seeds"] = [seed]
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
    """A stage's settings: the defaults, then the config's section, the model's, the data set's.

    A variant, `{model}.{name}`, then has what the ablation changes for all, and its own change.
    """
    base, _, name = (model or "").partition(".")
    layers = [config.get(stage, {})]
    if base:
        layers.append(config.get("models", {}).get(base, {}).get(stage, {}))
    if dataset is not None:
        sets = config["datasets"] | config.get("image_datasets", {})
        layers.append(sets[dataset].get(stage, {}))
    if name:
        layers += variant_of(config, dataset, base, name).layers(stage)
    merged = defaults(stage)
    for layer in layers:
        merged |= layer
    return merged


# ---------------------------------------------------------------- variants of a model


@dataclass(frozen=True)
class Variant:
    """A model with some settings changed: those of its ablation in common, then its own."""

    group: str  # full, only, without, encoders or options
    changes: dict[str, dict]  # by stage
    common: dict  # of the train stage, for all variants of the ablation

    def layers(self, stage: str) -> list[dict]:
        return [self.common if stage == "train" else {}, self.changes.get(stage, {})]


def variants(config: dict, dataset: str, model: str) -> dict[str, Variant]:
    """All variants of a model on a data set, by the name that follows the dot."""
    plan = settings(config, "ablation", dataset)
    tasks = (settings(config, "train", dataset, model) | plan["train"])["tasks"]
    groups = {
        "full": {"full": {}},
        "only": {f"only_{task}": {"train": {"tasks": [task]}} for task in tasks},
        "without": {
            f"without_{task}": {"train": {"tasks": [other for other in tasks if other != task]}}
            for task in tasks
            if len(tasks) > 1
        },
        "encoders": {
            f"{depth}_{width}": {"train": {"depth": depth, "width": width}}
            for depth in keys("train")["depth"]["enum"]
            for width in keys("train")["width"]["enum"]
        },
        "options": plan["variants"],
    }
    found: dict[str, Variant] = {}
    for group, members in groups.items():
        for name, changes in members.items():
            if name in found:
                raise InputError(
                    f"config: ablation.variants.{name}: that name is taken; choose another"
                )
            found[name] = Variant(group, changes, plan["train"])
    return found


def variant_of(config: dict, dataset: str, model: str, name: str) -> Variant:
    """A variant by its name; InputError for a name that there is not."""
    known = variants(config, dataset, model)
    if name not in known:
        raise InputError(
            f"config: model '{model}' has no variant '{name}' on {dataset}; there are "
            f"{', '.join(known)}"
        )
    return known[name]


def ablated_model(config: dict, dataset_name: str) -> str:
    """The model whose variants a data set's ablation compares."""
    chosen = settings(config, "ablation", dataset_name)["model"]
    return chosen or dataset(config, dataset_name)["models"][0]


def ablation(config: dict, dataset: str) -> list[dict]:
    """The rows of a data set's ablation, the full set first: variant, group, model, changes.

    A row whose settings are those of the full set, such as its own encoder, has its model.
    """
    model = ablated_model(config, dataset)
    groups = ("full", *settings(config, "ablation", dataset)["groups"])
    return [
        {
            "variant": name,
            "group": variant.group,
            "model": shared(config, "evaluate", dataset, f"{model}.{name}"),
            "changes": variant.changes,
        }
        for name, variant in variants(config, dataset, model).items()
        if variant.group in groups
    ]


def ablation_plan(config: dict, dataset_name: str) -> dict:
    """What the page of an ablation shows beside its figures; see `ablation.write_ablation`."""
    model = ablated_model(config, dataset_name)
    usual = settings(config, "train", dataset_name, model)
    full = {stage: settings(config, stage, dataset_name, f"{model}.full") for stage in STAGES}
    return {
        "rows": ablation(config, dataset_name),
        "model": model,
        "settings": full,
        "reduced": {k: [usual[k], v] for k, v in full["train"].items() if usual[k] != v},
        "notes": dataset(config, dataset_name)["notes"],
    }


def shared(config: dict, stage: str, dataset: str, model: str) -> str:
    """The model whose output of a stage this one's would equal, so that it is made once.

    That is, for a variant, its base or the full set where all settings up to the stage are equal.
    """
    base = model.partition(".")[0]
    wanted = effective(config, stage, dataset, model)
    others = (base, f"{base}.full")
    equal = (other for other in others if effective(config, stage, dataset, other) == wanted)
    return next(equal, model)


def effective(config: dict, stage: str, dataset: str, model: str) -> dict[str, dict]:
    """The settings of a model's stages up to and with `stage`."""
    stages = MODEL_STAGES[: MODEL_STAGES.index(stage) + 1]
    return {name: settings(config, name, dataset, model) for name in stages}


def dataset(config: dict, name: str) -> dict:
    """A data set's entry with its defaults."""
    if name not in config["datasets"]:
        raise InputError(f"config: no data set '{name}'; there are {', '.join(config['datasets'])}")
    properties = schema()["$defs"]["dataset"]["properties"]
    filled = {k: copy.deepcopy(v["default"]) for k, v in properties.items() if "default" in v}
    filled |= {"path": f"data/{name}"} | config["datasets"][name]
    filled["shards"] = {"train": 1, "test": 1} | filled["shards"]
    return filled


def image_dataset(config: dict, name: str) -> dict:
    """An image data set's entry with its defaults."""
    known = config.get("image_datasets", {})
    if name not in known:
        raise InputError(f"config: no image data set '{name}'; there are {', '.join(known)}")
    properties = schema()["$defs"]["image_dataset"]["properties"]
    filled = {k: copy.deepcopy(v["default"]) for k, v in properties.items() if "default" in v}
    return filled | {"path": f"data/{name}"} | known[name]


def run(config: dict) -> dict:
    """The `run` section with its defaults."""
    properties = schema()["properties"]["run"]["properties"]
    return {k: copy.deepcopy(v["default"]) for k, v in properties.items()} | config.get("run", {})


def flags(values: dict) -> str:
    """Settings as command-line options, in a fixed order: `--batch 16 --iou 0.45`."""
    words = []
    for name, value in sorted(values.items()):
        text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
        words += [f"--{name.replace('_', '-')}", shlex.quote(text)]
    return " ".join(words)
