# The checked configuration, what jobs ask of it, wildcard constraints and the GPU limit. No rules.
import os
import shlex
import sys
import time
from itertools import filterfalse
from pathlib import Path

from snakemake.cli import get_argument_parser
from snakemake.exceptions import WorkflowError
from snakemake.resources import Resource
from snakemake.settings.types import DeploymentMethod

# A checkout has the package beside this folder; an installed package has this folder in it.
CHECKOUT = Path(workflow.basedir) / "workflow"
if (CHECKOUT / "ssmtl").is_dir():
    sys.path.insert(0, str(CHECKOUT))

import ssmtl
from ssmtl import config as settings_tree
from ssmtl.core.errors import InputError
from ssmtl.core.machine import has_gpu
from ssmtl.core.progress import stage_times
from ssmtl.formats.released import CARD, FILES as RELEASED_FILES
from ssmtl.planning import paths
from ssmtl.planning.jobs import Asked, Jobs
from ssmtl.planning.targets import unknown_target

STARTED = time.time()

try:
    settings_tree.check(config)
    config = settings_tree.seeded(config)
except InputError as error:
    raise WorkflowError(str(error))

jobs = Asked(Jobs(config), WorkflowError)

# Data sets whose models are trained, and those that take released ones; data sets whose test clips
# are scored straight from their frames, and those whose cubes are stored.
TRAINING = paths.datasets_with(config, "released", False)
TAKING = paths.datasets_with(config, "released", True)
FROM_FRAMES = paths.datasets_with(config, "from_frames", True)
STORING = paths.datasets_with(config, "from_frames", False)


wildcard_constraints:
    **paths.constraints(config),


# Where there is a GPU, one job at a time uses it unless the user allows more: gpu=1 in a rule alone
# does not serialise local jobs. Profiles for clusters set their own limit, and within a job of a
# cluster it would cut down what the job has been given.
if workflow.is_main_process and "gpu" not in workflow.global_resources and has_gpu():
    workflow.register_resource("gpu", Resource("gpu", 1))

# Jobs use this very interpreter, unless conda gives each its own; the package is found either way.
ENVIRONMENT = {"PYTHONPATH": shlex.quote(str(Path(ssmtl.__file__).parents[1]))}
if DeploymentMethod.CONDA not in workflow.deployment_settings.deployment_method:
    ENVIRONMENT["PATH"] = f"{shlex.quote(str(Path(sys.executable).parent))}:$PATH"
EXPORTS = " ".join(f"{name}={value}" for name, value in ENVIRONMENT.items())
shell.prefix(f"set -euo pipefail; export {EXPORTS}; ")


def check_targets():
    """One line for a target that no rule makes, in place of Snakemake's about input functions.

    While rules are read, Snakemake has not told the workflow yet what was asked for.
    """
    program = Path(sys.argv[0])
    if not workflow.is_main_process or "snakemake" not in (program.name, program.parent.name):
        return
    chosen = get_argument_parser().parse_known_args(sys.argv[1:])[0].targets
    for target in map(os.path.relpath, filterfalse(workflow.is_rule, chosen)):
        made = any(rule.is_producer(target) for rule in workflow.rules)
        if not made and not Path(target).exists():
            raise WorkflowError(unknown_target(target, config, [r.name for r in workflow.rules]))
