"""Polygons on the picture, as text: `10,20 90,20 90,60; 0,0 50,0 0,40`, x,y in pixels.

Objects whose centre lies in one are ignored, in learning and in watching alike.
"""

import json
import re
from pathlib import Path

import cv2
import numpy as np

from ssmtl.core.errors import InputError

NUMBER = r"-?\d+(?:\.\d+)?"
POINT = re.compile(rf"({NUMBER}),({NUMBER})")


def parse(text: str) -> list[np.ndarray]:
    """The polygons of a text, each float32 (K, 2) with at least three corners; [] for "".

    Raises InputError for anything else.
    """
    return [corners(part, text) for part in text.split(";") if part.strip()]


def corners(part: str, text: str) -> np.ndarray:
    words = part.split()
    points = [point for word in words if (point := POINT.fullmatch(word))]
    if len(points) < max(3, len(words)):
        raise InputError(
            f"ignore: '{text}': '{part.strip()}' is no polygon; write three or more corners such "
            "as 10,20 90,20 90,60, and a semicolon between polygons"
        )
    return np.array([point.groups() for point in points], np.float32)


def read(text: str) -> str:
    """The text of polygons that are given as such or as a JSON file, [[[x, y], ...], ...]."""
    if not text.endswith(".json"):
        parse(text)
        return text
    try:
        found = json.loads(Path(text).read_text())
        text = "; ".join(" ".join(f"{x:g},{y:g}" for x, y in polygon) for polygon in found)
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise InputError(
            f"{text}: no readable polygons ({error}); write [[[x, y], [x, y], [x, y]], ...]"
        ) from error
    parse(text)
    return text


def inside(box: np.ndarray, polygons: list[np.ndarray]) -> np.ndarray:
    """Which boxes (N, 4), x1 y1 x2 y2, have their centre in a polygon or on its edge, bool (N,)."""
    centre = ((box[:, :2] + box[:, 2:]) / 2).tolist()
    hits = [
        any(cv2.pointPolygonTest(polygon, point, False) >= 0 for polygon in polygons)
        for point in centre
    ]
    return np.array(hits, bool)
