"""`ssmtl run`: the pipeline in the current folder, through Snakemake."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ssmtl.cli.program import RUNNING, command
from ssmtl.core.errors import InputError
from ssmtl.core.machine import with_cache
from ssmtl.core.pipeline import pipeline_folder

CONFIG = "config.yaml"


@command(RUNNING, quiet=True)
def run(
    *words: Annotated[
        str, Parameter(allow_leading_hyphen=True, show_default=False, metavar="TARGET")
    ],
) -> None:
    """Run the pipeline in this folder: data sets or files to make, then Snakemake's options.

    The configuration is ./config.yaml, or the package's own where there is none.

    Args:
        words: Names of data sets, which mean their pages, or files such as
            results/demo/metrics.json, and options such as `--cores 4 -n`.
    """
    import yaml

    targets, options = parted(list(words))
    own = Path(CONFIG)
    config = own if own.exists() else pipeline_folder() / CONFIG
    known = yaml.safe_load(config.read_text()) or {}
    snakefile = pipeline_folder() / "Snakefile"
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(snakefile)]
    command += [] if own.exists() else ["--configfile", str(config)]
    given = {option.split("=")[0] for option in options}
    command += [] if {"--cores", "-c", "--jobs", "-j"} & given else ["--cores", "all"]
    command += [] if {"--quiet", "-q"} & given else ["--quiet", "rules"]
    pages = [page(target, known) for target in targets]
    environment = with_cache(Path(".snakemake", "cache"))
    done = subprocess.run([*command, *options, "--", *pages], env=environment).returncode
    if done:
        sys.exit(done)
    print("\n".join(path for path in pages if Path(path).exists()))


@command(RUNNING, quiet=True)
def plan(dataset: str, /, *, objects: float = 4.0) -> None:
    """Tell what a data set will take of disk and time, before anything runs.

    The configuration is ./config.yaml, or the package's own where there is none.

    Args:
        dataset: Name of a data set of video.
        objects: Objects in a frame, on average.
    """
    import yaml

    from ssmtl import config as tree
    from ssmtl.planning import volume

    own = Path(CONFIG)
    path = own if own.exists() else pipeline_folder() / CONFIG
    config = yaml.safe_load(path.read_text()) or {}
    tree.check(config)
    footage = volume.footage_of(config, dataset)
    shares = volume.plan(config, dataset, footage, objects, *volume.device_and_units())
    print(volume.table(dataset, footage, shares, objects))


def parted(words: list[str]) -> tuple[list[str], list[str]]:
    """Targets, and the options of Snakemake: what follows the first word that is one, up to a
    `--`, behind which there are targets again."""
    first = next((i for i, word in enumerate(words) if word.startswith("-")), len(words))
    targets, options = words[:first], words[first:]
    if "--" in options:
        end = options.index("--")
        targets, options = targets + options[end + 1 :], options[:end]
    if not targets:
        raise InputError("run: name a data set or a file to make, such as: ssmtl run demo")
    return targets, options


def page(target: str, config: dict) -> str:
    """The page that a data set's name stands for; any other target as it is."""
    if target in config.get("datasets", {}):
        return f"results/{target}/report.html"
    if pictures := config.get("image_datasets", {}).get(target):
        faces = pictures.get("reader") == "presentation_attack"
        return f"results/{target}/{'presentation_attack' if faces else 'one_vs_all'}.html"
    if os.sep not in target:
        known = [*config.get("datasets", {}), *config.get("image_datasets", {})]
        raise InputError(
            f"run: no data set '{target}' in the configuration; it has {', '.join(known)}"
        )
    return target
