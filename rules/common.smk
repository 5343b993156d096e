# Config validation, wildcard constraints, the GPU limit and what reruns a stage. No rules.
import json
import sys
from functools import cache
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.resources import Resource
from snakemake.settings.types import DeploymentMethod

PACKAGE = Path(workflow.basedir) / "workflow"
sys.path.insert(0, str(PACKAGE))

from ssmtl import config as settings_tree
from ssmtl import datasets as readers
from ssmtl import store
from ssmtl.digest import code_digest, stage_code
from ssmtl.errors import InputError

try:
    settings_tree.check(config)
except InputError as error:
    raise WorkflowError(str(error))

RUN = settings_tree.run(config)
SHARD = "results/{dataset}/data/{split}/{shard}"
RUN_FOLDER = "results/{dataset}/models/{model}/seed{seed}"


wildcard_constraints:
    dataset="|".join(config["datasets"]),
    split="train|test",
    shard=r"\d+",
    model="|".join(config.get("models", {"paper": {}})),
    seed=r"\d+",


# One GPU job at a time on this machine unless the user allows more: gpu=1 in a rule alone does
# not serialise local jobs. Profiles for clusters set their own limit.
if "gpu" not in workflow.global_resources:
    workflow.register_resource("gpu", Resource("gpu", 1))

# Jobs use this very interpreter, unless conda gives each its own; the package is found either way.
ENVIRONMENT = f"export PYTHONPATH={str(PACKAGE)!r}; "
if DeploymentMethod.CONDA not in workflow.deployment_settings.deployment_method:
    ENVIRONMENT += f"export PATH={str(Path(sys.executable).parent)!r}:$PATH; "
shell.prefix(f"set -euo pipefail; {ENVIRONMENT}")


@cache
def dataset(name):
    return settings_tree.dataset(config, name)


def settings(stage, wildcards):
    """A stage's settings for the wildcards of a job."""
    model = getattr(wildcards, "model", None)
    return settings_tree.settings(config, stage, wildcards.dataset, model)


def options(stage):
    """A params function: the stage's settings as command-line options."""
    return lambda wildcards: settings_tree.flags(settings(stage, wildcards))


def code(stage):
    """A params function: the digest of the stage's code, so that editing it reruns the stage."""

    def digest(wildcards):
        values = settings(stage, wildcards) if stage in settings_tree.STAGES else {}
        if stage == "score":
            values = values | {"tasks": settings("train", wildcards)["tasks"]}
        return stage_code(stage, values)

    return digest


@cache
def listing(name):
    """The clips of a data set, from its folder's listing."""
    data = dataset(name)
    try:
        clips = readers.reader(data["reader"]).list_clips(Path(data["path"]), **data["options"])
    except InputError as error:
        raise WorkflowError(str(error))
    return [clip for clip in clips if clip.name not in data["exclude"]]


def is_rendered(name):
    """Whether the project makes this data set itself."""
    return dataset(name)["reader"] == "demo"


def sources(wildcards):
    """What a shard's clips are made of: it changes with a clip added, replaced or removed."""
    name, count = wildcards.dataset, dataset(wildcards.dataset)["shards"][wildcards.split]
    clips = [
        clip
        for clip in listing(name)
        if clip.split == wildcards.split
        and readers.shard_of(clip.name, count) == int(wildcards.shard)
    ]
    if not is_rendered(name):
        return readers.listing_digest(clips)
    scenes = {k: v for k, v in dataset(name)["options"].items() if not k.endswith("_clips")}
    names = [clip.name for clip in clips]
    return store.digest(names, scenes, code_digest("ssmtl.datasets.demo"))


def shards(name, split):
    return range(dataset(name)["shards"][split])


def shard_files(stage, *splits):
    """An input function: a stage's files of all shards of the splits."""

    def paths(wildcards):
        return [
            SHARD.format(dataset=wildcards.dataset, split=split, shard=shard) + f"/{stage}.h5"
            for split in splits
            for shard in shards(wildcards.dataset, split)
        ]

    return paths


def run_folders(name):
    """The folders of all models and seeds of a data set."""
    return expand(
        RUN_FOLDER, dataset=name, model=dataset(name)["models"], seed=RUN["seeds"]
    )
