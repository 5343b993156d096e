"""What moves through the scene: people on foot, cyclists and a cart. Times are in seconds."""

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from ssmtl.demo.bodies import (
    RISE,
    SHIRTS,
    Look,
    Pose,
    arm,
    body,
    random_look,
    riding,
    striding,
    toppled,
    tumble,
)
from ssmtl.demo.camera import Array
from ssmtl.demo.gait import RUN, WALK, stride
from ssmtl.demo.parts import Part, cuboid, shaded, still, wheel


@dataclass(frozen=True)
class Path:
    """A straight way over the ground: at `distance` 0 the actor stands on `x`, `z`."""

    x: float
    z: float
    heading: float  # degrees: 0 to the right, 90 away from the camera
    distance: Array = field(default_factory=lambda: np.zeros(0))  # (T,) metres

    def root(self) -> tuple[Array, Array]:
        turn = np.radians(self.heading)
        return self.x + self.distance * np.cos(turn), self.z + self.distance * np.sin(turn)

    def world(self, points: Array, facing: float) -> Array:
        """World points of body points (T, V, 3) of an actor that looks along `facing`."""
        x, z = self.root()
        f, u, left = np.moveaxis(points, -1, 0)
        cos, sin = np.cos(np.radians(facing)), np.sin(np.radians(facing))
        return np.stack(
            (x[:, None] + f * cos - left * sin, u, z[:, None] + f * sin + left * cos), axis=-1
        )


@dataclass(frozen=True)
class Actor:
    """Parts on a path; `odd` (T,) marks the frames in which `kind` is happening."""

    parts: list[Part]
    path: Path
    facing: float
    kind: str
    odd: NDArray[np.bool_]


@dataclass(frozen=True)
class Plan:
    """Where an actor is at which moment: on `path` at `moment` seconds."""

    path: Path
    moment: float


def walker(rng, times: Array, plan: Plan, kind: str = "", fall: tuple = ()) -> Actor:
    """A person on foot: normal, running, falling, carrying or walking backwards.

    `fall` is the moment of the fall and of getting up again.
    """
    look, gait = random_look(rng), RUN if kind == "running" else WALK
    pace = np.sqrt(rng.uniform(0.85, 1.1) if kind == "running" else rng.uniform(0.8, 1.3))
    reach, start = round(float(min(pace, 1.06)), 2), rng.random()
    way = stride("run" if kind == "running" else "walk", reach, look.height)
    sign = -1.0 if kind == "backwards" else 1.0

    def phase_at(time):
        if fall:  # the feet stop while the person is down
            time = np.minimum(time, fall[0]) + np.maximum(time - fall[1], 0)
        return start + sign * gait.cadence * pace**2 / reach * time

    phase = phase_at(times)
    distance = sign * (way.at(phase) - way.at(phase_at(np.float64(plan.moment))))
    pose = striding(gait, phase, way.hip_height(phase), reach, look.height)
    parts: list[Part] = []
    if kind == "carrying":
        pose, parts = carried(rng, pose, look)
    if kind == "falling":
        pose = toppled(pose, tumble(times, *fall), look.height, rng.choice((-1.0, 1.0)))
    odd = (times >= fall[0]) & (times < fall[1] + RISE) if fall else np.full(len(times), bool(kind))
    facing = plan.path.heading + (180.0 if kind == "backwards" else 0.0)
    return Actor(body(pose, look) + parts, replace(plan.path, distance=distance), facing, kind, odd)


def carried(rng, pose: Pose, look: Look) -> tuple[Pose, list[Part]]:
    """The pose and the parts of somebody with a large box, a board or an open umbrella.

    What is carried hides a part of the body, as it does in a real crop of a person.
    """
    h, like = look.height, pose["hip"]
    bob = like * (0, 1, 0) - (0, 0.5 * h, 0)
    colour = shaded(SHIRTS[rng.integers(len(SHIRTS))], 1.1)
    item = rng.choice(("box", "board", "umbrella"))
    if item == "box":
        for side in ("left", "right"):
            pose |= arm(pose, side, 18, 82, h)
        parts = cuboid((0.2, 0.86, -0.3), (0.72, 1.36, 0.3), like, (188, 144, 92), "object")
    elif item == "board":
        side = rng.choice(("left", "right"))
        edge = 0.3 if side == "left" else -0.3
        pose |= arm(pose, side, 10, 20, h)
        low, high = (-0.34, 0.26 * h, edge - 0.04), (0.34, 0.8 * h, edge + 0.04)
        parts = cuboid(low, high, like, (206, 170, 112), "object", front=0.12)
    else:
        pose |= arm(pose, "left", 24, 150, h)
        parts = umbrella(like, h, colour)
    return pose, [replace(part, points=part.points + bob[:, None]) for part in parts]


