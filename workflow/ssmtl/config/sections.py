"""The configuration as one class: what to run, the sections of the stages, models and data sets."""

from typing import Annotated, Any, Literal

from pydantic import Field

from ssmtl.core.settings import Changes, Count, Distinct, Name, Settings
from ssmtl.evaluation.settings import Ablation, Evaluate, ModelChanges, Sensitivity
from ssmtl.learning.settings import Train
from ssmtl.scoring.settings import Score
from ssmtl.stages.settings import Cubes, Detect, Features, Frames, Images, Teachers
from ssmtl.watching.settings import Watch

DEFAULT_MODEL = "paper"  # the preset that there is where a configuration names none

SECTIONS: dict[str, type[Settings]] = {
    "frames": Frames,
    "detect": Detect,
    "cubes": Cubes,
    "teachers": Teachers,
    "features": Features,
    "images": Images,
    "train": Train,
    "score": Score,
    "evaluate": Evaluate,
    "ablation": Ablation,
    "sensitivity": Sensitivity,
    "watch": Watch,
}

PATH = (
    "Folder of the data set, data/{name} where it is not given; `${NAME}` in it is an environment "
    "variable, `${NAME:-folder}` one with what is taken where it is not set."
)

Seeds = Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1), Distinct]


def changes(section: type[Settings]) -> Any:
    """The field of a layer: the keys of a section that it changes."""
    about = f"Changes to the section `{section.__name__.lower()}`."
    return Field(default_factory=section, description=about)


class Run(Settings):
    """What `snakemake` builds without a target."""

    datasets: list[str] = Field(["demo"], description="Names of data sets, keys of `datasets`.")
    compared: list[str] = Field(
        [], description="Further data sets for the comparison page, results/summary.html."
    )
    seeds: Seeds = Field([0], description="One model is trained and evaluated per seed.")


class Shards(Settings):
    """Into how many files each split is divided, for clusters."""

    train: Count = Field(1, description="Files of the training split.")
    test: Count = Field(1, description="Files of the test split.")


class FrameCounts(Settings):
    """Frames that each split has in all."""

    train: Count | None = Field(None, description="Frames of the training split.")
    test: Count | None = Field(None, description="Frames of the test split.")


class BoxFiles(Settings):
    """CSV files of boxes, by split."""

    train: str | None = Field(None, description="Boxes of the training split.")
    test: str | None = Field(None, description="Boxes of the test split.")


class Dataset(Settings):
    """A data set of video. It may change any key of any stage's section."""

    renamed = {"direct": "from_frames"}  # noqa: RUF012

    reader: str = Field(
        description="How the files are laid out; a file in workflow/ssmtl/datasets/video."
    )
    path: str | None = Field(None, description=PATH)
    options: dict[str, Any] = Field(
        {},
        description="Options of the reader, such as `variant` of ucsd or the numbers of demo "
        "scenes.",
    )
    exclude: list[str] = Field([], description="Names of clips to leave out.")
    shards: Shards = Field(
        default_factory=Shards,
        description="Into how many files each split is divided, for clusters.",
    )
    expected_frames: FrameCounts | None = Field(
        None,
        description=(
            "Frames that each split must have in all; the reader's published counts if not given."
        ),
    )
    allow_partial: bool = Field(
        False,
        description=(
            "Accept a data set with other frame counts than expected; the report says so."
        ),
    )
    fps: float = Field(
        25.0, gt=0, description="Frames per second of clips that are folders of images."
    )
    from_frames: bool = Field(
        False,
        description=(
            "Score test clips straight from their frames: their cubes and class probabilities are "
            "not stored, and made anew for every model."
        ),
    )
    splits: Annotated[list[Literal["train", "test"]], Field(min_length=1), Distinct] = Field(
        ["train", "test"],
        description="Splits that it has; [train] to learn a watcher from normal video alone.",
    )
    boxes: BoxFiles = Field(
        default_factory=BoxFiles,
        description="CSV files of boxes per split, for the imported detector.",
    )
    models: Annotated[list[str], Field(min_length=1)] = Field(
        [DEFAULT_MODEL], description="Names of the models to train and evaluate, keys of `models`."
    )
    released: dict[str, str] = Field(
        {},
        description=(
            "Folders of released models, by the model's name. They are taken instead of training, "
            "and the data set needs no training clips; all of its models must be named."
        ),
    )
    published: Literal["avenue", "shanghaitech", "ped2"] | None = Field(
        None, description="Which published results the report shows beside ours."
    )
    notes: list[str] = Field([], description="Sentences that the report shows with the results.")
    frames: Annotated[Frames, Changes] = changes(Frames)
    detect: Annotated[Detect, Changes] = changes(Detect)
    cubes: Annotated[Cubes, Changes] = changes(Cubes)
    teachers: Annotated[Teachers, Changes] = changes(Teachers)
    features: Annotated[Features, Changes] = changes(Features)
    train: Annotated[Train, Changes] = changes(Train)
    score: Annotated[Score, Changes] = changes(Score)
    evaluate: Annotated[Evaluate, Changes] = changes(Evaluate)
    ablation: Annotated[Ablation, Changes] = changes(Ablation)
    sensitivity: Annotated[Sensitivity, Changes] = changes(Sensitivity)


