"""Settings of watching. Marks as in docs/methods.md."""

from pydantic import Field

from ssmtl.core.settings import Above, Duration, Settings, Share
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
