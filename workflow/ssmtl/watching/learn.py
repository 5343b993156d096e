"""`ssmtl learn`: a watcher from a folder of normal video, made by the pipeline.

Snakemake runs the stages in a folder of their own, so that a killed run goes on where it was, and
a second one with other settings repeats only what these change.
"""

import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from ssmtl import config as config_tree
from ssmtl.core import store
from ssmtl.core.errors import InputError
from ssmtl.core.machine import with_cache
from ssmtl.core.pipeline import pipeline_folder, shipped
from ssmtl.datasets.clips import Clip, clips_in, left_out
from ssmtl.formats.watcher import CARD
from ssmtl.media import polygons
from ssmtl.stages.manifest import probe
from ssmtl.watching.accepted import renew
from ssmtl.watching.folder import digest, read_watcher, scorer_of, threshold, write_normal
from ssmtl.watching.likeness import write_normal_objects
from ssmtl.watching.normal import kept_back, normal_scores
from ssmtl.watching.settings import Watch

log = logging.getLogger(__name__)

DEFAULTS = Path(__file__).with_name("learn.yaml")
TARGET = f"results/footage/watcher/own/seed0/{CARD}"


def learn(
    folder: Path,
    output: Path,
    *,
    detect: dict,
    changes: Path | None,
    ignore: str | None,
    fps: float,
    cores: str,
    false_alarms_per_hour: float,
) -> None:
    """Writes a watcher to `output`, learnt from the videos and folders of images in `folder`.

    detect: settings of the detector; changes: a YAML file with sections of the config that win over
    learn.yaml; ignore: polygons; fps: of folders of images. Raises InputError for a folder without
    clips, for unusable settings, and where a stage fails.
    """
    asked = {"false_alarms_per_hour": false_alarms_per_hour, "fps": fps}
    values = Watch.parse(asked, "learn").model_dump()
    if not (clips := clips_in(folder, "train")):
        raise InputError(
            f"{folder}: no video and no folder of images here; put normal video of your camera in"
        )
    work = output / "work"
    config = configuration(detect, changes, ignore, fps)
    if names := left_out(folder):
        log.warning("%s: left out, no video by their names: %s", folder, names)
    least = 2 * config_tree.settings(config, "cubes", "footage")["radius"] + 1
    unusable = unusable_clips(clips, least)
    usable = [clip for clip in clips if clip.name not in unusable]
    if not usable:
        raise InputError(f"{folder}: none of the clips in it can be learnt from; add longer ones")
    reserved = kept_back(usable)
    learnt = [clip for clip in usable if clip not in reserved]
    log.info(
        "learning from %d of the %d clips in %s, %d are kept back for the threshold; everything on "
        "the way is in %s",
        *(len(learnt), len(clips), folder, len(reserved), work),
    )
    with store.locked(work):
        link_clips(work / "footage" / "train", learnt)
        (work / "config.yaml").write_text(yaml.safe_dump(config))
        command = [
            sys.executable,
            "-m",
            "snakemake",
            "--snakefile",
            str(pipeline_folder() / "Snakefile"),
        ]
        command += ["--directory", str(work), "--cores", cores, "--quiet", "rules", "progress"]
        command += ["--nolock", "--rerun-incomplete", "--", TARGET]
        if subprocess.run(command, env=with_cache(work / ".cache")).returncode:
            raise InputError(f"{folder}: learning stopped, for the reason above")
        for path in (work / TARGET).parent.iterdir():
            with store.replacing(output / path.name) as temporary:
                shutil.copyfile(path, temporary)
        set_threshold(output, reserved, work, values)
        renew(output)
        threshold(output, false_alarms_per_hour=false_alarms_per_hour)
    size = sum(path.stat().st_size for path in (work / "results").rglob("*") if path.is_file())
    log.info(
        "%s is ready (%s may be deleted, %.2f GB, or kept to learn again); now\n"
        "  ssmtl watch --model %s VIDEO",
        *(output, work, size / 1e9, output),
    )


def unusable_clips(clips: list[Clip], least: int) -> list[str]:
    """The names of clips that cannot be read or have fewer frames than one cube, each of them said.

    least: frames that a clip must have.
    """
    unusable = []
    for clip in clips:
        try:
            frames = probe(Path(clip.source), fps=1.0).frames
        except InputError as error:
            log.warning("%s; it is passed over", error)
            unusable.append(clip.name)
            continue
        if frames < least:
            log.warning(
                "%s: %d frames are fewer than the %d of one cube; it is passed over",
                *(clip.source, frames, least),
            )
            unusable.append(clip.name)
    return unusable


def configuration(detect: dict, changes: Path | None, ignore: str | None, fps: float) -> dict:
    """The configuration of the pipeline, checked: one data set of normal video, one model."""
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
    if ignore:
        sections["cubes"]["ignore"] = polygons.read(ignore)
    files = {key: found(detect[key]) for key in ("weights", "cfg", "names")}
    own = {stage: sections.pop(stage) for stage in ("train", "score", "evaluate")}
    data = {"reader": "videos", "path": "footage", "splits": ["train"], "models": ["own"]}
    config = {
        "run": {"datasets": ["footage"]},
        "models": {"own": own},
        "datasets": {"footage": data | {"fps": fps, "detect": detect | files} | sections},
    }
    config_tree.check(config)
    return config


def found(name: str | None) -> str | None:
    """A file's absolute path, since the stages run elsewhere; a name that is no file as it is."""
    if name is None:
        return None
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


def set_threshold(output: Path, reserved: list[Clip], work: Path, values: dict) -> None:
    """Lets a watcher's threshold come from clips that nothing was learnt from, where there are any.

    Otherwise it keeps those that calibrated the scores, and a line says so. values: the section
    watch.
    """
    stages, *_ = read_watcher(output)
    if reserved:
        mark = digest(output)
        scorer = scorer_of(output, stages)
        found = list(normal_scores(reserved, scorer, values, work / "normal", mark))
        if found:
            write_normal(output, [clip for clip, _ in found])
            write_normal_objects(output, [objects for _, objects in found])
    else:
        log.warning(
            "fewer than three clips: the threshold comes from video that also chose the weights "
            "and the calibration, so expect more false alarms; add clips"
        )
