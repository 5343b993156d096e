"""Real data sets for tests, in the folder that the environment variable SSMTL_DATA names."""

import os
from pathlib import Path

import pytest

DATA = Path(os.environ.get("SSMTL_DATA") or "no-SSMTL_DATA")


def needs(name: str) -> pytest.MarkDecorator:
    """Skips a test, with a line, where SSMTL_DATA has no file or folder of that name."""
    missing = not (DATA / name).exists()
    return pytest.mark.skipif(missing, reason=f"needs {name} in the folder $SSMTL_DATA")
