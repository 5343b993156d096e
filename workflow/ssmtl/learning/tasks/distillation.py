"""Distillation: from the middle crop alone, predict what two teachers say of it [P].

Teachers: a frozen network's last layer before the softmax (ResNet-50's 1000 values) and the
detector's class probabilities [P, sizes M]. Loss: L1 [M], a mean over the network's outputs,
standardised by their training statistics, plus a mean over the class probabilities [D]: one mean
over all 1,080 values would drown the 80. The score is the absolute difference on the class
probabilities only, so that the network is not run at inference [P].
"""

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from ssmtl.core.errors import InputError
from ssmtl.core.settings import Settings
from ssmtl.learning.settings import TaskOptions
from ssmtl.learning.tasks.base import Batch, Shapes, Task, Views, classifier

LOGITS = 1000


class Options(TaskOptions):
    """Options of training the distillation."""

    weight: float = Field(0.5, ge=0, description="Weight of the task's loss in the total [M].")


class ScoreOptions(Settings):
    """Options of the distillation's score."""

    reduction: Literal["mean", "sum"] = Field(
        "mean", description="How the classes are reduced to one score, mean [M] or sum."
    )


class Distillation(Task):
    options: "Options"
    score_options: "ScoreOptions"
    head: nn.Module
    mean: Tensor
    deviation: Tensor

    name = "distillation"
    sees = "the content"
    Options = Options
    ScoreOptions = ScoreOptions

    def __init__(self, shapes: Shapes):
        super().__init__(shapes)
        self.head = classifier(shapes.channels, shapes.side, LOGITS + shapes.classes)
        self.register_buffer("mean", torch.zeros(LOGITS))
        self.register_buffer("deviation", torch.ones(LOGITS))

    def fit(self, targets: dict[str, Tensor]) -> None:
        if "logits" not in targets:
            raise InputError("train.tasks: distillation needs teachers, and pictures have none")
        values = targets["logits"].double()
        if values.shape[1] != LOGITS:
            raise InputError(
                f"teachers.resnet: a network of {values.shape[1]} outputs; distillation takes one "
                f"for ImageNet's {LOGITS} classes"
            )
        self.mean.copy_(values.mean(0))
        # A constant output carries nothing: dividing by 1 leaves it at zero after centring.
        deviation = values.std(0, correction=0)
        self.deviation.copy_(torch.where(deviation > 1e-6, deviation, 1.0))

    def views(self, batch: Batch) -> Views:
        return {"middle": batch.as_seen}

    test_views = views

    def made(self, batch: Batch) -> tuple[Views, Batch]:
        """The crop turned by a quarter, as no object of the scene stands."""
        return {"middle": lambda: batch.as_seen().rot90(1, (3, 4))}, batch

    def student(self, features: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Predictions: the network's standardised outputs (B, 1000), class probabilities (B, C)."""
        output = self.head(features["middle"]).float()
        return output[:, :LOGITS], output[:, LOGITS:]

    def loss(self, features: dict[str, Tensor], batch: Batch) -> Tensor:
        logits, probabilities = self.student(features)
        teacher = (batch.targets["logits"] - self.mean) / self.deviation
        loss = (logits - teacher).abs().mean()
        return loss + (probabilities - batch.targets["class_probs"]).abs().mean()

    def score(self, features: dict[str, Tensor], batch: Batch) -> Tensor:
        _, probabilities = self.student(features)
        # Differences beyond a probability's range are the student's, not the object's.
        difference = (probabilities.clamp(0, 1) - batch.targets["class_probs"]).abs()
        if self.score_options.reduction == "sum":
            return difference.sum(1).clamp(max=1)
        return difference.mean(1)
