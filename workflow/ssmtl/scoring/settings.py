"""Settings of object scores. Marks as in docs/methods.md."""

from typing import Literal

from pydantic import Field

from ssmtl.core.settings import Engine, Precision, Settings


class Score(Settings):
    """Object scores."""

    batch: int = Field(256, ge=1, description="Cubes scored at once.")
    precision: Precision = "auto"
    engine: Engine = "auto"
    fusion: Literal["mean", "ecdf", "fisher"] = Field(
        "mean",
        description=(
            "Combined score: mean of the task scores [P]; or, with F the share of normal objects "
            "of the held-out training clips that score lower, mean of F (ecdf) or of -log(1 - F) "
            "(fisher) [D]."
        ),
    )
    distillation_reduction: Literal["mean", "sum"] = Field(
        "mean", description="How the distillation's score reduces the classes, mean [M] or sum."
    )
