"""The place: wall, grass and pavement, and what stands before those who pass."""

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from ssmtl.demo.camera import (
    CAMERA_HEIGHT,
    FOCAL,
    HEIGHT,
    HORIZON,
    WALL,
    WIDTH,
    Array,
    cast,
    darken,
    fill,
    fixed,
    outline,
)
from ssmtl.demo.parts import shaded


@dataclass(frozen=True)
class Screen:
    """Something that stands in the scene and hides who is behind it."""

    depth: float
    area: tuple[slice, slice]
    paint: NDArray[np.uint8]
    alpha: NDArray[np.float32]


def texture(rng, sigma: float) -> Array:
    """Smooth noise over the picture with standard deviation 1."""
    noise = cv2.GaussianBlur(rng.standard_normal((HEIGHT, WIDTH)), (0, 0), sigma)
    return noise / noise.std()


@cache
def background() -> NDArray[np.uint8]:
    """The empty scene, the same for every clip: a brick wall, grass and pavement, RGB."""
    rng = np.random.default_rng(1)
    row, column = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    z = FOCAL * CAMERA_HEIGHT / np.maximum(row - HORIZON, 1)
    x = (column - WIDTH / 2) * z / FOCAL
    tone = rng.uniform(-7, 7, (64, 64))
    tile_x, tile_z = x / 1.1 + 0.3, z / 1.1
    joint = np.minimum(tile_x % 1, tile_z % 1) < 0.05
    pavement = 150 + tone[np.int64(tile_x) % 64, np.int64(tile_z) % 64] - 16 * joint
    pavement = (pavement + 2.5 * texture(rng, 0.8) + 4 * texture(rng, 14))[..., None]
    picture = pavement + np.array((4.0, 1.0, -6.0))
    grass = np.stack((96 + 0 * z, 122 + 0 * z, 70 + 0 * z), -1) + 12 * texture(rng, 0.7)[..., None]
    picture = np.where(z[..., None] > 19.8, grass, picture)
    foot = HORIZON + FOCAL * CAMERA_HEIGHT / WALL
    course = (row - foot) / 6.0
    brick = (column / 13.0 + 0.5 * (np.floor(course) % 2)) % 1
    mortar = (course % 1 < 0.17) | (brick < 0.08)
    wall = 126 + 14 * mortar + 4 * texture(rng, 1.0) + 5 * texture(rng, 20)
    picture = np.where((row < foot)[..., None], wall[..., None] + (22, -8, -28), picture)
    picture = np.ascontiguousarray(np.clip(picture, 0, 255).astype(np.uint8))
    for left in (18, 96, 174, 258):
        cv2.rectangle(picture, (left, 14), (left + 40, 58), (196, 190, 180), -1)
        cv2.rectangle(picture, (left + 3, 17), (left + 37, 55), (66, 78, 88), -1)
        cv2.line(picture, (left + 20, 17), (left + 20, 55), (196, 190, 180), 2)
        cv2.line(picture, (left + 3, 40), (left + 14, 17), (96, 108, 118), 2)
    shade = np.zeros((HEIGHT, WIDTH), np.uint8)
    for limbs in screen_limbs():
        for points, radii, _ in limbs:
            fill(shade, fixed(outline(cast(points), radii))[0], 255, cv2.LINE_AA)
    return darken(picture, shade)


def screen_limbs() -> list[list[tuple[Array, tuple[float, float], tuple[int, int, int]]]]:
    """Lamp post, tree and planter as limbs (points (1, 2, 3) in world axes, radii, colour)."""

    def stick(start, end, thick, thin, colour):
        return np.array([[start, end]], float), (thick, thin), colour

    post = [
        stick((-2.3, 0, 11.5), (-2.3, 6, 11.5), 0.1, 0.06, (62, 66, 70)),
        stick((-2.3, 0, 11.5), (-2.3, 0.5, 11.5), 0.16, 0.13, (52, 56, 60)),
    ]
    tree = [stick((3.4, 0, 15.5), (3.3, 6, 15.5), 0.24, 0.18, (92, 72, 54))]
    planter = [stick((1.9, 0.22, 10.0), (3.1, 0.22, 10.0), 0.26, 0.26, (134, 122, 112))]
    rng = np.random.default_rng(2)
    for _ in range(60):
        x, y = rng.uniform(1.75, 3.25), rng.uniform(0.5, 0.95)
        green = rng.uniform(0.6, 1.2)
        leaf = shaded((70, 104, 58), green)
        planter.append(stick((x, y, 10.0), (x + 0.08, y + 0.05, 10.0), 0.11, 0.06, leaf))
    return [post, tree, planter]


@cache
def screens() -> list[Screen]:
    """The lamp post, the tree and the planter."""
    found = []
    for limbs in screen_limbs():
        paint, alpha = np.zeros((HEIGHT, WIDTH, 3), np.uint8), np.zeros((HEIGHT, WIDTH), np.uint8)
        for points, radii, colour in limbs:
            polygon = fixed(outline(points, radii))[0]
            fill(paint, polygon, colour, cv2.LINE_8)
            fill(alpha, polygon, 255, cv2.LINE_AA)
        rows, columns = np.flatnonzero(alpha.any(1)), np.flatnonzero(alpha.any(0))
        area = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        cover = (alpha[area][..., None] / 255).astype(np.float32)
        paint = cv2.dilate(paint, np.ones((3, 3)))[area] * (paint[area] == 0) + paint[area]
        found.append(Screen(float(limbs[0][0][0, 0, 2]), area, paint, cover))
    return found
