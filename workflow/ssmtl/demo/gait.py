"""How people walk and run: joint angles over a cycle, and the way that feet which do not slip make.

The angles, in degrees, follow those measured in people (the shape of the curves, not any one data
set), and the body is moved by its stance foot, so a film run backwards looks wrong, as a real one
does.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.ndimage import gaussian_filter1d

from ssmtl.demo.camera import Array


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
