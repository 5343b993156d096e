"""Clips that take minutes: progress is reported into a file, and the stages end as they should."""

import re

from test_kills import same_bytes

# Seconds pass 3000 times as fast for the jobs, and a minute more passes between two looks of the
# progress at the clock: however fast the machine is, every clip seems to take over a minute.
FAST_CLOCK = """
import sys
import time

real = time.monotonic
looks = 0


def monotonic():
    global looks
    looks += sys._getframe(1).f_globals["__name__"] == "ssmtl.core.progress"
    return 3000 * real() + 60 * looks


time.monotonic = monotonic
"""
SHARD = "results/toy/data/test/0"
STAGES = {"frames": "frames", "detect": "detections", "cubes": "cubes", "teachers": "teachers"}
LINE = re.compile(r"(\d+) of (\d+)(?:, .+ left, .+/clip)?$", re.M)


def test_stages_whose_clips_take_over_a_minute(project, finished):
    project.path("workflow/sitecustomize.py").write_text(FAST_CLOCK)
    project.build(f"{SHARD}/teachers.h5", "--forcerun", *STAGES)
    for stage, name in STAGES.items():
        log = project.path(f"results/toy/logs/{stage}_test_0.log").read_text()
        assert "Traceback" not in log and f"{stage}: done in" in log
        lines = LINE.findall(log)
        assert lines, f"{stage} reported no clip as it was waited for"
        assert all(int(done) <= int(total) for done, total in lines)
        same_bytes(project, finished, f"{SHARD}/{name}.h5")
