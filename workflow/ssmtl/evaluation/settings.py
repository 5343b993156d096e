"""Settings of frame scores and metrics, and of what compares them. Marks as in docs/methods.md."""

from typing import Annotated, Any, Literal, get_args

from pydantic import Field

from ssmtl.core.errors import InputError
from ssmtl.core.settings import Above, Changes, Distinct, Name, Odd, Settings
from ssmtl.learning.settings import Train
from ssmtl.scoring.settings import Fusion, Score

Border = Literal["zero", "replicate"]  # what a filter in time sees beyond a clip's ends
BORDERS: tuple[str, ...] = get_args(Border)


class Evaluate(Settings):
    """Frame scores and their metrics."""

    cell: int = Field(
        2, ge=1, description="Side of a cell of the anomaly map in source pixels [D]."
    )
    filter_size: Odd = Field(
        9, description="Side of the 3D mean filter in cells and frames, odd [M]."
    )
    follow: int = Field(
        0,
        ge=0,
        description=(
            "Frames on both sides that an object is followed to, its score being the mean over "
            "its way: a filter that stays inside the object, with filter_size 1 [D]; 0 for none."
        ),
    )
    sigma: float = Field(
        21.0, ge=0, description="Sigma of the temporal Gaussian, in frames [A]; 0 smooths nothing."
    )
    smoothing: Literal["gaussian", "causal"] = Field(
        "gaussian",
        description=(
            "The whole Gaussian [A], or its half that looks back, as a stream that is scored as "
            "it comes needs it (causal) [D]."
        ),
    )
    border: Border = Field(
        "zero",
        description="Beyond a clip's ends the Gaussian sees 0 (`zero` [A]) or the end value.",
    )


class Measure(Settings):
    """What `ssmtl measure` does to scores before they are measured, and which alarms it counts."""

    normalise: Literal["clip", "all"] | None = Field(
        None, description="Min-max to 0 to 1, per clip or over all; null leaves scores as they are."
    )
    smoothing: Literal["gaussian", "causal"] | None = Field(
        None, description="Smoothing of frame scores in time; null for none."
    )
    sigma: Annotated[float, Field(ge=0)] | None = Field(
        None, description="Sigma of the smoothing, in frames."
    )
    border: Border = Field("zero", description="What the smoothing sees beyond a clip's ends.")
    threshold: float | None = Field(None, description="Count alarms above this frame score.")
    fps: Above | None = Field(None, description="Frames per second, for alarms per hour.")
    pause: float = Field(3.0, ge=0, description="Seconds below the threshold that end an alarm.")

    def completed(self, place: str) -> "Measure":
        """The same; InputError where half of something is said."""
        if bool(self.smoothing) != bool(self.sigma):
            raise InputError("smoothing and sigma (frames) go together; give both, or neither")
        if self.threshold is not None and self.fps is None:
            raise InputError("a threshold counts alarms per hour: give fps, the frames per second")
        return self


class ModelChanges(Settings):
    """What a model, or a variant of one, changes."""

    train: Annotated[Train, Changes] = Field(
        default_factory=Train, description="Changes to the training."
    )
    score: Annotated[Score, Changes] = Field(
        default_factory=Score, description="Changes to the object scores."
    )
    evaluate: Annotated[Evaluate, Changes] = Field(
        default_factory=Evaluate, description="Changes to the frame scores."
    )


class Ablation(Settings):
    """What `results/{dataset}/ablation.html` compares; each variant is a model."""

    respelt = {"model": ("", "null, for the data set's first")}  # noqa: RUF012

    model: str | None = Field(
        None,
        description="The model whose parts are taken away; null for the data set's first.",
    )
    seeds: Annotated[list[Annotated[int, Field(ge=0)]], Distinct] = Field(
        [0, 1, 2],
        min_length=1,
        description="Every variant is trained and evaluated once per seed.",
    )
    groups: Annotated[list[Literal["only", "without", "encoders", "options"]], Distinct] = Field(
        ["only", "without", "encoders", "options"],
        description=(
            "Beside the full set, every task alone (only), the full set minus one (without), the "
            "encoders, and the named variants (options)."
        ),
    )
    encoders: dict[Name, dict[str, Any]] = Field(
        {
            "shallow_narrow": {"depth": "shallow", "width": "narrow"},
            "shallow_wide": {"depth": "shallow", "width": "wide"},
            "deep_narrow": {"depth": "deep", "width": "narrow"},
            "deep_wide": {"depth": "deep", "width": "wide"},
        },
        description="Sizes of the encoder that are compared, its options by a name, four [P].",
    )
    train: Annotated[Train, Changes] = Field(
        default_factory=Train,
        description=(
            "Changes to the training of all variants and of the full set, such as a small "
            "cubes_seen for a reduced form on CPUs; the page says so."
        ),
    )
    variants: dict[Name, Annotated[ModelChanges, Changes]] = Field(
        {},
        description=("Named variants and what each changes, for instance one option switched off."),
    )


class Point(Evaluate):
    """The settings in use, beside which the sensitivity varies some."""

    fusion: Fusion = Field("mean", description="The combination of the task scores in use.")


class Sensitivity(Settings):
    """Grids of `results/{dataset}/sensitivity.html`, each with the configured value added. Nothing
    is chosen by it."""

    fusion: Annotated[list[Fusion], Distinct] = Field(
        ["mean", "ecdf", "fisher", "evidence"], description="Combinations of the task scores."
    )
    cell: Annotated[list[Annotated[int, Field(ge=1)]], Distinct] = Field(
        [2, 4, 8],
        description="Sides of the map's cells in source pixels; 1 costs four times as much as 2.",
    )
    filter_size: Annotated[list[Odd], Distinct] = Field(
        [1, 5, 9, 13],
        description="Sides of the 3D mean filter in cells and frames, odd; 1 is no filter.",
    )
    sigma: Annotated[list[Annotated[float, Field(ge=0)]], Distinct] = Field(
        [0.0, 5.0, 10.0, 15.0, 21.0, 30.0, 40.0],
        description="Sigmas of the temporal Gaussian, in frames.",
    )
    border: Annotated[list[Border], Distinct] = Field(
        ["zero", "replicate"], description="Border rules of the temporal Gaussian."
    )
