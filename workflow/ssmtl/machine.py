"""What this machine has, found without importing torch."""

from pathlib import Path


def has_gpu() -> bool:
    """Whether the driver of an NVIDIA GPU is at work here."""
    return any(Path("/dev").glob("nvidia[0-9]*"))
