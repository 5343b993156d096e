"""`ssmtl learn`: a watcher from a folder of normal video, made by the pipeline.

Snakemake runs the stages in a folder of their own, so that a killed run goes on where it was, and
a second one with other settings repeats only what these change.
"""

import logging
import math
import os
import re
import shutil
import sys
from pathlib import Path
from statistics import median
from typing import NamedTuple

import yaml

from ssmtl import config as config_tree
from ssmtl.core import store
from ssmtl.core.errors import InputError
from ssmtl.core.machine import with_cache
from ssmtl.core.pipeline import pipeline_folder, shipped
from ssmtl.core.progress import clock
from ssmtl.datasets.clips import Clip, clips_in, left_out, source_size
from ssmtl.formats.watcher import CARD
from ssmtl.media import polygons
from ssmtl.planning.volume import Footage
from ssmtl.stages.manifest import probe
from ssmtl.stages.settings import Detect
from ssmtl.watching import work as pipeline
from ssmtl.watching.accepted import renew
from ssmtl.watching.folder import digest, read_watcher, scorer_of, threshold, write_normal
from ssmtl.watching.likeness import write_normal_objects
from ssmtl.watching.normal import kept_back, normal_scores
from ssmtl.watching.settings import Watch

log = logging.getLogger(__name__)

DEFAULTS = Path(__file__).with_name("learn.yaml")
# Settings that may be given in seconds, and the fewest frames that they can be.
TIMED = {"cubes": ("radius", "max_gap"), "evaluate": ("sigma", "filter_size", "follow")}
LEAST = {"radius": 1, "max_gap": 2, "filter_size": 1}
TARGET = f"results/footage/watcher/own/seed0/{CARD}"


def learn(
    folder: Path,
    output: Path,
    *,
    detect: Detect,
    changes: Path | None,
    ignore: str | None,
    fps: float | None,
    image_fps: float,
    cores: str,
    false_alarms_per_hour: float,
) -> None:
    """Writes a watcher to `output`, learnt from the videos and folders of images in `folder`.

    detect: settings of the detector; changes: a YAML file with sections of the config that win over
    learn.yaml; ignore: polygons; fps: frames per second that are used of faster video, None for
    all; image_fps: of folders of images. Raises InputError for a folder without clips, for
    unusable settings, and where a stage fails.
    """
    asked = {"false_alarms_per_hour": false_alarms_per_hour, "image_fps": image_fps}
    settings = Watch.parse(asked, "learn")
    filmed = usable(folder, image_fps, fps)
    config = configuration(detect, changes, ignore, fps, image_fps, rate_of(filmed))
    least = 2 * config_tree.settings(config, "cubes", "footage")["radius"] + 1
    filmed = [each for each in filmed if long_enough(each, least)]
    if not filmed:
        raise InputError(f"{folder}: none of the clips in it can be learnt from; add longer ones")
    work, clips = output / "work", [each.clip for each in filmed]
    reserved = kept_back(clips)
    learnt = [clip for clip in clips if clip not in reserved]
    say_footage(folder, filmed, reserved, work)
    with store.locked(work):
        link_clips(work / "footage" / "train", learnt)
        (work / "config.yaml").write_text(yaml.safe_dump(config))
        stages = say_expected(config, filmed, reserved, image_fps, cores)
        if pipeline.run(command_in(work, cores), with_cache(work / ".cache"), stages):
            raise InputError(f"{folder}: learning stopped, for the reason above")
        for path in (work / TARGET).parent.iterdir():
            with store.replacing(output / path.name) as temporary:
                shutil.copyfile(path, temporary)
        set_threshold(output, reserved, work, settings)
        renew(output)
        threshold(output, false_alarms_per_hour=false_alarms_per_hour)
    size = sum(path.stat().st_size for path in (work / "results").rglob("*") if path.is_file())
    log.info(
        "%s is ready (%s may be deleted, %.2f GB, or kept to learn again); now\n"
        "  ssmtl watch --model %s VIDEO",
        *(output, work, size / 1e9, output),
    )


def command_in(work: Path, cores: str) -> list[str]:
    """What makes a watcher in a folder that has its configuration and its clips."""
    command = [sys.executable, "-m", "snakemake"]
    command += ["--snakefile", str(pipeline_folder() / "Snakefile")]
    command += ["--directory", str(work), "--cores", cores, "--quiet", "rules", "progress"]
    return [*command, "--nolock", "--rerun-incomplete", "--", TARGET]


class Filmed(NamedTuple):
    """A clip of normal video: the frames that are used of it, and how many a second."""

    clip: Clip
    frames: int
    fps: float
    pixels: int  # of a frame
    share: float  # of the clip's frames that is used

    @property
    def hours(self) -> float:
        return self.frames / self.fps / 3600


def usable(folder: Path, image_fps: float, fps: float | None) -> list[Filmed]:
    """The clips of a folder that can be read; of others it is said that they are passed over.

    image_fps: of folders of images; fps: frames per second that are used, None for all.
    """
    if not (clips := clips_in(folder, "train")):
        raise InputError(
            f"{folder}: no video and no folder of images here; put normal video of your camera in"
        )
    if names := left_out(folder):
        log.warning("%s: left out, no video by their names: %s", folder, names)
    found = []
    for clip in clips:
        try:
            frames, rate, width, height = probe(Path(clip.source), image_fps)
        except InputError as error:
            log.warning("%s; it is passed over", error)
            continue
        used = min(rate, fps or rate)
        count = math.ceil(frames * used / rate)
        found.append(Filmed(clip, count, used, width * height, used / rate))
    return found


