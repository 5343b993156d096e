"""What a test needs beside Python, such as a browser or a broker."""

import os
from typing import NoReturn

import pytest


def give_up(what: str, reason: str) -> NoReturn:
    """Skips a test, or fails it where SSMTL_REQUIRE promises what it lacks."""
    if what in os.environ.get("SSMTL_REQUIRE", "").split():
        pytest.fail(reason)
    pytest.skip(reason)
