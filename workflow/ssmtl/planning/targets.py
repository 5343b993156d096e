"""What can be asked for, so that a typo in a target is answered with what was meant."""

import difflib
from collections.abc import Iterable

from ssmtl import config as tree
from ssmtl.planning.paths import DATASET_PAGES, PROTOCOLS

SHOWN = 6  # targets named where none is near


def pages(config: dict) -> list[str]:
    """The pages of all data sets, those of video first."""
    video = (f"results/{name}/{page}.html" for page in DATASET_PAGES for name in config["datasets"])
    images = (
        f"results/{name}/{page}.html"
        for name in config.get("image_datasets", {})
        for page in PROTOCOLS
    )
    return [*video, *images, "results/summary.html"]


def unknown_target(target: str, config: dict, rules: Iterable[str]) -> str:
    """The line for a target that no rule makes: the nearest one, or what there is."""
    line = f"no rule makes '{target}'"
    known = [*pages(config), *rules]
    if near := difflib.get_close_matches(target, known, 1, cutoff=0.75):
        return f"{line}; did you mean {near[0]}?"
    # results/{data set}/... and results/{data set}/models/{model}/...
    parts = target.split("/")
    datasets = [*config["datasets"], *config.get("image_datasets", {})]
    named = [(1, "data set", datasets), (3, "model", tree.models(config))]
    for place, kind, names in named if parts[0] == "results" else ():
        if place < len(parts) - 1 and parts[place].partition(".")[0] not in names:
            near = difflib.get_close_matches(parts[place], names, 1)
            meant = f"did you mean {near[0]}?" if near else f"there are {', '.join(names)}"
            return f"{line}: the configuration has no {kind} '{parts[place]}'; {meant}"
    return f"{line}; pages are {', '.join(known[:SHOWN])}"
