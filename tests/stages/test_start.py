"""What the start of a stage costs: modules that take seconds are imported by who needs them."""

import subprocess
import sys

SLOW = ("torch._dynamo", "torchvision", "timm", "ultralytics", "openvino", "matplotlib")
STAGES = ("stages.cubes", "stages.teachers", "stages.detect", "learning.training", "scoring.stage")
STAGES += ("scoring.calibration", "scoring.from_frames", "watching.watch")


def test_a_stage_imports_no_networks_that_it_may_not_need():
    modules = [f"ssmtl.{name}" for name in STAGES]
    code = f"""
import importlib
import sys
for name in {modules}:
    importlib.import_module(name)
    slow = [each for each in {SLOW} if each in sys.modules]
    assert not slow, (name, slow)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
