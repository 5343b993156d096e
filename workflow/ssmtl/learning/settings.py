"""Settings of training. Marks as in docs/methods.md."""

from typing import Annotated, Any, Literal

from pydantic import Field

from ssmtl.core.settings import Count, Distinct, Settings


class TaskOptions(Settings):
    """What every proxy task can be told; a task's own options stand in its file."""

    weight: float = Field(1.0, ge=0, description="Weight of the task's loss in the total.")


class MemoryOptions(TaskOptions):
    """What tasks that compare with normal objects can be told."""

    memory: int = Field(
        2000,
        ge=1,
        description=(
            "Normal objects, evenly spaced over the training clips, that are compared with [D]."
        ),
    )
    neighbours: int = Field(
        5,
        ge=1,
        description="Nearest of them, the mean distance to which is an object's score [D].",
    )


class Train(Settings):
    """Joint training of the proxy tasks."""

    renamed = {  # noqa: RUF012
        "wideresnet": "train.encoder_options, {depth: 16, widen: 4} for 16-4",
        "depth": "train.encoder_options, {depth: shallow}",
        "width": "train.encoder_options, {width: narrow}",
        "distillation_weight": "train.task_options, {distillation: {weight: 0.5}}",
        "jigsaw_permutations": "train.task_options, {jigsaw: {permutations: 3}}",
        "jigsaw_margin": "train.task_options, {jigsaw: {margin: 0.2}}",
    }
    respelt = {  # noqa: RUF012
        "cubes_seen": (0, "null, to use epochs"),
        "calibration": (0, "null, to calibrate with those of `validation`"),
    }

    tasks: Annotated[list[str], Distinct] = Field(
        ["arrow_of_time", "motion_irregularity", "middle_box", "distillation"],
        min_length=1,
        description="Proxy tasks, files in workflow/ssmtl/learning/tasks.",
    )
    task_options: dict[str, dict[str, Any]] = Field(
        {},
        description=(
            "Options of tasks that differ from their defaults, by the task's name; what there are "
            "stands in the task's file, and below."
        ),
    )
    encoder: str = Field(
        "cnn3d",
        description=(
            "Shared encoder, a file in workflow/ssmtl/learning/encoders; wideresnet is for "
            "pictures."
        ),
    )
    encoder_options: dict[str, Any] = Field(
        {},
        description=(
            "Options of the encoder that differ from their defaults; what there are stands in the "
            "encoder's file, and below. A layer that names another encoder begins with its "
            "defaults."
        ),
    )
    epochs: int = Field(30, ge=1, description="Passes over the training objects [M].")
    cubes_seen: Count | None = Field(
        None, description="Objects seen in training, in place of epochs; null to use epochs."
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
    validation: float = Field(
        0.15,
        gt=0,
        lt=1,
        description=(
            "Share of the training clips or pictures held out to choose the best weights [M]."
        ),
    )
    calibration: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        None,
        description=(
            "Share of the training clips or pictures that calibrates the scores and chose neither "
            "weights nor memory [D]; null calibrates with those of `validation`."
        ),
    )
    validations: int = Field(30, ge=1, description="Evenly spaced validations in a run.")
    checkpoint_steps: int = Field(
        100,
        ge=1,
        description="Steps between resumable states, beside those at every validation.",
    )

    def completed(self, place: str) -> "Train":
        """With all options of the tasks in use and of the encoder."""
        from ssmtl.learning import options

        at = f"{place}." if place else ""
        for name in self.tasks:
            options.TASKS.known(name, f"{at}tasks")
        options.ENCODERS.known(self.encoder, f"{at}encoder")
        return self.model_copy(
            update={
                "task_options": options.TASKS.completed(
                    self.tasks, self.task_options, f"{at}task_options", default=TaskOptions
                ),
                "encoder_options": options.ENCODERS.parsed(
                    self.encoder, self.encoder_options, f"{at}encoder_options"
                ),
            }
        )
