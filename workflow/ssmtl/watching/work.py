"""The pipeline as `ssmtl learn` runs it: what it will take, and one line for how far it is."""

import functools
import logging
import re
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from itertools import islice

from ssmtl import config as config_tree
from ssmtl import detection
from ssmtl.core.device import chosen_device, one_torch_thread
from ssmtl.core.progress import clock
from ssmtl.planning import volume
from ssmtl.stages.detect import limits_of
from ssmtl.stages.settings import Detect
from ssmtl.watching import sources
from ssmtl.watching.settings import Watch

log = logging.getLogger(__name__)

SAMPLE = 8  # pictures by which the detector's speed is measured
# What Snakemake says of itself, and how the stages tell that they go on and have ended.
NOISE = re.compile(
    r"(Assuming unrestricted shared|SNAKEMAKE|=====|  [A-Z]\w+( \w+)?(\(s\))?: |"
    r"Building DAG of jobs|Using shell: |Conda environments: |Select jobs to execute|"
    r"Execute \d+ jobs|manifest: done in|"
    r"Shutting down|stage  +jobs|\w+ +\d+ +[\d:.]+ (s|min|h)$|Complete log|Elapsed time: ).*|\s*"
)
GOING = re.compile(r"(\w+)( \(\d+ frames\))?: (\d+) of (\d+)\b.*")
ENDED = re.compile(r"(\w+): done in .*")
# The sizes that `volume.RATES` were measured at.
TEACHER, CROP = 224, 64
READ = ("detect", "cubes", "teachers", "train")  # settings that decide how long it takes


def expected(
    config: dict, footage: volume.Footage, held_out: int, source: str, image_fps: float, cores: str
) -> tuple[dict[str, float], float]:
    """Seconds of each stage, in their order, and the GB that all take on the disk.

    footage: that is learnt from; held_out: frames that the threshold is chosen from; source: a
    clip, on which the detector's speed and the objects of a frame are measured.
    """
    device, units = volume.device_and_units()
    units = int(cores) if device == "cpu" and cores.isdigit() else units
    settings = {s: config_tree.settings(config, s, "footage", "own") for s in READ}
    seconds, objects = sampled(settings["detect"], source, image_fps)
    shares = volume.plan(config, "footage", {"train": footage}, objects, device, units)
    found = {share.stage: 3600 * share.hours for share in shares}
    smaller = (settings["cubes"]["size"] / CROP) ** 2
    found["detect"] = footage.frames * seconds / units
    found["teachers"] *= (settings["teachers"]["resnet_size"] / TEACHER) ** 2
    found["train"] *= smaller
    scoring = objects / volume.RATES[device]["score"] * smaller  # seconds a frame
    calibrating = (settings["train"]["calibration"] or 0) * footage.frames / units
    found["calibrate"] = calibrating * scoring
    found["watcher"] = calibrating * (seconds + scoring)
    found["threshold"] = held_out * (seconds + scoring) / units
    return found, sum(share.gigabytes for share in shares)


def sampled(detect: dict, source: str, image_fps: float) -> tuple[float, float]:
    """Seconds that the detector takes for a frame on one core, and the objects in one.

    detect: its settings.
    """
    settings = Detect.parse(detect)
    detector = detection.load_configured(settings, chosen_device())
    watching = Watch.parse({"image_fps": image_fps})
    segment = next(sources.segments(source, watching, threading.Event()))
    pictures = [frame.picture for frame in islice(segment.frames, SAMPLE)]
    with one_torch_thread():
        detection.detect(detector, pictures[:1], **limits_of(settings))
        start = time.monotonic()
        found = detection.detect(detector, pictures, **limits_of(settings))
    taken = (time.monotonic() - start) / len(pictures)
    return taken, sum(map(len, found)) / len(pictures)


class Stages:
    """How far a run of the pipeline is, from the lines that it prints."""

    def __init__(self, seconds: dict[str, float]):
        """seconds: that each stage is expected to take, in their order."""
        self.seconds, self.names = seconds, list(seconds)
        self.now, self.share = 0, 0.0  # the stage that goes on, and how much of it is done
        self.start, self.first = time.monotonic(), 0

    def told(self, line: str) -> str | None:
        """What a line of the pipeline becomes: None for what nobody wants to read."""
        going, ended = GOING.fullmatch(line), ENDED.fullmatch(line)
        found = going or ended
        name = found[1] if found else ""
        if name not in self.names:
            return None if NOISE.fullmatch(line) else line
        place = self.names.index(name)
        if place > self.now and not self.done():
            self.first = place  # those before it had been done before this run
        self.now = place
        self.share = int(going[3]) / int(going[4]) if going else 1.0
        what = f"{going[3]} of {going[4]}" if going else "done"
        seconds = self.left()
        left = "" if seconds is None else f"; {clock(seconds)} left"
        return f"stage {self.now + 1} of {len(self.names)}, {name}: {what}{left}"

    def done(self) -> float:
        """Seconds that what this run has done was expected to take."""
        expected = [self.seconds[name] for name in self.names]
        return sum(expected[self.first : self.now]) + self.share * expected[self.now]

    def left(self) -> float | None:
        """Seconds that are left, at the pace of this run."""
        done, expected = self.done(), [self.seconds[name] for name in self.names]
        rest = (1 - self.share) * expected[self.now] + sum(expected[self.now + 1 :])
        return rest * (time.monotonic() - self.start) / done if done > 0 else None


def run(command: Sequence[str], environment: dict, stages: Stages) -> int:
    """Runs the pipeline and says how far it is; returns its exit status.

    A run that is stopped ends its jobs first.
    """
    with subprocess.Popen(
        command,
        env=environment | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        # Started in the background, as by nohup, we may ignore it, and what we start would too.
        preexec_fn=functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    ) as process:
        try:
            for line in process.stdout or ():
                if said := stages.told(line.rstrip("\n")):
                    log.info("%s", said)
        except BaseException:
            process.send_signal(signal.SIGINT)  # which Ctrl-C, but not SIGTERM, has sent already
            process.wait()
            raise
    return process.returncode
