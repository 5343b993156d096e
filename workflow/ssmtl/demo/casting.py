"""Who is to be seen when: walkers who come and go, and an anomaly within its window of time."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ssmtl.demo.actors import Actor, Path, Plan, cyclist, vehicle, walker
from ssmtl.demo.bodies import DOWN, FALL
from ssmtl.demo.camera import FARTHEST, NEAREST, WALL, Array, edge


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
    """Two to four lanes through the picture, each taken by one walker after another."""
    actors, lanes = [], int(rng.integers(2, 5))
    for number in rng.permutation(lanes):
        moment, entering = 0.0, False
        while moment < seconds:
            lane = NEAREST + (number + rng.random()) / lanes * (FARTHEST - NEAREST)
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
