"""Settings of watching. Marks as in docs/methods.md."""

from typing import Annotated

from pydantic import Field

from ssmtl.core.settings import Above, Changes, Duration, Name, Settings, Share
from ssmtl.evaluation.settings import Evaluate
from ssmtl.scoring.settings import Score
from ssmtl.stages.settings import Cubes, Detect, Features, Frames


class Scoring(Settings):
    """What a watcher keeps of the configuration that it was made with."""

    frames: Frames = Field(default_factory=Frames)
    detect: Detect = Field(default_factory=Detect)
    cubes: Cubes = Field(default_factory=Cubes)
    features: Features = Field(default_factory=Features)
    score: Score = Field(default_factory=Score)
    evaluate: Evaluate = Field(default_factory=Evaluate)


class Detector(Detect):
    """The detector of `ssmtl learn`: as elsewhere, but small and current by default."""

    weights: str = Field("yolo11n.pt", description="Weights by name or path.")


class Watch(Settings):
    """Options of `ssmtl watch`, given on its command line; no rule reads them."""

    respelt = {  # noqa: RUF012
        "threshold": (0, "null, to have it chosen"),
        "ignore": ("", "null"),
        "give_up": (0, "null, for never"),
    }
    renamed = {"fps": "image_fps, of folders of images"}  # noqa: RUF012

    false_alarms_per_hour: Above | None = Field(
        None,
        description=(
            "Events an hour that normal video may raise; the threshold is chosen by it, from the "
            "normal clips held out of training [D]. null for what the model was told by "
            "`ssmtl learn` or `ssmtl threshold`, 1 by default."
        ),
    )
    threshold: Share | None = Field(
        None, description="Frame score above which an event goes on; null to have it chosen."
    )
    settle: Duration | None = Field(
        None,
        description=(
            "So much video, such as 24h or 90m, after which the threshold is chosen from what was "
            "seen, as if all of it were normal; until then it is the learnt one. null for never."
        ),
    )
    before: float = Field(3.0, ge=0, description="Seconds before an event in its clip.")
    after: float = Field(
        3.0,
        ge=0,
        description="Seconds below the threshold that end an event; its clip goes on so long.",
    )
    clip_limit: float = Field(
        60.0,
        gt=0,
        description="Seconds that a clip has at most, however long its event goes on.",
    )
    ignore: str | None = Field(
        None,
        description=(
            "Polygons to ignore beside those that were ignored in learning, "
            '"10,20 90,20 90,60; ...", x,y in pixels, or a JSON file, [[[x, y], ...], ...].'
        ),
    )
    image_fps: float = Field(25.0, gt=0, description="Frames per second of folders of images.")
    timeout: float = Field(
        10.0,
        gt=0,
        description="Seconds without a picture after which a live source is connected again.",
    )
    give_up: Above | None = Field(
        600.0,
        description=(
            "Seconds of vain attempts to connect again that end watching; null for never."
        ),
    )


class Tell(Settings):
    """Who is told of events; addresses as such, or as env:NAME or file:PATH."""

    on_event: str | None = Field(
        None, description="Program, with arguments, run when an event begins and when it ends."
    )
    mqtt: str | None = Field(
        None, description="Broker, mqtt://[user:password@]host[:port] or mqtts://..."
    )
    notify: list[str] = Field([], description="Addresses of services, in Apprise's form.")


class Keep(Settings):
    """How long clips and snapshots are kept; the oldest go first, and lines always stay."""

    days: Above | None = Field(None, description="Days that they are kept; null for ever.")
    gigabytes: Above | None = Field(
        None, description="Gigabytes of all cameras together; null for no limit."
    )


class Camera(Settings):
    """A camera of `ssmtl cameras`."""

    source: str = Field(
        description=(
            "A stream's URL, a device, a file or a folder; env:NAME and file:PATH hide a URL."
        )
    )
    model: str | None = Field(
        None, description="Folder that `learn` wrote; that of all cameras where not given."
    )
    watch: Annotated[Watch, Changes] = Field(
        default_factory=Watch, description="Options of `ssmtl watch` that differ for this camera."
    )


class Cameras(Settings):
    """The file of `ssmtl cameras`: any number of cameras, watched by one process."""

    model: str | None = Field(None, description="Folder that `learn` wrote, for all cameras.")
    output: str = Field("events", description="Folder for the events, with one for each camera.")
    watch: Annotated[Watch, Changes] = Field(
        default_factory=Watch, description="Options of `ssmtl watch` for all cameras."
    )
    tell: Tell = Field(default_factory=Tell, description=Tell.__doc__)
    keep: Keep = Field(default_factory=Keep, description=Keep.__doc__)
    heartbeat: float = Field(
        10.0,
        gt=0,
        description="Seconds between two writings of status.json, and messages to the broker.",
    )
    cameras: Annotated[dict[Name, Camera], Field(min_length=1)] = Field(
        description="The cameras by their names, which alerts, folders and topics have."
    )
