"""The command line: `ssmtl COMMAND`, every stage of the pipeline usable without Snakemake.

A command is a function with its options as parameters: in `watching` those for cameras, in `run`
and `stages` the pipeline's, in `reports` and `measure` what shows results, in `data` what makes and
lists input. `program` makes the program of them. Bad input ends with one line on standard error
and status 2.
"""

from ssmtl.cli.program import app, main

# Each registers its commands, in the order of the help.
from ssmtl.cli import watching, run, stages, reports, measure, data  # isort: skip

__all__ = ["app", "data", "main", "measure", "reports", "run", "stages", "watching"]