def umbrella(like: Array, height: float, colour) -> list[Part]:
    top, rim = (0.08, height + 0.16, 0.08), height - 0.24
    turn = np.linspace(0, 2 * np.pi, 9)
    edge = np.stack((0.08 + 0.68 * np.cos(turn), 0 * turn + rim, 0.08 + 0.68 * np.sin(turn)), 1)
    shaft = still([(0.14, 0.62 * height, 0.16), top], like)
    parts = [Part(shaft, (60, 60, 60), (0.02, 0.015), "object", 0.05)]
    for index in range(8):
        tone = 0.85 + 0.25 * (index % 2)
        panel = still([top, edge[index], edge[index + 1]], like)
        parts.append(Part(panel, shaded(colour, tone), name="object"))
    return parts


def cyclist(rng, times: Array, plan: Plan) -> Actor:
    """A person on a bicycle, one object of class bicycle."""
    look, speed = random_look(rng), rng.uniform(1.7, 3.4)
    gone = speed * (times - plan.moment)
    turn = gone / 0.33
    paint = SHIRTS[rng.integers(len(SHIRTS))]
    parts = [
        *wheel((-0.52, 0.33, 0.0), 0.33, turn, "bicycle"),
        *wheel((0.55, 0.33, 0.0), 0.33, turn, "bicycle"),
        *bicycle_frame(times, paint),
        *body(riding(gone * 2 * np.pi / 4.2, look.height), look),
    ]
    parts = [replace(part, name="bicycle") for part in parts]
    path = replace(plan.path, distance=gone)
    return Actor(parts, path, path.heading, "cycling", np.full(len(times), True))


def bicycle_frame(times: Array, colour) -> list[Part]:
    rear, crank, seat = (-0.52, 0.33, 0), (-0.04, 0.29, 0), (-0.2, 0.9, 0)
    head, front, grip = (0.36, 0.86, 0), (0.55, 0.33, 0), (0.4, 1.04, 0)
    tubes = [(rear, crank), (rear, seat), (crank, seat), (crank, head), (seat, head)]
    tubes += [(head, front), (head, grip)]
    parts = [Part(still(tube, times), colour, (0.022, 0.022)) for tube in tubes]
    bar = still([(0.42, 1.04, -0.24), (0.42, 1.04, 0.24)], times)
    saddle = still([(-0.32, 0.94, 0), (-0.08, 0.95, 0)], times)
    return [*parts, Part(bar, (50, 50, 50), (0.02, 0.02)), Part(saddle, (40, 36, 34), (0.05, 0.03))]


def vehicle(rng, times: Array, plan: Plan) -> Actor:
    """A small delivery cart at walking to double speed."""
    gone = rng.uniform(1.2, 2.6) * (times - plan.moment)
    paint = ((214, 214, 208), (196, 70, 56), (70, 110, 160), (222, 178, 66))[rng.integers(4)]
    name, half, back = "vehicle", 0.55, -rng.uniform(1.0, 1.25)
    glass = (74, 92, 106)
    parts = [
        *cuboid((back, 0.2, -half), (1.1, 0.78, half), times, paint, name),
        *cuboid((back + 0.1, 0.78, -half + 0.05), (0.55, 1.42, half - 0.05), times, paint, name),
    ]
    pane = [(0.56, 0.85, -0.42), (0.56, 0.85, 0.42), (0.56, 1.34, 0.42), (0.56, 1.34, -0.42)]
    parts.append(Part(still(pane, times), glass, name=name, front=0.15))
    for side in (-half + 0.04, half - 0.04):
        pane = [(-0.1, 0.86, side), (0.48, 0.86, side), (0.48, 1.32, side), (-0.1, 1.32, side)]
        parts.append(Part(still(pane, times), glass, name=name, front=0.15))
    for f in (back + 0.35, 0.7):
        for side in (-half - 0.01, half + 0.01):
            hub = still([(f, 0.24, side)] * 2, times)
            parts.append(Part(hub, (60, 60, 62), (0.2, 0.2), name, 0.2))
            tyre = wheel((f, 0.24, side), 0.24, gone / 0.24, name)
            parts += [replace(part, front=0.21) for part in tyre]
    path = replace(plan.path, distance=gone)
    return Actor(parts, path, path.heading, "vehicle", np.full(len(times), True))