def long_enough(filmed: Filmed, least: int) -> bool:
    """Whether a clip has at least so many frames; otherwise it is said."""
    if filmed.frames < least:
        log.warning(
            "%s: %d frames are fewer than the %d of one cube; it is passed over",
            *(filmed.clip.source, filmed.frames, least),
        )
    return filmed.frames >= least


def rate_of(filmed: list[Filmed]) -> float:
    """Frames per second that a model is learnt at: those that most clips have."""
    return median(each.fps for each in filmed) if filmed else 25.0


def say_footage(folder: Path, filmed: list[Filmed], reserved: list[Clip], work: Path) -> None:
    """How much there is to learn from, and how much of it is kept back."""
    back = sum(each.hours for each in filmed if each.clip in reserved)
    log.info(
        "%s: %.2f hours in %d clips, %d frames used at %.3g a second; %d clips (%.2f hours) are "
        "kept back for the threshold; everything on the way is in %s",
        *(folder, sum(each.hours for each in filmed), len(filmed)),
        *(sum(each.frames for each in filmed), rate_of(filmed), len(reserved), back, work),
    )


def say_expected(
    config: dict, filmed: list[Filmed], reserved: list[Clip], image_fps: float, cores: str
) -> pipeline.Stages:
    """What learning will take of disk and time; returns what tells how far it is."""
    learnt = [each for each in filmed if each.clip not in reserved]
    sources = [Path(each.clip.source) for each in learnt]
    sizes = [source_size(source)[1] for source in sources]
    footage = Footage(
        len(learnt),
        sum(each.frames for each in learnt),
        round(sum(size * each.share for size, each in zip(sizes, learnt, strict=True))),
        max(each.pixels for each in learnt),
        all(source.is_dir() and any(source.glob("*.jp*g")) for source in sources),
    )
    held_out = sum(each.frames for each in filmed) - footage.frames
    seconds, size = pipeline.expected(config, footage, held_out, str(sources[0]), image_fps, cores)
    log.info("expected: %s and %.2f GB of disk", clock(sum(seconds.values())), size)
    return pipeline.Stages(seconds)


def in_frames(sections: dict[str, dict], rate: float) -> None:
    """Turns windows, sigmas and radii that are given in seconds, such as 0.4s, into frames.

    So a model means the same at another rate. A filter's side stays odd.
    """
    for section, keys in TIMED.items():
        for key in keys:
            value = sections.get(section, {}).get(key)
            if not isinstance(value, str):
                continue
            if not re.fullmatch(r"\d+(\.\d+)?s", value):
                raise InputError(f"{section}.{key}: {value!r} is neither frames nor such as 0.4s")
            frames = float(value[:-1]) * rate
            if key == "filter_size":
                frames = 2 * round((frames - 1) / 2) + 1
            rounded = max(LEAST.get(key, 0), round(frames))
            sections[section][key] = frames if key == "sigma" else rounded


def configuration(
    detect: Detect,
    changes: Path | None,
    ignore: str | None,
    fps: float | None,
    image_fps: float,
    rate: float,
) -> dict:
    """The configuration of the pipeline, checked: one data set of normal video, one model.

    rate: frames per second that are learnt from.
    """
    sections = yaml.safe_load(DEFAULTS.read_text())
    try:
        given = yaml.safe_load(changes.read_text()) or {} if changes else {}
    except (OSError, yaml.YAMLError) as error:
        raise InputError(f"{changes}: no readable YAML ({error})") from error
    if unknown := [name for name in given if name not in sections]:
        raise InputError(
            f"{changes}: section '{unknown[0]}' is none of {', '.join(sections)}; the detector is "
            "chosen by options"
        )
    for name, values in given.items():
        sections[name] |= values
    sections["frames"] = {"fps": fps}
    in_frames(sections, rate)
    if ignore:
        sections["cubes"]["ignore"] = polygons.read(ignore)
    detect = detect.with_files(lambda _, name: found(name))
    own = {stage: sections.pop(stage) for stage in ("train", "score", "evaluate")}
    data = {"reader": "videos", "path": "footage", "splits": ["train"], "models": ["own"]}
    config = {
        "run": {"datasets": ["footage"]},
        "models": {"own": own},
        "datasets": {
            "footage": data | {"fps": image_fps, "detect": detect.model_dump()} | sections
        },
    }
    config_tree.check(config)
    return config


def found(name: str) -> str:
    """A file's absolute path, since the stages run elsewhere; a name that is no file as it is."""
    name = shipped(name)
    return str(Path(name).resolve()) if Path(name).is_file() else name


def link_clips(folder: Path, clips: list[Clip]) -> None:
    """A folder that holds links to these clips, and nothing that it held before."""
    if folder.is_symlink():  # as version 0.1 made it
        folder.unlink()
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        path.unlink()
    for clip in clips:
        source = Path(clip.source).resolve()
        os.symlink(source, folder / Path(clip.source).name, target_is_directory=source.is_dir())


def set_threshold(output: Path, reserved: list[Clip], work: Path, settings: Watch) -> None:
    """Lets a watcher's threshold come from clips that nothing was learnt from, where there are any.

    Otherwise it keeps those that calibrated the scores, and a line says so. settings: the
    section watch.
    """
    stages, *_ = read_watcher(output)
    if reserved:
        mark = digest(output)
        scorer = scorer_of(output, stages)
        found = list(normal_scores(reserved, scorer, settings, work / "normal", mark))
        if found:
            write_normal(output, [clip for clip, _ in found])
            write_normal_objects(output, [objects for _, objects in found])
    else:
        log.warning(
            "fewer than three clips: the threshold comes from video that also chose the weights "
            "and the calibration, so expect more false alarms; add clips"
        )
