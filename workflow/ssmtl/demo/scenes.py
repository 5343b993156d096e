"""Synthetic scenes of one fixed camera: people who walk, and what an alarm should catch.

Everything is built in metres on a ground plane and seen through one perspective camera, so
size, speed, occlusion and shadow agree with each other. Walking follows joint angles measured
in people (the shape of the curves, not any one data set), and the body is moved by its stance
foot: feet do not slip, and a film run backwards looks wrong, as a real one does.

World axes: x to the right, y up, z away from the camera. Body axes: f forward, u up, l to the
left. Times are seconds, angles degrees, colours RGB.
"""

from dataclasses import dataclass, field, replace
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.ndimage import gaussian_filter1d

WIDTH, HEIGHT, FPS = 320, 240, 25
ROLES = {"detector": 1, "train": 2, "dev": 3, "test": 4}
KINDS = ("running", "cycling", "falling", "carrying", "vehicle", "backwards")
CLASSES = ("person", "bicycle", "vehicle", "object")

# The camera hangs 5 m high and its horizon is row 4: a person of 1.7 m is 36 pixels tall at the
# back of the pavement and 75 at its front.
FOCAL, CAMERA_HEIGHT, HORIZON = 400.0, 5.0, 4.0
NEAREST, FARTHEST, WALL = 9.2, 18.5, 22.0
SUN = (0.45, 0.30)  # a shadow's shift along x and z for each metre of height
SUBPIXEL = 4  # OpenCV's fixed point: 1/16 pixel

Array = NDArray[np.float64]


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


