"""Clips that take minutes: progress is reported into a file, and the stages end as they should."""

import re

from test_kills import same_bytes

# Seconds pass 3000 times as fast for the jobs: what takes 20 ms seems to take a minute.
FAST_CLOCK = """
import time

real = time.monotonic
time.monotonic = lambda: 3000 * real()
"""
SHARD = "results/toy/data/test/0"
STAGES = {"frames": "frames", "detect": "detections", "cubes": "cubes", "teachers": "teachers"}
LINE = re.compile(r"(\d+) of (\d+)(?:, .+ left, .+/clip)?$", re.M)


def test_stages_whose_clips_take_over_a_minute(project, finished):
    project.path("workflow/sitecustomize.py").write_text(FAST_CLOCK)
    project.build(f"{SHARD}/teachers.h5", "--forcerun", *STAGES)
    slow = 0
    for stage, name in STAGES.items():
        log = project.path(f"results/toy/logs/{stage}_test_0.log").read_text()
        assert "Traceback" not in log and f"{stage}: done in" in log
        lines = LINE.findall(log)
        assert all(int(done) <= int(total) for done, total in lines)
        slow += len(lines)
        same_bytes(project, finished, f"{SHARD}/{name}.h5")
    assert slow >= len(STAGES), "no clip was reported as it was waited for"
