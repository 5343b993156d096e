"""What all tests share: one thread of calculation per process, and Pillow as it is."""

import os

import pytest
from PIL import Image

# Two of pytest's workers share the machine. Before anything imports torch or NumPy; the processes
# that tests start inherit it.
os.environ["OMP_NUM_THREADS"] = "1"

OPEN = Image.open


@pytest.fixture(autouse=True)
def pillow(monkeypatch):
    """Ultralytics replaces `open` when it is imported: an unreadable file would then make it look
    for plugins to install, in the tests of other modules too."""
    monkeypatch.setattr(Image, "open", OPEN)
