"""Processes that have their imports behind them: forked from a server that has made them once.

Importing takes 2 to 6 s, most of what a process of a test would take. The server is one for all
tests of a worker, hence one list for all.
"""

import multiprocessing

context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload(
    [
        "snakemake.cli",
        "snakemake.scheduling.job_scheduler",
        "snakemake_executor_plugin_slurm",
        "cv2",
        "ssmtl.reporting.pages.ablation",
        "ssmtl.stages.cubes",
        "ssmtl.detection.darknet",
        "ssmtl.stages.detect",
        "ssmtl.learning.released",
        "ssmtl.learning.training",
        # What the deterministic kernels bring in.
        "torch._inductor.config",
    ]
)