class ImageDataset(Settings):
    """A data set of pictures. It may change any key of the images, features, train and score
    sections."""

    respelt = {"classes": ([], "null, for all")}  # noqa: RUF012

    reader: str = Field(
        description="How the files are laid out; a file in workflow/ssmtl/datasets/images."
    )
    path: str | None = Field(None, description=PATH)
    options: dict[str, Any] = Field(
        {}, description="Options of the reader, such as `name` of torchvision."
    )
    models: Annotated[list[str], Field(min_length=1), Distinct] = Field(
        ["fine_grained", "shape", "rotation"],
        description="Names of the models to train, keys of `models`; the first is the method.",
    )
    seeds: Seeds = Field(
        [0], description="One model is trained and scored per normal class and seed."
    )
    classes: Annotated[list[str], Field(min_length=1), Distinct] | None = Field(
        None, description="Normal classes of one_vs_all; null for all."
    )
    others: Annotated[list[str], Distinct] = Field(
        [],
        description="Image data sets whose test pictures are the anomalies of out_of_distribution.",
    )
    notes: list[str] = Field([], description="Sentences that the pages show with the results.")
    images: Annotated[Images, Changes] = changes(Images)
    features: Annotated[Features, Changes] = changes(Features)
    train: Annotated[Train, Changes] = changes(Train)
    score: Annotated[Score, Changes] = changes(Score)


class Config(Settings):
    """Everything that config.yaml may say."""

    run: Run = Field(default_factory=Run, description="What `snakemake` builds without a target.")
    seed: Annotated[int, Field(ge=0)] | None = Field(
        None,
        description=(
            "For the command line, `--config seed=3`; replaces run.seeds, the seeds of image data "
            "sets and those of demo scenes."
        ),
    )
    frames: Frames = Field(default_factory=Frames, description=Frames.__doc__)
    detect: Detect = Field(default_factory=Detect, description=Detect.__doc__)
    cubes: Cubes = Field(default_factory=Cubes, description=Cubes.__doc__)
    teachers: Teachers = Field(default_factory=Teachers, description=Teachers.__doc__)
    features: Features = Field(default_factory=Features, description=Features.__doc__)
    images: Images = Field(default_factory=Images, description=Images.__doc__)
    train: Train = Field(default_factory=Train, description=Train.__doc__)
    score: Score = Field(default_factory=Score, description=Score.__doc__)
    evaluate: Evaluate = Field(default_factory=Evaluate, description=Evaluate.__doc__)
    ablation: Ablation = Field(default_factory=Ablation, description=Ablation.__doc__)
    sensitivity: Sensitivity = Field(default_factory=Sensitivity, description=Sensitivity.__doc__)
    watch: Watch = Field(default_factory=Watch, description=Watch.__doc__)
    models: dict[Name, ModelChanges] = Field(
        default_factory=lambda: {DEFAULT_MODEL: ModelChanges()},
        description=(
            "Named models. Each may change any key of the train, score and evaluate sections."
        ),
    )
    datasets: dict[Name, Dataset] = Field(
        description="Named data sets. Each may change any key of any stage's section."
    )
    image_datasets: dict[Name, ImageDataset] = Field(
        {},
        description=(
            "Named image data sets, none of them named as one of `datasets`. Each may change any "
            "key of the images, features, train and score sections."
        ),
    )
