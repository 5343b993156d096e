"""Settings of training. Marks as in docs/methods.md."""

from typing import Annotated, Literal

from pydantic import Field

from ssmtl.core.settings import Distinct, Settings


class Train(Settings):
    """Joint training of the proxy tasks."""

    tasks: Annotated[list[str], Distinct] = Field(
        ["arrow_of_time", "motion_irregularity", "middle_box", "distillation"],
        min_length=1,
        description="Proxy tasks, files in workflow/ssmtl/learning/tasks.",
    )
    encoder: str = Field(
        "cnn3d",
        description=(
            "Shared encoder, a file in workflow/ssmtl/learning/encoders; wideresnet is for "
            "pictures."
        ),
    )
    wideresnet: str = Field("16-4", description="Depth and width of the encoder wideresnet [P].")
    depth: Literal["shallow", "deep"] = Field(
        "shallow", description="Depth of the encoder cnn3d [P]."
    )
    width: Literal["narrow", "wide"] = Field(
        "narrow", description="Width of the encoder cnn3d [P]."
    )
    epochs: int = Field(30, ge=1, description="Passes over the training objects [M].")
    cubes_seen: int = Field(
        0, ge=0, description="Objects seen in training, in place of epochs; 0 to use epochs."
    )
    batch: int = Field(256, ge=2, description="Objects in a batch [M].")
    optimiser: Literal["adam", "sgd"] = Field(
        "adam", description="adam [M] or sgd, with Nesterov's momentum."
    )
    momentum: float = Field(0.9, ge=0, lt=1, description="Momentum of sgd; adam has none of it.")
    weight_decay: float = Field(0.0, ge=0, description="Weight decay of all weights.")
    learning_rate: float = Field(
        0.001, gt=0, description="Learning rate at the start of the run [M]."
    )
    schedule: Literal["constant", "cosine"] = Field(
        "constant", description="Learning rate over the run, constant [M] or cosine."
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto",
        description=(
            "Precision of the convolutions in training; auto is bfloat16 on GPUs and on CPUs that "
            "have instructions for it, else float32."
        ),
    )
    flip: bool = Field(
        False,
        description="Mirror half of the cubes left to right, but for the distillation's crop.",
    )
    distillation_weight: float = Field(
        0.5,
        ge=0,
        description="Weight of the distillation loss in the total; the others have 1 [M].",
    )
    jigsaw_permutations: int = Field(
        3,
        ge=2,
        le=1000,
        description="Orders of the pieces that the jigsaw tells apart, 3 by a public note.",
    )
    jigsaw_margin: float = Field(
        0.2,
        ge=0,
        lt=1,
        description=(
            "Largest margin that the jigsaw leaves on a side of a piece, over the cell's side; at "
            "most 6 pixels."
        ),
    )
    validation: float = Field(
        0.15,
        gt=0,
        lt=1,
        description=(
            "Share of the training clips or pictures held out to choose the best weights [M]."
        ),
    )
    calibration: float = Field(
        0.0,
        ge=0,
        lt=1,
        description=(
            "Share of the training clips or pictures that calibrates the scores and chose neither "
            "weights nor memory [D]; 0 calibrates with those of `validation`."
        ),
    )
    validations: int = Field(30, ge=1, description="Evenly spaced validations in a run.")
    checkpoint_steps: int = Field(
        100,
        ge=1,
        description="Steps between resumable states, beside those at every validation.",
    )
