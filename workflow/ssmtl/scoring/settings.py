"""Settings of object scores. Marks as in docs/methods.md."""

from typing import Any, Literal

from pydantic import Field

from ssmtl.core.settings import Engine, Precision, Settings

Fusion = Literal["mean", "summed", "ecdf", "fisher", "evidence"]
PLAIN = ("mean", "summed")  # fusions of the task scores as they are: these need no calibration


class Score(Settings):
    """Object scores."""

    renamed = {  # noqa: RUF012
        "distillation_reduction": "score.task_options, {distillation: {reduction: mean}}"
    }

    batch: int = Field(256, ge=1, description="Cubes scored at once.")
    precision: Precision = "auto"
    engine: Engine = "auto"
    fusion: Fusion = Field(
        "mean",
        description=(
            "Combined score: mean of the task scores [P]; the same with a task's transformations "
            "summed before, so that rotation has 4 parts of 13 (summed); or, with F the share of "
            "normal objects of the held-out training clips that score lower, mean of F (ecdf) or "
            "of -log(1 - F) (fisher), or the quadratic mean of saturating -log(1 - F), weighted by "
            "how well each task tells anomalies made of normal objects (evidence) [D]."
        ),
    )
    task_options: dict[str, dict[str, Any]] = Field(
        {},
        description=(
            "Options of the tasks' scores that differ from their defaults, by the task's name; "
            "what there are stands in the task's file, and below."
        ),
    )

    @classmethod
    def upgraded(cls, values: dict) -> dict:
        values = super().upgraded(values)
        if "distillation_reduction" in values:
            reduction = values.pop("distillation_reduction")
            values["task_options"] = {"distillation": {"reduction": reduction}}
        return values

    def completed(self, place: str) -> "Score":
        """With all options of all tasks' scores."""
        from ssmtl.learning import options

        at = f"{place}." if place else ""
        found = options.TASKS.completed(
            options.TASKS.names(), self.task_options, f"{at}task_options", "ScoreOptions"
        )
        return self.model_copy(update={"task_options": found})
