"""Object detection: one back end per file, chosen by name, all behind one `detect` call."""

from ssmtl.detection.base import (
    Boxes,
    Detector,
    class_vectors,
    detect,
    fastest_batch,
    load,
    load_configured,
)

__all__ = [
    "Boxes",
    "Detector",
    "class_vectors",
    "detect",
    "fastest_batch",
    "load",
    "load_configured",
]
