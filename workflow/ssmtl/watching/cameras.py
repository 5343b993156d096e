"""`ssmtl cameras`: any number of cameras in one process, from one file, for months.

Each camera has a thread; the pictures of all go through one detector, and through one model where
cameras have the same. What goes wrong with one camera ends no other.
"""

import json
import logging
import threading
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import yaml

from ssmtl.core import store
from ssmtl.core.errors import InputError
from ssmtl.core.machine import cores
from ssmtl.stages.detect import CPU_BATCH
from ssmtl.watching import folder as watcher
from ssmtl.watching import words
from ssmtl.watching.address import Address, address
from ssmtl.watching.events import Recorder
from ssmtl.watching.health import CONNECTING, ENDED, Health
from ssmtl.watching.retention import thin
from ssmtl.watching.settings import Camera, Cameras, Scoring, Watch
from ssmtl.watching.sinks import Outboxes, sinks_of
from ssmtl.watching.stream import Scorer
from ssmtl.watching.together import SharedModel, Together
from ssmtl.watching.watch import Ready, alone_in, found_in, interruptible, opened, refuse_foreign

log = logging.getLogger(__name__)

STATUS = "status.json"
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0  # seconds before a camera is tried again
THINNING = 600.0  # seconds between two looks at what may go
POLL = 0.5  # seconds between two looks whether cameras are still there
ENDING = 15.0  # seconds that cameras have to finish what is there


def cameras(file: Path) -> None:
    """Watches all cameras of a file until it is stopped, or all of them are recordings that ended.

    Raises InputError for a file, a model or an address that cannot be used.
    """
    plan = read(file)
    output, shared = Path(plan.output), Shared()
    addresses = {name: place_of(name, camera) for name, camera in plan.cameras.items()}
    with ExitStack() as stack:
        stations = []
        for name, camera in plan.cameras.items():
            where = output / name
            refuse_foreign(where)
            sinks = sinks_of(name, **plan.tell.model_dump(), listed=False)
            told = stack.enter_context(Outboxes(sinks))
            ready = opened(model_of(plan, name), settings_of(plan, camera), shared)
            stack.enter_context(alone_in(where))
            recorder = ready.recorder(where, told.put, name)
            scores = [clip.score for clip in ready.normal]
            health = Health(ready.threshold, round(float(np.median(np.concatenate(scores))), 4))
            stations.append(Station(name, addresses[name], ready, recorder, told, health))
        stopped = stack.enter_context(interruptible())
        watch_all(stations, output, plan, stopped)


