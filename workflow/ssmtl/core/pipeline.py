"""Where the pipeline's own files are: Snakefile, rules, config.yaml, envs, released models.

In a checkout they lie beside the folder workflow, in an installed wheel in ssmtl/pipeline.
"""

from pathlib import Path

from ssmtl.core.errors import InputError

PACKAGE = Path(__file__).parents[1]  # the folder ssmtl


def pipeline_folder() -> Path:
    """The folder with the Snakefile. Raises InputError where the installation lacks it."""
    for folder in (PACKAGE / "pipeline", PACKAGE.parents[1]):
        if (folder / "Snakefile").is_file():
            return folder
    raise InputError(
        f"{PACKAGE}: the pipeline's Snakefile is not with this package; install it again"
    )


def shipped(path: str) -> str:
    """A path such as `workflow/models/coco.names`, of the pipeline's own files where there is none
    below the working directory; any other path as it is."""
    if not path.startswith("workflow/") or Path(path).exists():
        return path
    own = pipeline_folder() / path
    return str(own) if own.exists() else path
