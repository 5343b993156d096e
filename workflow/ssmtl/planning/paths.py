"""Where the files of the workflow lie, as patterns of Snakemake."""

import re
from collections.abc import Iterable
from pathlib import Path

from ssmtl import config as tree

SHARD = "results/{dataset}/data/{split}/{shard}"
TEST_SHARD = "results/{dataset}/data/test/{shard}"
RUN = "results/{dataset}/models/{model}/seed{seed}"
EXPLAINED = f"{RUN}/explained.h5"
VIDEOS = "results/{dataset}/videos/{model}/seed{seed}"
FIGURES = "results/{dataset}/figures/{model}/seed{seed}"
RELEASE = "results/{dataset}/release/{model}/seed{seed}"
WATCHER = "results/{dataset}/watcher/{model}/seed{seed}"

IMAGES = "results/{imageset}/data/{source}/{split}/images.h5"
SEEN_IMAGES = "results/{imageset}/data/{source}/{split}/seen.h5"
IMAGE_FEATURES = "results/{imageset}/data/{source}/{split}/features.h5"
IMAGE_RUN = "results/{imageset}/models/{normal}/{model}/seed{seed}"
PIXEL_RUN = "results/{imageset}/models/{normal}/pixel"

PROTOCOLS = ("one_vs_all", "out_of_distribution", "presentation_attack")
DATASET_PAGES = ("report", "ablation", "sensitivity")  # results/{dataset}/{page}.html
DRAWN = tuple(f"{figure}.{suffix}" for figure in ("roc", "timelines") for suffix in ("svg", "pdf"))


def own_images(split: str) -> str:
    """The pattern of the pictures that are an image data set's own."""
    return IMAGES.replace("{source}", "{imageset}").replace("{split}", split)


def one_of(names: Iterable[str]) -> str:
    """A regular expression of some names, which matches nothing where there are none."""
    return "|".join(map(re.escape, names)) or "(?!)"


def constraints(config: dict) -> dict[str, str]:
    """What the wildcards of all rules may be."""
    images = one_of(config.get("image_datasets", {}))
    return {
        "dataset": one_of(config["datasets"]),
        "split": "train|test",
        "shard": r"\d+",
        # A model, or a variant of it as the ablation makes them.
        "model": rf"(?:{one_of(tree.models(config))})(?:\.[A-Za-z0-9_-]+)?",
        "seed": r"\d+",
        # An image data set, the one that its pictures come from, and the class learnt, or `all`.
        "imageset": images,
        "source": images,
        "normal": "[A-Za-z0-9_.-]+",
        "protocol": one_of(PROTOCOLS),
    }


def datasets_with(config: dict, key: str, wanted: bool) -> str:
    """A regular expression of the data sets that set a key, or of those that do not."""
    return one_of(
        name for name, data in config["datasets"].items() if bool(data.get(key)) == wanted
    )


def run_folder(wildcards, input) -> str:
    """The folder of the run whose metrics a job reads, as Snakemake asks for a parameter."""
    return str(Path(input.metrics).parent)
