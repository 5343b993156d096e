"""Commands for cameras and files: learn what is normal, watch for what is not."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from ssmtl.cli.program import WATCHING, command
from ssmtl.cli.values import FLAG

if TYPE_CHECKING:
    from ssmtl.watching.settings import Detector, Watch


@command(WATCHING, "ssmtl.watching.learn:learn")
def learn(
    folder: Path,
    /,
    *,
    output: Path,
    changes: Annotated[Path | None, Parameter("--config")] = None,
    ignore: str | None = None,
    fps: float | None = None,
    image_fps: float = 25.0,
    cores: str = "all",
    false_alarms_per_hour: float = 1.0,
    detect: "Detector",
) -> None:
    """Learn from a folder of normal video, and write a watcher.

    Args:
        folder: Videos, or folders of images.
        output: Folder to write, which `watch` takes as its model.
        changes: YAML file with sections of the config to change.
        ignore: Polygons to ignore, 10,20 90,20 90,60; ..., or a JSON file.
        fps: Frames per second that are used of faster video, here and in watching.
        image_fps: Frames per second of folders of images.
        cores: CPU cores to use.
        false_alarms_per_hour: Events an hour that normal video may raise.
    """


@command(WATCHING, "ssmtl.watching.watch:watch")
def watch(
    source: str,
    /,
    *,
    model: Path,
    output: Path = Path("events"),
    name: str | None = None,
    on_event: str | None = None,
    mqtt: str | None = None,
    notify: tuple[str, ...] = (),
    scores: Annotated[bool, FLAG] = False,
    settings: "Watch",
) -> None:
    """Watch a video file, a folder, a stream's URL or a camera device, and write its events.

    Args:
        source: What to watch. env:NAME takes a URL from an environment variable, file:PATH from a
            file, so that its password is not among the machine's processes.
        model: Folder that `learn` wrote.
        output: Folder for the events, new, empty or to be continued.
        name: What the camera is called in alerts.
        on_event: Program to run when an event begins and when it ends, with its arguments; it gets
            the event as JSON on standard input, and as SSMTL_KIND (begin or end), SSMTL_SENTENCE,
            SSMTL_SNAPSHOT and SSMTL_CLIP.
        mqtt: Broker to tell, mqtt://[user:password@]host[:port] or mqtts://...; Home Assistant
            finds the camera by itself. Better env:NAME or file:PATH, as for the source.
        notify: Addresses of mail, webhooks, Telegram and others, in Apprise's form; better env:NAME
            or file:PATH.
        scores: Write every object's and frame's score too.
    """


@command(WATCHING, "ssmtl.watching.folder:threshold")
def threshold(model: Path, /, *, false_alarms_per_hour: float | None = None) -> None:
    """Tell what a model's threshold promises, or set it anew without learning.

    Args:
        model: Folder that `learn` wrote.
        false_alarms_per_hour: Events an hour that normal video may raise, from now on.
    """


@command(WATCHING, "ssmtl.watching.accepted:normal")
def normal(
    output: Path,
    /,
    *events: int,
    model: Path | None = None,
    undo: Annotated[bool, FLAG] = False,
    listed: Annotated[bool, FLAG, Parameter("--list")] = False,
) -> None:
    """Accept events that were normal after all, so that their like is no alarm; no training.

    Args:
        output: Folder with the events, which `watch` wrote.
        events: Their numbers.
        model: Folder that `learn` wrote, where it is not the one that the events were found with.
        undo: Take them back.
        listed: List what was accepted, and when.
    """


@command(WATCHING, "ssmtl.watching.cameras:cameras")
def cameras(file: Path, /) -> None:
    """Watch all cameras of a file in one process, and tell of their events.

    Args:
        file: YAML file with the cameras, their models, and who is told.
    """
