"""Synthetic clips of one fixed camera: people who walk, and what an alarm should catch."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ssmtl.demo.actors import Actor
from ssmtl.demo.camera import (
    FARTHEST,
    FPS,
    HEIGHT,
    WIDTH,
    Array,
    cast,
    darken,
    fill,
    fixed,
    inside,
    outline,
)
from ssmtl.demo.casting import intruder, passers_by, windows
from ssmtl.demo.scenery import Screen, background, screens

ROLES = {"detector": 1, "train": 2, "dev": 3, "test": 4}
KINDS = ("running", "cycling", "falling", "carrying", "vehicle", "backwards")
CLASSES = ("person", "bicycle", "vehicle", "object")


@dataclass(frozen=True)
class Box:
    """One object in one frame.

    `xyxy` is in pixels and may reach outside the picture; `kind` is "" for a normal object;
    `visible` is the part of the object (0..1) that is in the picture and not hidden.
    """

    frame: int
    xyxy: tuple[float, float, float, float]
    name: str
    kind: str
    actor: int
    visible: float


@dataclass(frozen=True)
class Drawing:
    """An actor's outlines over the whole film."""

    actor: Actor
    shapes: list[NDArray[np.int32]]  # (T, V, 2) each
    shadows: list[NDArray[np.int32]]
    order: NDArray[np.int64]  # (T, parts), the farthest first
    depth: Array  # (T,)
    boxes: dict[str, Array]  # class -> (T, 4)
    near: NDArray[np.bool_]  # (T,) close enough to the picture to be drawn


def draw(actor: Actor) -> Drawing:
    """Project an actor: its parts, their shadows, their order and its boxes."""
    world = [actor.path.world(part.points, actor.facing) for part in actor.parts]
    root = actor.path.root()[1]
    safe = root > 4.0  # metres from the camera; nearer the perspective means nothing
    world = [np.where(safe[:, None, None], points, (0.0, 0.0, FARTHEST)) for points in world]
    lines = [outline(points, part.radii) for points, part in zip(world, actor.parts, strict=True)]
    casts = [
        outline(cast(points), part.radii) for points, part in zip(world, actor.parts, strict=True)
    ]
    depth = np.stack(
        [p[..., 2].mean(axis=1) - part.front for p, part in zip(world, actor.parts, strict=True)], 1
    )
    boxes = {}
    for name in dict.fromkeys(part.name for part in actor.parts):
        points = np.concatenate(
            [line for line, part in zip(lines, actor.parts, strict=True) if part.name == name], 1
        )
        boxes[name] = np.concatenate((points.min(axis=1), points.max(axis=1)), axis=1)
    low = np.min([box[:, :2] for box in boxes.values()], axis=0)
    high = np.max([box[:, 2:] for box in boxes.values()], axis=0)
    margin = 40  # a shadow enters before its owner
    near = safe & (low < (WIDTH + margin, HEIGHT + margin)).all(1) & (high > -margin).all(1)
    return Drawing(
        actor,
        [fixed(line) for line in lines],
        [fixed(line) for line in casts],
        np.argsort(-depth, axis=1, kind="stable"),
        root,
        boxes,
        near,
    )


def compose(drawings: list[Drawing], frame: int) -> tuple[NDArray[np.uint8], list[Box]]:
    """One picture without noise, and the boxes in it."""
    there = [(index, d) for index, d in enumerate(drawings) if d.near[frame]]
    shade = np.zeros((HEIGHT, WIDTH), np.uint8)
    for _, drawing in there:
        for shadow in drawing.shadows:
            fill(shade, shadow[frame], 255, cv2.LINE_8)
    picture = darken(background(), shade)
    owner = np.zeros((HEIGHT, WIDTH), np.uint8)
    labels: list[tuple[int, Drawing, str]] = []
    areas: list[int] = []
    queue: list[tuple[float, int, Drawing | Screen]] = [
        (d.depth[frame], index, d) for index, d in there
    ]
    queue += [(screen.depth, -1, screen) for screen in screens()]
    for _, index, item in sorted(queue, key=lambda entry: -entry[0]):
        if isinstance(item, Screen):
            patch = picture[item.area]
            patch[:] = patch + item.alpha * (item.paint.astype(np.float32) - patch) + 0.5
            owner[item.area][item.alpha[..., 0] > 0.5] = 0
            continue
        alone = np.zeros((HEIGHT, WIDTH), np.uint8)
        number = {name: len(labels) + 1 + i for i, name in enumerate(item.boxes)}
        labels += [(index, item, name) for name in item.boxes]
        for part in item.order[frame]:
            shape, look = item.shapes[part][frame], item.actor.parts[part]
            fill(picture, shape, look.colour, cv2.LINE_AA)
            fill(owner, shape, number[look.name], cv2.LINE_8)
            fill(alone, shape, number[look.name], cv2.LINE_8)
        counts = np.bincount(alone.ravel(), minlength=len(labels) + 1)
        areas += [int(counts[value]) for value in number.values()]
    left = np.bincount(owner.ravel(), minlength=len(labels) + 1)[1:]
    boxes = []
    for (index, item, name), pixels, seen in zip(labels, areas, left, strict=True):
        x1, y1, x2, y2 = map(float, item.boxes[name][frame])
        xyxy = x1, y1, x2, y2
        if pixels and inside(xyxy) > 0:
            kind = item.actor.kind if item.actor.odd[frame] else ""
            visible = inside(xyxy) * float(seen) / pixels
            boxes.append(Box(frame, xyxy, name, kind, index, visible))
    return picture, boxes


def light(rng, times: Array) -> Array:
    """A slow flicker of the light around 1, (T,)."""
    waves = [
        size * np.sin(2 * np.pi * (rate * times + rng.random()))
        for size, rate in ((0.025, 0.15), (0.012, 0.9), (0.008, 3.1))
    ]
    return 1.0 + rng.uniform(-0.03, 0.03) + np.sum(waves, axis=0)


def render_film(
    seed: int, role: str, clip: int, frames: int, kinds: tuple[str, ...] = (), fps: float = FPS
) -> tuple[NDArray[np.uint8], list[Box]]:
    """One clip of the scene with the anomalies `kinds` (at most two) in it.

    `role` is a key of ROLES; each role has its own random numbers, so that no clip of one role
    is a clip of another. A lower `fps` spreads the frames over more time.

    Returns the video, uint8 (frames, 240, 320, 3) RGB, and the boxes of everything in it.
    """
    rng = np.random.default_rng([seed, ROLES[role], clip])
    times, seconds = np.arange(frames) / fps, frames / fps
    actors = passers_by(rng, times, seconds)
    if kinds:
        pairs = zip(kinds, windows(rng, kinds, seconds), strict=True)
        actors += [intruder(rng, times, kind, window) for kind, window in pairs]
    drawings = [draw(actor) for actor in actors]
    gain = light(rng, times)
    grain = np.round(rng.normal(0, 2.2, (HEIGHT + 64, WIDTH + 64, 3))).astype(np.int16)
    shifts = rng.integers(0, 64, (frames, 2))
    video, boxes = np.empty((frames, HEIGHT, WIDTH, 3), np.uint8), []
    for frame in range(frames):
        picture, found = compose(drawings, frame)
        lit = cv2.GaussianBlur(cv2.convertScaleAbs(picture, alpha=gain[frame]), (3, 3), 0.45)
        top, side = shifts[frame]
        noise = grain[top : top + HEIGHT, side : side + WIDTH]
        video[frame] = cv2.add(lit, noise, dtype=cv2.CV_8U)
        boxes += found
    return video, boxes
