"""A few seconds of the fuzzer; `make fuzz` goes on for longer."""

import json
import subprocess
import sys
from pathlib import Path

FUZZ = Path(__file__).parents[2] / "benchmarks/fuzz_media.py"


def test_broken_files_are_refused_or_read():
    command = [sys.executable, str(FUZZ), "--seconds", "5", "--seed", "1"]
    found = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=200)
    result = json.loads(found.stdout)
    assert result["files"] > 20 and not result["failures"]