def read(file: Path) -> Cameras:
    """The checked file of cameras."""
    try:
        values = yaml.safe_load(file.read_text("utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise InputError(f"{file}: no readable YAML ({reason})") from error
    if not isinstance(values, dict):
        raise InputError(f"{file}: no section `cameras` in it; docs/quickstart-camera.md has one")
    return Cameras.parse(values, str(file))


def place_of(name: str, camera: Camera) -> Path | Address:
    try:
        return address(camera.source, listed=False)
    except InputError as error:
        raise InputError(f"cameras.{name}: {error}") from error


def model_of(plan: Cameras, name: str) -> Path:
    if found := plan.cameras[name].model or plan.model:
        return Path(found)
    raise InputError(f"cameras.{name}: no model; give it one, or `model` for all cameras")


def settings_of(plan: Cameras, camera: Camera) -> Watch:
    """The section watch of a camera: what it changes, what all change, the defaults.

    A camera is never given up unless the file says so.
    """
    layers = [each.model_dump(exclude_unset=True) for each in (plan.watch, camera.watch)]
    return Watch.parse({"give_up": None} | layers[0] | layers[1], "watch")


class Shared:
    """The scorers of several cameras: detectors and models that they have in common are one."""

    def __init__(self) -> None:
        self.scorers: dict[Path, Scorer] = {}  # by the watcher's folder
        self.detectors: dict[str, Scorer] = {}  # one scorer with each, by the detector's settings

    def __call__(self, folder: Path, stages: Scoring) -> Scorer:
        """As `watcher.scorer_of`."""
        folder = folder.resolve()
        if folder not in self.scorers:
            key = detector_key(folder, stages)
            known = self.detectors.get(key)
            scorer = watcher.scorer_of(folder, stages, known.detector if known else None)
            scorer = replace(scorer, model=SharedModel(scorer.model))
            together = known.together if known else joined(scorer)
            self.scorers[folder] = replace(scorer, together=together)
            self.detectors.setdefault(key, self.scorers[folder])
        return replace(self.scorers[folder], settings=stages)


def detector_key(folder: Path, stages: Scoring) -> str:
    """A digest of the section detect and of the files that it names."""
    detect = watcher.detect_settings(folder, stages)
    return store.digest(detect.with_files(lambda _, name: store.file_digest(name) or name))


def joined(scorer: Scorer) -> Together:
    """The scorer's detector for several streams: on a CPU a batch for each core at a time."""
    most = scorer.settings.detect.batch or scorer.detector.batch or CPU_BATCH
    if scorer.device.type == "cpu":
        return Together(scorer.alone, min(most, CPU_BATCH), cores())
    return Together(scorer.alone, most)


@dataclass
class Station:
    """A camera that is watched: what it has, and how it is."""

    name: str
    place: Path | Address
    ready: Ready
    recorder: Recorder
    told: Outboxes
    health: Health

    def run(self, stopped: threading.Event) -> None:
        """Watches until `stopped`, or to the end of a recording; what fails is tried again."""
        pause = FIRST_PAUSE
        while not stopped.is_set():
            frames = self.health.frames
            try:
                for _ in found_in(self.place, self.ready, self.recorder, stopped, self.health):
                    pass
                break  # a recording has ended, or a camera was given up
            except InputError as error:
                self.failed(pause, "%s", error)
            except Exception:
                self.failed(pause, "an error that should not be", exc_info=True)
            self.health.state = CONNECTING
            stopped.wait(pause)
            again = self.health.frames > frames  # it had worked meanwhile
            pause = FIRST_PAUSE if again else min(2 * pause, LONGEST_PAUSE)
        self.health.state = ENDED

    def failed(self, pause: float, words: str, *values, exc_info: bool = False) -> None:
        """Says what went wrong, the first time in a row."""
        if pause == FIRST_PAUSE:
            text = f"{self.name}: {words}; trying again until it works"
            log.warning(text, *values, exc_info=exc_info)

    def report(self) -> dict:
        return self.health.report() | {"alerts_waiting": self.told.waiting}


def watch_all(
    stations: list[Station], output: Path, plan: Cameras, stopped: threading.Event
) -> None:
    """Runs all cameras, and beats and thins meanwhile."""
    threads = [
        threading.Thread(target=station.run, args=(stopped,), name=station.name, daemon=True)
        for station in stations
    ]
    for thread in threads:
        thread.start()
    log.info("cameras: %d are watched; %s has how they are", len(stations), output / STATUS)
    folders, thinned = [output / station.name for station in stations], -THINNING
    while not stopped.is_set() and any(thread.is_alive() for thread in threads):
        beat(stations, output)
        if time.monotonic() - thinned > THINNING:
            thinned = time.monotonic()
            thin(folders, plan.keep.days, plan.keep.gigabytes)
        end = time.monotonic() + plan.heartbeat
        while time.monotonic() < end and any(thread.is_alive() for thread in threads):
            if stopped.wait(min(POLL, plan.heartbeat)):
                break
    end = time.monotonic() + ENDING
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    beat(stations, output)


def beat(stations: list[Station], output: Path) -> None:
    """Writes status.json, and tells the brokers."""
    reports = {station.name: station.report() for station in stations}
    for station in stations:
        station.told.beat(reports[station.name])
    now = words.time_of_day(time.time())
    with suppress(OSError, InputError), store.replacing(output / STATUS) as path:
        path.write_text(json.dumps({"time": now, "cameras": reports}, indent=1) + "\n")
