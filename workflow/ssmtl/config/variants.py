"""The variants of a model: what an ablation takes away or changes, each under a name of its own."""

from dataclasses import dataclass

from ssmtl.config import layers
from ssmtl.core.errors import InputError


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
    plan = layers.base_settings(config, "ablation", dataset)
    tasks = (layers.base_settings(config, "train", dataset, model) | plan["train"])["tasks"]
    groups: dict[str, dict[str, dict]] = {
        "full": {"full": {}},
        "only": {f"only_{task}": {"train": {"tasks": [task]}} for task in tasks},
        "without": {
            f"without_{task}": {"train": {"tasks": [other for other in tasks if other != task]}}
            for task in tasks
            if len(tasks) > 1
        },
        "encoders": {
            name: {"train": {"encoder_options": size}} for name, size in plan["encoders"].items()
        },
        "options": {
            name: {k: v for k, v in c.items() if v} for name, c in plan["variants"].items()
        },
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
    """A variant by its name; InputError for an unknown one."""
    known = variants(config, dataset, model)
    if name not in known:
        raise InputError(
            f"config: model '{model}' has no variant '{name}' on {dataset}; there are "
            f"{', '.join(known)}"
        )
    return known[name]


def settings(
    config: dict, stage: str, dataset: str | None = None, model: str | None = None
) -> dict:
    """A stage's settings; see `layers.base_settings`.

    A variant, `{model}.{name}`, has what the ablation changes for all, and its own change.
    """
    base, _, name = (model or "").partition(".")
    changes = variant_of(config, dataset or "", base, name).layers(stage) if name else []
    return layers.base_settings(config, stage, dataset, base, changes)


def ablated_model(config: dict, dataset: str) -> str:
    """The model whose variants a data set's ablation compares."""
    chosen = layers.base_settings(config, "ablation", dataset)["model"]
    return chosen or layers.dataset(config, dataset)["models"][0]


def ablation(config: dict, dataset: str) -> list[dict]:
    """The rows of a data set's ablation, the full set first: variant, group, model, changes.

    A row whose settings are those of the full set, such as its own encoder, has its model.
    """
    model = ablated_model(config, dataset)
    groups = ("full", *layers.base_settings(config, "ablation", dataset)["groups"])
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


def ablation_plan(config: dict, dataset: str) -> dict:
    """What the page of an ablation shows beside its figures; see `ablation.write_ablation`."""
    model = ablated_model(config, dataset)
    usual = settings(config, "train", dataset, model)
    full = {stage: settings(config, stage, dataset, f"{model}.full") for stage in layers.STAGES}
    return {
        "rows": ablation(config, dataset),
        "model": model,
        "settings": full,
        "reduced": {k: [usual[k], v] for k, v in full["train"].items() if usual[k] != v},
        "notes": layers.dataset(config, dataset)["notes"],
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
    stages = layers.MODEL_STAGES[: layers.MODEL_STAGES.index(stage) + 1]
    return {name: settings(config, name, dataset, model) for name in stages}
