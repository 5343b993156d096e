"""What can be asked for, so that a typo in a target is answered with what was meant."""

import difflib
from collections.abc import Iterable

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
    """The line for a target that no rule makes: the nearest ones, or what there is."""
    names = [*config["datasets"], *config.get("image_datasets", {})]
    known = [*pages(config), *rules]
    near = difflib.get_close_matches(target, known, 3, cutoff=0.75)
    if near:
        return f"no rule makes '{target}'; did you mean {' or '.join(near)}?"
    parts = target.split("/")
    if parts[0] == "results" and len(parts) > 2 and parts[1] not in names:
        near = difflib.get_close_matches(parts[1], names, 3)
        meant = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(names)}"
        return f"no rule makes '{target}': no data set '{parts[1]}' in the configuration; {meant}"
    return f"no rule makes '{target}'; pages are {', '.join(known[:SHOWN])}"
