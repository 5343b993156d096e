"""Real data sets for tests, in the folder that the environment variable SSMTL_DATA names."""

import os
from pathlib import Path

import pytest

DATA = Path(os.environ.get("SSMTL_DATA") or "no-SSMTL_DATA")


def real(name: str) -> Path:
    """A file or folder of that name in SSMTL_DATA, or beside it, as weights are."""
    return next((path for path in (DATA / name, DATA.parent / name) if path.exists()), DATA / name)


def needs(name: str) -> pytest.MarkDecorator:
    """Skips a test, with a line, where SSMTL_DATA has no file or folder of that name."""
    reason = f"needs {name} in the folder $SSMTL_DATA, or beside it"
    return pytest.mark.skipif(not real(name).exists(), reason=reason)
