"""What an actor is made of: limbs, polygons, boxes and wheels.

Body axes: f forward, u up, l to the left, in metres.
"""

from dataclasses import dataclass

import numpy as np

from ssmtl.demo.camera import Array


@dataclass(frozen=True)
class Part:
    """A tapered limb (two points, two radii) or, without radii, a filled polygon.

    `points` is (T, V, 3) in body axes; `front` pulls the part towards the camera, in metres,
    when parts are ordered.
    """

    points: Array
    colour: tuple[float, float, float]
    radii: tuple[float, float] | None = None
    name: str = "person"
    front: float = 0.0


def shaded(colour, factor: float) -> tuple[float, float, float]:
    red, green, blue = (min(255.0, channel * factor) for channel in colour)
    return red, green, blue


def limb(start: Array, end: Array, thick: float, thin: float, colour, **more) -> Part:
    return Part(np.stack((start, end), axis=1), colour, (thick, thin), **more)


def still(points, like: Array) -> Array:
    """The same body points (V, 3) in every frame of `like`, (T, V, 3)."""
    return np.broadcast_to(np.asarray(points, float), (len(like), *np.shape(points))).copy()


def cuboid(low, high, like: Array, colour, name: str, front: float = 0.0) -> list[Part]:
    """The faces of a box between two body points, the top brighter than the sides."""
    (f0, u0, l0), (f1, u1, l1) = low, high
    faces = (
        (0.70, [(f0, u0, l0), (f1, u0, l0), (f1, u1, l0), (f0, u1, l0)]),
        (0.70, [(f0, u0, l1), (f1, u0, l1), (f1, u1, l1), (f0, u1, l1)]),
        (0.85, [(f0, u0, l0), (f0, u0, l1), (f0, u1, l1), (f0, u1, l0)]),
        (0.85, [(f1, u0, l0), (f1, u0, l1), (f1, u1, l1), (f1, u1, l0)]),
        (1.05, [(f0, u1, l0), (f1, u1, l0), (f1, u1, l1), (f0, u1, l1)]),
    )
    return [
        Part(still(points, like), shaded(colour, light), name=name, front=front)
        for light, points in faces
    ]


def wheel(hub: tuple[float, float, float], radius: float, turn: Array, name: str) -> list[Part]:
    """A tyre, a rim and spokes that have turned by `turn` radians (T,) clockwise."""
    around = np.linspace(0, 2 * np.pi, 25)
    ring = np.concatenate((around, around[::-1]))
    size = np.repeat((radius, radius * 0.82), 25)
    tyre = np.stack((size * np.cos(ring), size * np.sin(ring), 0 * ring), axis=-1) + hub
    parts = [Part(still(tyre, turn), (38, 38, 40), name=name)]
    for spoke in (0.0, np.pi / 3, 2 * np.pi / 3):
        reach = np.stack((np.cos(spoke - turn), np.sin(spoke - turn), 0 * turn), axis=-1)
        reach *= radius * 0.85
        colour = (205, 205, 210) if spoke else (225, 90, 60)
        parts.append(limb(hub - reach, hub + reach, 0.012, 0.012, colour, name=name))
    return parts