def clip_box(xyxy: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    """The part of a box inside the picture (it may be empty: x2 <= x1 or y2 <= y1)."""
    x1, y1, x2, y2 = xyxy
    return max(x1, 0.0), max(y1, 0.0), min(x2, float(WIDTH)), min(y2, float(HEIGHT))


def inside(xyxy: tuple[float, float, float, float]) -> float:
    """The fraction of a box's area that lies inside the picture."""
    x1, y1, x2, y2 = clip_box(xyxy)
    area = (xyxy[2] - xyxy[0]) * (xyxy[3] - xyxy[1])
    return max(x2 - x1, 0.0) * max(y2 - y1, 0.0) / area if area > 0 else 0.0


# --- Camera ------------------------------------------------------------------------------------


def project(points: Array) -> Array:
    """Pixels (..., 2) of world points (..., 3)."""
    x, y, z = np.moveaxis(points, -1, 0)
    return np.stack((WIDTH / 2 + FOCAL * x / z, HORIZON + FOCAL * (CAMERA_HEIGHT - y) / z), axis=-1)


def cast(points: Array) -> Array:
    """The shadow of world points on the ground, (..., 3)."""
    x, y, z = np.moveaxis(points, -1, 0)
    return np.stack((x + SUN[0] * y, np.zeros_like(y), z + SUN[1] * y), axis=-1)


# --- Parts: what an actor is made of -----------------------------------------------------------


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


# --- Gait --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Gait:
    """Joint angles over a cycle that starts when the foot lands, and how the trunk is held.

    The hip's angle is the thigh's against the vertical, not against the tilted pelvis.
    """

    hip: dict[int, float]
    knee: dict[int, float]
    ankle: dict[int, float]
    cadence: float  # cycles a second
    lean: float
    arm_swing: float
    elbow: float
    flight: float  # how far the body rises between two steps, metres


WALK = Gait(
    hip={0: 20, 12: 16, 25: 3, 38: -12, 50: -21, 58: -16, 68: 3, 80: 20, 90: 24},
    knee={0: 4, 8: 13, 15: 17, 27: 9, 40: 5, 50: 12, 60: 38, 71: 64, 80: 56, 90: 21, 96: 4},
    ankle={0: 0, 7: -6, 20: 4, 40: 10, 49: 6, 61: -17, 71: 1, 80: 6, 90: 4},
    cadence=0.95,
    lean=4,
    arm_swing=21,
    elbow=16,
    flight=0.0,
)
RUN = Gait(
    hip={0: 27, 14: 15, 28: -9, 38: -22, 48: -13, 62: 24, 77: 47, 90: 36},
    knee={0: 20, 14: 42, 28: 22, 38: 20, 50: 68, 62: 106, 76: 82, 89: 34},
    ankle={0: 5, 15: 22, 29: 2, 38: -22, 50: -12, 70: 0, 85: 6},
    cadence=1.42,
    lean=13,
    arm_swing=42,
    elbow=82,
    flight=0.07,
)

THIGH, SHANK, TRUNK, UPPER_ARM, FOREARM = 0.245, 0.245, 0.29, 0.165, 0.165  # of the height


@cache
def _curve(keys: tuple[tuple[int, float], ...]) -> CubicSpline:
    x, y = np.array([*keys, (100, keys[0][1])], float).T
    return CubicSpline(x / 100, y, bc_type="periodic")


def angle(keys: dict[int, float], phase: Array) -> Array:
    """A joint's angle in degrees at a phase in cycles."""
    return _curve(tuple(keys.items()))(np.mod(phase, 1.0))


def swing(degrees: Array, length: float) -> Array:
    """The step (..., 2) forward and up along a bone that hangs `degrees` forward of straight."""
    radians = np.radians(degrees)
    return length * np.stack((np.sin(radians), -np.cos(radians)), axis=-1)


def leg(gait: Gait, phase: Array, reach: float, height: float) -> Array:
    """Knee, ankle, heel and toe relative to the hip, (T, 4, 2) metres.

    `reach` scales the hip's and knee's excursion: a slow walker takes shorter steps.
    """
    hip = reach * angle(gait.hip, phase)
    shin = hip - (reach * (angle(gait.knee, phase) - 5) + 5)
    foot = shin + angle(gait.ankle, phase) + 90
    knee = swing(hip, THIGH * height)
    ankle = knee + swing(shin, SHANK * height)
    sole = ankle + swing(foot - 90, 0.035 * height)
    return np.stack(
        (knee, ankle, sole - swing(foot, 0.04 * height), sole + swing(foot, 0.105 * height)),
        axis=1,
    )


@dataclass(frozen=True)
class Stride:
    """How a gait moves the body: metres a cycle, and both tables over one cycle."""

    length: float
    travel: Array
    lift: Array

    def at(self, phase: Array) -> Array:
        """Metres gone since phase 0."""
        grid = np.linspace(0, 1, len(self.travel))
        return np.floor(phase) * self.length + np.interp(phase % 1, grid, self.travel)

    def hip_height(self, phase: Array) -> Array:
        return np.interp(phase % 1, np.linspace(0, 1, len(self.lift)), self.lift)


@cache
def stride(gait_name: str, reach: float, height: float) -> Stride:
    """The motion that keeps the foot on the ground where it is.

    The body moves forward as fast as the lowest point of the feet moves back; a runner, who is
    in the air in between, keeps the mean of that speed.
    """
    gait = {"walk": WALK, "run": RUN}[gait_name]
    phase = np.linspace(0, 1, 401)
    feet = np.concatenate(
        [leg(gait, phase + side, reach, height)[:, 2:] for side in (0.0, 0.5)], axis=1
    )
    speed = -np.gradient(feet[..., 0], phase, axis=0)
    lowest = feet[..., 1].argmin(axis=1)
    forward = np.take_along_axis(speed, lowest[:, None], axis=1)[:, 0]
    lift = -feet[..., 1].min(axis=1)
    step = phase % 0.5
    if gait.flight:
        forward[:] = forward[(step > 0.06) & (step < 0.32)].mean()
        lift += gait.flight * np.sin(np.pi * np.clip((step - 0.36) / 0.14, 0, 1))
    forward = gaussian_filter1d(forward[:-1], 6, mode="wrap")
    travel = np.concatenate(([0.0], np.cumsum(forward) / len(forward)))
    lift = gaussian_filter1d(lift[:-1], 4, mode="wrap")
    return Stride(float(travel[-1]), travel, np.append(lift, lift[0]))


# --- Bodies ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Look:
    """A person's height in metres and colours."""

    height: float
    shirt: tuple[float, float, float]
    trousers: tuple[float, float, float]
    skin: tuple[float, float, float]
    hair: tuple[float, float, float]
    shoes: tuple[float, float, float]
    sleeves: bool


SHIRTS = (
    (178, 58, 52), (52, 92, 158), (64, 124, 80), (212, 188, 92), (120, 72, 130), (70, 70, 78),
    (224, 222, 214), (206, 120, 60), (96, 150, 168), (150, 104, 84), (196, 140, 160), (40, 50, 80),
)  # fmt: skip
TROUSERS = ((48, 56, 84), (58, 58, 60), (112, 96, 76), (74, 82, 66), (90, 100, 120), (36, 36, 42))
SKINS = ((232, 194, 166), (206, 160, 124), (164, 116, 84), (112, 76, 54))
HAIRS = ((40, 30, 26), (88, 60, 38), (150, 116, 66), (120, 118, 116), (22, 22, 24))


def random_look(rng: np.random.Generator) -> Look:
    shade = rng.uniform(0.85, 1.1, 2)
    return Look(
        height=round(float(rng.uniform(1.56, 1.86)), 2),
        shirt=shaded(SHIRTS[rng.integers(len(SHIRTS))], shade[0]),
        trousers=shaded(TROUSERS[rng.integers(len(TROUSERS))], shade[1]),
        skin=SKINS[rng.integers(len(SKINS))],
        hair=HAIRS[rng.integers(len(HAIRS))],
        shoes=shaded((60, 50, 46), rng.uniform(0.4, 2.2)),
        sleeves=bool(rng.random() < 0.6),
    )


Pose = dict[str, Array]


def at(forward: Array, up: Array, left: float | Array) -> Array:
    return np.stack(np.broadcast_arrays(forward, up, left), axis=-1)


def lifted(sagittal: Array, left: float | Array) -> Array:
    """Body points (T, 3) from forward and up (T, 2)."""
    return at(sagittal[..., 0], sagittal[..., 1], left)


def torso(hip: Array, lean: float | Array, twist: Array, height: float) -> Pose:
    """Hips, shoulders, neck and head above a hip centre (T, 2); `twist` (T,) in metres."""
    lean = np.broadcast_to(lean, len(hip))
    chest = hip + swing(180.0 - lean, TRUNK * height)
    neck = chest + swing(180.0 - 0.6 * lean, 0.05 * height)
    head = neck + swing(180.0 - 0.3 * lean, 0.068 * height)
    pose = {"hip": lifted(hip, 0), "chest": lifted(chest, 0), "neck": lifted(neck, 0)}
    pose["head"] = lifted(head, 0)
    for side, sign in (("left", 1.0), ("right", -1.0)):
        pose[f"hip_{side}"] = at(hip[:, 0] - 0.4 * sign * twist, hip[:, 1], sign * 0.048 * height)
        pose[f"shoulder_{side}"] = at(
            chest[:, 0] + sign * twist, chest[:, 1], sign * 0.095 * height
        )
    return pose


def striding(gait: Gait, phase: Array, hip_height: Array, reach: float, height: float) -> Pose:
    """The pose of a walker or runner at each phase."""
    hip = np.stack((0 * phase, hip_height), axis=-1)
    turn = np.cos(2 * np.pi * (phase + 0.06))
    pose = torso(hip, gait.lean, -0.022 * height * reach * turn, height)
    for side, sign, shift in (("left", 1.0, 0.0), ("right", -1.0, 0.5)):
        joints = hip[:, None] + leg(gait, phase + shift, reach, height)
        for index, joint in enumerate(("knee", "ankle", "heel", "toe")):
            pose[f"{joint}_{side}"] = lifted(joints[:, index], sign * 0.05 * height)
        pump = np.cos(2 * np.pi * (phase + shift + 0.06))
        shoulder = 2 - gait.arm_swing * reach * pump
        elbow = gait.elbow * (1 - 0.7 * pump)
        pose |= arm(pose, side, shoulder, shoulder + elbow, height)
    return pose


def arm(pose: Pose, side: str, upper: Array | float, lower: Array | float, height: float) -> Pose:
    """Elbow and hand of one arm from the directions of its two bones, in degrees."""
    shoulder = pose[f"shoulder_{side}"]
    upper, lower = (np.broadcast_to(value, len(shoulder)) for value in (upper, lower))
    elbow = shoulder + lifted(swing(upper, UPPER_ARM * height), 0)
    return {
        f"elbow_{side}": elbow,
        f"hand_{side}": elbow + lifted(swing(lower, FOREARM * height), 0),
    }


def bent(start: Array, end: Array, first: float, second: float, sign: float) -> Array:
    """The joint (T, 2) between two bones whose ends are given; `sign` picks the side it bends."""
    gap = end - start
    distance = np.clip(np.hypot(*gap.T), 1e-6, first + second - 1e-6)[:, None]
    along = (first**2 - second**2 + distance**2) / (2 * distance)
    aside = np.sqrt(np.maximum(first**2 - along**2, 0))
    unit = gap / distance
    return start + unit * along + sign * aside * np.stack((-unit[:, 1], unit[:, 0]), axis=-1)


def body(pose: Pose, look: Look) -> list[Part]:
    """The parts of a person in a pose."""
    h, sleeve = look.height, look.shirt if look.sleeves else look.skin
    parts = []
    for side in ("right", "left"):
        joint = {
            name.removesuffix(f"_{side}"): p for name, p in pose.items() if name.endswith(side)
        }
        tone = {"right": 0.92, "left": 1.0}[side]
        trousers, shirt = shaded(look.trousers, tone), shaded(look.shirt, 0.9 * tone)
        parts += [
            limb(joint["heel"], joint["toe"], 0.024 * h, 0.018 * h, look.shoes),
            limb(joint["knee"], joint["ankle"], 0.036 * h, 0.024 * h, trousers),
            limb(joint["hip"], joint["knee"], 0.055 * h, 0.038 * h, trousers),
            limb(joint["shoulder"], joint["hip"], 0.058 * h, 0.058 * h, look.shirt),
            limb(joint["shoulder"], joint["elbow"], 0.034 * h, 0.028 * h, shirt),
            limb(joint["elbow"], joint["hand"], 0.027 * h, 0.02 * h, shaded(sleeve, 0.95 * tone)),
            limb(joint["hand"], joint["hand"], 0.023 * h, 0.023 * h, look.skin),
        ]
    face = pose["head"] + (pose["head"] - pose["neck"])[:, [1, 0, 2]] * (0.25, -0.25, 0.25)
    crown = pose["head"] - (face - pose["head"]) + 0.2 * (pose["head"] - pose["neck"])
    return [
        *parts,
        limb(pose["chest"], pose["hip"], 0.066 * h, 0.062 * h, shaded(look.shirt, 1.06)),
        limb(pose["neck"], pose["head"], 0.03 * h, 0.04 * h, look.skin),
        limb(face, face, 0.056 * h, 0.056 * h, look.skin, front=0.01),
        limb(crown, crown, 0.06 * h, 0.06 * h, look.hair, front=0.011),
    ]


# --- Actors ------------------------------------------------------------------------------------


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
    parts = []
    if kind == "carrying":
        pose, parts = carried(rng, pose, look)
    if kind == "falling":
        pose = toppled(pose, tumble(times, *fall), look.height, rng.choice((-1.0, 1.0)))
    odd = (times >= fall[0]) & (times < fall[1] + RISE) if fall else np.full(len(times), bool(kind))
    facing = plan.path.heading + (180.0 if kind == "backwards" else 0.0)
    return Actor(body(pose, look) + parts, replace(plan.path, distance=distance), facing, kind, odd)


FALL, DOWN, RISE = 0.8, 0.2, 1.2  # seconds to go down, to stay there and to get up


def tumble(times: Array, down: float, up: float) -> Array:
    """How far a person has fallen, 0 upright to 1 lying: faster and faster, then slowly up."""
    dropping = np.clip((times - down) / FALL, 0, 1) ** 2.2
    rising = np.clip((times - up) / RISE, 0, 1)
    return dropping * (1 - rising**2 * (3 - 2 * rising))


def toppled(pose: Pose, fallen: Array, height: float, direction: float) -> Pose:
    """The pose tipped over its feet by `fallen` quarter turns, resting on the ground."""
    tip = np.radians(-direction * 84 * fallen)
    cos, sin = np.cos(tip), np.sin(tip)
    crumple = np.sin(np.pi * fallen) * 0.07 + 0.02 * fallen
    joints = {}
    for name, point in pose.items():
        f, u, left = point.T / height
        if "knee" in name:
            f = f + crumple
        if "hand" in name or "elbow" in name:
            stretch = fallen * (1.0 if "hand" in name else 0.5)
            f, u = f + 0.16 * direction * stretch, u + 0.22 * stretch
        joints[name] = height * np.stack((f * cos - u * sin, f * sin + u * cos, left), axis=1)
    floor = np.min([point[:, 1] for point in joints.values()], axis=0) - 0.05 * height * fallen
    return {name: point - at(0 * floor, floor, 0) for name, point in joints.items()}


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
    tubes = ((rear, crank), (rear, seat), (crank, seat), (crank, head), (seat, head))
    tubes += ((head, front), (head, grip))
    parts = [Part(still(tube, times), colour, (0.022, 0.022)) for tube in tubes]
    bar = still([(0.42, 1.04, -0.24), (0.42, 1.04, 0.24)], times)
    saddle = still([(-0.32, 0.94, 0), (-0.08, 0.95, 0)], times)
    return [*parts, Part(bar, (50, 50, 50), (0.02, 0.02)), Part(saddle, (40, 36, 34), (0.05, 0.03))]


def riding(turn: Array, height: float) -> Pose:
    """The pose of a cyclist whose cranks have turned by `turn` radians (T,)."""
    hip = np.tile((-0.2, 1.0), (len(turn), 1))
    pose = torso(hip, 27.0, 0 * turn, height)
    grip = np.tile((0.42, 1.06), (len(turn), 1))
    for side, sign, shift in (("left", 1.0, 0.0), ("right", -1.0, np.pi)):
        spin = shift - turn
        pedal = np.stack((-0.04 + 0.17 * np.cos(spin), 0.29 + 0.17 * np.sin(spin)), axis=-1)
        ankle = pedal - np.array((0.06, -0.1))
        knee = bent(hip, ankle, THIGH * height, SHANK * height, 1.0)
        shoulder = pose[f"shoulder_{side}"][:, :2]
        elbow = bent(shoulder, grip, UPPER_ARM * height, FOREARM * height, -1.0)
        joints = {"knee": knee, "ankle": ankle, "heel": pedal - (0.1, -0.03)}
        joints["toe"] = pedal - (-0.12, -0.02)
        pose |= {f"{name}_{side}": lifted(at_, sign * 0.1) for name, at_ in joints.items()}
        arms = {"elbow": elbow, "hand": grip}
        pose |= {f"{name}_{side}": lifted(at_, sign * 0.2) for name, at_ in arms.items()}
    return pose


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


# --- Casting -----------------------------------------------------------------------------------


def edge(z: float) -> float:
    """Half the width of the view at depth z, metres."""
    return WIDTH / 2 / FOCAL * z


def in_view(plan: Plan, speed: float, time: Array) -> tuple[NDArray[np.bool_], Array]:
    """Whether a walker on a plan is in the picture at each time, and its depth."""
    x, z = replace(plan.path, distance=speed * (time - plan.moment)).root()
    return (np.abs(x) < edge(z) + 0.3) & (z > 6.0), z


def stroll(rng, start: float, seconds: float, entering: bool, lane: float) -> tuple[Plan, float]:
    """A normal walker's plan from `start` on, and the moment it has left the picture."""
    time = np.arange(start, seconds + 0.1, 0.1)
    for attempt in range(60):
        spread = rng.choice((12.0, 45.0, 85.0), p=(0.65, 0.25, 0.1)) if attempt < 59 else 0.0
        heading = rng.choice((0.0, 180.0)) + rng.uniform(-spread, spread)
        side = -np.sign(np.cos(np.radians(heading)))
        x = side * (edge(lane) + 0.2) if entering else rng.uniform(-0.9, 0.9) * edge(lane)
        plan = Plan(Path(float(x), lane, float(heading)), start)
        seen, z = in_view(plan, 1.3, time)
        if (z[seen] < WALL - 2.6).all():
            break
    gone = time[np.flatnonzero(~seen)[0]] if not seen.all() else seconds
    return plan, float(gone)


def passers_by(rng, times: Array, seconds: float) -> list[Actor]:
    """Two to four places in the picture, each taken by one walker after another."""
    actors, places = [], int(rng.integers(2, 5))
    for place in rng.permutation(places):
        moment, entering = 0.0, False
        while moment < seconds:
            lane = NEAREST + (place + rng.random()) / places * (FARTHEST - NEAREST)
            plan, gone = stroll(rng, moment, seconds, entering, float(lane))
            actors.append(walker(rng, times, plan))
            moment, entering = max(gone, moment + 1.0) + rng.uniform(0, 0.8), True
    return actors


@dataclass(frozen=True)
class Window:
    """When an anomaly is to be seen, in seconds, and where in the film that is."""

    first: float
    last: float
    place: str  # start, middle or end


def windows(rng, kinds: tuple[str, ...], seconds: float) -> list[Window]:
    """A window for each kind: one long one, or two short ones at the ends of the film."""
    if len(kinds) == 1:
        length = rng.uniform(0.34, 0.48) * seconds
        # Slow actors cannot cross the picture within a window in the middle, and a fall is only
        # a fall when one sees how it began.
        places = {"running": ("start", "middle", "end"), "falling": ("middle", "end")}
        place = str(rng.choice(places.get(kinds[0], ("start", "end"))))
        first = {"start": 0.0, "middle": rng.uniform(0.3, 0.7), "end": 1.0}[place]
        first *= seconds - length
        return [Window(first, first + length, place)]
    head, tail = rng.uniform(0.2, 0.26, 2) * seconds
    both = [Window(0.0, head, "start"), Window(seconds - tail, seconds, "end")]
    return both[::-1] if kinds[0] == "falling" else both


def intruder(rng, times: Array, kind: str, window: Window) -> Actor:
    """The actor of an anomaly, which enters, leaves or passes so as to keep to its window."""
    z, heading = rng.uniform(9.6, 16.0), rng.choice((0.0, 180.0)) + rng.uniform(-12, 12)
    ahead = np.sign(np.cos(np.radians(heading)))
    x, moment = {
        "start": (ahead * edge(z), window.last),
        "middle": (0.0, (window.first + window.last) / 2),
        "end": (-ahead * edge(z), window.first),
    }[window.place]
    if kind == "falling":
        plan = Plan(Path(rng.uniform(-0.6, 0.6) * edge(z), z, heading), window.first)
        return walker(rng, times, plan, kind, (window.first, window.first + FALL + DOWN))
    plan = Plan(Path(float(x), z, heading), moment)
    if kind == "cycling":
        return cyclist(rng, times, plan)
    if kind == "vehicle":
        return vehicle(rng, times, plan)
    return walker(rng, times, plan, kind)


# --- The place ---------------------------------------------------------------------------------


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
        alpha = (alpha[area][..., None] / 255).astype(np.float32)
        paint = cv2.dilate(paint, np.ones((3, 3)))[area] * (paint[area] == 0) + paint[area]
        found.append(Screen(float(limbs[0][0][0, 0, 2]), area, paint, alpha))
    return found


# --- Rendering ---------------------------------------------------------------------------------


def fixed(pixels: Array) -> NDArray[np.int32]:
    """Pixel coordinates in OpenCV's fixed point (a pixel's centre is at half a pixel)."""
    return np.round((np.clip(pixels, -4000, 4000) - 0.5) * (1 << SUBPIXEL)).astype(np.int32)


def fill(image, polygon: NDArray[np.int32], colour, line: int) -> None:
    cv2.fillPoly(image, [polygon], colour, line, SUBPIXEL)


def darken(picture: NDArray[np.uint8], shade: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture under a shadow mask (0..255)."""
    light = 255 - cv2.GaussianBlur(shade, (5, 5), 1.2) * 0.42
    return cv2.multiply(picture, cv2.merge([light.astype(np.uint8)] * 3), scale=1 / 255)


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
    whole: list[int] = []
    queue = [(d.depth[frame], index, d) for index, d in there]
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
        whole += [int(counts[value]) for value in number.values()]
    left = np.bincount(owner.ravel(), minlength=len(labels) + 1)[1:]
    boxes = []
    for (index, item, name), pixels, seen in zip(labels, whole, left, strict=True):
        xyxy = tuple(float(value) for value in item.boxes[name][frame])
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


def render(
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
        picture = cv2.GaussianBlur(cv2.convertScaleAbs(picture, alpha=gain[frame]), (3, 3), 0.45)
        top, side = shifts[frame]
        noise = grain[top : top + HEIGHT, side : side + WIDTH]
        video[frame] = cv2.add(picture, noise, dtype=cv2.CV_8U)
        boxes += found
    return video, boxes
