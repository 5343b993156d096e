"""The demo's one fixed camera, and what is drawn on its picture.

Everything is in metres on a ground plane, seen in perspective, so that size, speed, occlusion and
shadow agree with each other. World axes: x to the right, y up, z away from the camera.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT, FPS = 320, 240, 25
# The camera hangs 5 m high and its horizon is row 4: a person of 1.7 m is 36 pixels tall at the
# back of the pavement and 75 at its front.
FOCAL, CAMERA_HEIGHT, HORIZON = 400.0, 5.0, 4.0
NEAREST, FARTHEST, WALL = 9.2, 18.5, 22.0
SUN = (0.45, 0.30)  # a shadow's shift along x and z for each metre of height
SUBPIXEL = 4  # OpenCV's fixed point: 1/16 pixel
Array = NDArray[np.float64]


def project(points: Array) -> Array:
    """Pixels (..., 2) of world points (..., 3)."""
    x, y, z = np.moveaxis(points, -1, 0)
    return np.stack((WIDTH / 2 + FOCAL * x / z, HORIZON + FOCAL * (CAMERA_HEIGHT - y) / z), axis=-1)


def cast(points: Array) -> Array:
    """The shadow of world points on the ground, (..., 3)."""
    x, y, z = np.moveaxis(points, -1, 0)
    return np.stack((x + SUN[0] * y, np.zeros_like(y), z + SUN[1] * y), axis=-1)


def outline(points: Array, radii: tuple[float, float] | None) -> Array:
    """Pixels (T, V', 2) of the outline of a part whose world points are (T, V, 3)."""
    pixels = project(points)
    if radii is None:
        return pixels
    size = np.maximum(np.asarray(radii) * FOCAL / points[..., 2], 0.4)
    along = pixels[:, 1] - pixels[:, 0]
    angle = np.arctan2(along[:, 1], along[:, 0])[:, None]
    turn = np.linspace(np.pi / 2, 1.5 * np.pi, 6)
    ends = []
    for end, offset in ((0, 0.0), (1, np.pi)):
        spoke = angle + turn + offset
        circle = np.stack((np.cos(spoke), np.sin(spoke)), axis=-1)
        ends.append(pixels[:, end, None] + circle * size[:, end, None, None])
    return np.concatenate(ends, axis=1)


def edge(z):
    """Half the width of the view at depth z (a number or an array), metres."""
    return WIDTH / 2 / FOCAL * z


def clip_box(xyxy: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    """The part of a box inside the picture (it may be empty: x2 <= x1 or y2 <= y1)."""
    x1, y1, x2, y2 = xyxy
    return max(x1, 0.0), max(y1, 0.0), min(x2, float(WIDTH)), min(y2, float(HEIGHT))


def inside(xyxy: tuple[float, float, float, float]) -> float:
    """The fraction of a box's area that lies inside the picture."""
    x1, y1, x2, y2 = clip_box(xyxy)
    area = (xyxy[2] - xyxy[0]) * (xyxy[3] - xyxy[1])
    return max(x2 - x1, 0.0) * max(y2 - y1, 0.0) / area if area > 0 else 0.0


def fixed(pixels: Array) -> NDArray[np.int32]:
    """Pixel coordinates in OpenCV's fixed point (a pixel's centre is at half a pixel)."""
    return np.round((np.clip(pixels, -4000, 4000) - 0.5) * (1 << SUBPIXEL)).astype(np.int32)


def fill(image, polygon: NDArray[np.int32], colour, line: int) -> None:
    cv2.fillPoly(image, [polygon], colour, line, SUBPIXEL)


def darken(picture: NDArray[np.uint8], shade: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture under a shadow mask (0..255)."""
    light = 255 - cv2.GaussianBlur(shade, (5, 5), 1.2) * 0.42
    lit = cv2.multiply(picture, cv2.merge([light.astype(np.uint8)] * 3), scale=1 / 255)
    return np.asarray(lit, np.uint8)
