"""People: their looks, their poses, and the parts that they are drawn with."""

from dataclasses import dataclass

import numpy as np

from ssmtl.demo.camera import Array
from ssmtl.demo.gait import FOREARM, SHANK, THIGH, TRUNK, UPPER_ARM, Gait, leg, swing
from ssmtl.demo.parts import Part, limb, shaded


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
