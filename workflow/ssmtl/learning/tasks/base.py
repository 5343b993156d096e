"""What a proxy task is: its name, views and targets, head, loss and anomaly score.

The learner, the scorer, the ablation and the report know the list of tasks and nothing more.
A new task is a new file in this folder with one subclass of `Task`, and its name in the config.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ssmtl.core.errors import InputError
from ssmtl.core.settings import Settings
from ssmtl.learning.distributed import BatchNorm2d
from ssmtl.learning.settings import TaskOptions
from ssmtl.media.blocks import mixed

Views = dict[str, Callable[[], Tensor]]


@dataclass(frozen=True)
class Shapes:
    """What a task needs to know to build its head."""

    channels: int  # of the encoder's feature map
    side: int  # of the encoder's feature map; 1 where it has taken the mean over the picture
    pools: int  # spatial poolings of the encoder; 0 where it keeps no picture
    radius: int  # t: the cube of frame i spans i-t..i+t
    max_gap: int  # largest gap of an intermittent cube
    classes: int  # of the detector whose probabilities are distilled
    options: dict[str, dict] = field(default_factory=dict)  # `train.task_options`
    score_options: dict[str, dict] = field(default_factory=dict)  # `score.task_options`


@dataclass
class Batch:
    """Cubes on the device, and what tasks make views and targets from.

    cubes uint8 (B, L, S, S, 3) RGB; valid int64 (B, 2), the part [start, stop) of the L frames
    that exists; draws: per task float64 (B,), uniform in [0, 1), a function of seed, epoch and
    sample only; targets: the teachers' outputs, float32 (B, ...), and in scoring what tasks have
    measured, float32 (B, D); mirrored bool (B,): cubes that
    `frames` mirrors left to right.
    """

    cubes: Tensor
    valid: Tensor
    draws: dict[str, Tensor] = field(default_factory=dict)
    targets: dict[str, Tensor] = field(default_factory=dict)
    mirrored: Tensor | None = None

    @property
    def middle(self) -> int:
        return self.cubes.shape[1] // 2

    def frames(self, index: Tensor) -> Tensor:
        """Frames picked from each cube: index int64 (T,) or (B, T) -> float (B, 3, T, S, S)."""
        index = index.to(self.cubes.device)
        if index.ndim == 1:
            picked = self.cubes[:, index]  # (B, T, S, S, 3)
        else:
            picked = self.cubes[torch.arange(len(index), device=index.device)[:, None], index]
        if self.mirrored is not None:
            picked[self.mirrored] = picked[self.mirrored].flip(3)
        # The strides of this permutation are torch's channels-last format: nothing is copied.
        return picked.permute(0, 4, 1, 2, 3).float().div_(255)

    @cached_property
    def picture(self) -> Tensor:
        """The middle crop, mirrored or not, float (B, 3, 1, S, S)."""
        return self.frames(torch.tensor([self.middle]))

    def as_seen(self) -> Tensor:
        """The middle crop, never mirrored, as the teachers saw it: float (B, 3, 1, S, S)."""
        seen = replace(self, mirrored=None)
        return seen.frames(torch.tensor([self.middle]))

    def consecutive(self, radius: int) -> Tensor:
        """The gapless cube, float (B, 3, 2 * radius + 1, S, S)."""
        return self.frames(torch.arange(self.middle - radius, self.middle + radius + 1))


class Task(nn.Module):
    """A proxy task. Views of one name are made and encoded once, whichever tasks ask for them."""

    name: str
    # What it can be told for training, and for scoring. A task's own classes have the names
    # `Options` and `ScoreOptions` in its file, and need nothing there but pydantic and typing:
    # they are read without torch.
    Options: type[TaskOptions] = TaskOptions
    ScoreOptions: type[Settings] = Settings
    trained: bool = True  # whether it has views to learn from and a loss
    measured: tuple[str, ...] = ()  # the rows of features.h5 that it is fitted to and scores
    made_rows: tuple[str, ...] = ()  # those that its made anomalies need beside them
    count: int = 1  # views that its score is a mean over
    sees: str = ""  # tasks that judge by the same evidence share one weight; "" for its own

    def __init__(self, shapes: Shapes):
        super().__init__()
        self.shapes = shapes
        place = f"task_options.{self.name}"
        self.options = self.Options.parse(shapes.options.get(self.name, {}), f"train.{place}")
        given = shapes.score_options.get(self.name, {})
        self.score_options = self.ScoreOptions.parse(given, f"score.{place}")

    def fit(self, targets: dict[str, Tensor]) -> None:
        """Sees the training split's teacher outputs (N, ...) once, before training.

        And what it has `measured` of some of these objects, evenly spaced, (M, D).
        """

    def judged(self, targets: dict[str, Tensor]) -> dict[str, Tensor]:
        """What it judges objects by beside their cubes, (N, D) by name, from what is measured."""
        return {name: targets[name] for name in self.measured}

    def views(self, batch: Batch) -> Views:
        """Names and makers of the training views, each float (B, 3, T, S, S) in [0, 1]."""
        raise NotImplementedError

    def usable(self, batch: Batch) -> Tensor:
        """Which samples the loss is a mean over, bool (B,)."""
        return torch.ones(len(batch.cubes), dtype=torch.bool, device=batch.cubes.device)

    def loss(self, features: dict[str, Tensor], batch: Batch) -> Tensor:
        """The mean loss of the usable samples, from the features (B, C, side, side) of their views.

        Without any such sample it may be anything.
        """
        raise NotImplementedError

    def test_views(self, batch: Batch) -> Views:
        """The views that the anomaly score needs; of the gapless cube only."""
        raise NotImplementedError

    def made(self, batch: Batch) -> tuple[Views, Batch] | None:
        """Anomalies made of a batch of normal objects, of the kind that this task is there to see.

        The views under the names of `test_views`, and the batch to score them with; None for a task
        that makes none. How well its score tells them from the objects is its weight in fusion.
        """
        return None

    def score(self, features: dict[str, Tensor], batch: Batch) -> Tensor:
        """Anomaly scores in [0, 1], float (B,); higher is more anomalous."""
        raise NotImplementedError


def classifier(channels: int, side: int, outputs: int) -> nn.Sequential:
    """The head of the classification and distillation tasks, (B, C, side, side) -> (B, outputs).

    Convolution 3x3 with 32 filters, batch norm, ReLU, 2x2 max-pool, linear [P]; linear alone
    where the encoder leaves one value per channel [P of the image system].
    """
    if side == 1:
        return nn.Sequential(nn.Flatten(), nn.Linear(channels, outputs))
    return nn.Sequential(
        nn.Conv2d(channels, 32, 3, padding=1, bias=False),
        BatchNorm2d(32),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(32 * (side // 2) ** 2, outputs),
    )


class TwoViews(Task):
    """A task that tells the gapless cube (class 0) from an altered one (class 1)."""

    altered: str  # the altered view's name
    sees = "the order of frames"

    def __init__(self, shapes: Shapes):
        super().__init__(shapes)
        if not shapes.radius:
            raise InputError(
                f"train.tasks: {self.name} needs cubes of several frames, and these have one"
            )
        self.head = classifier(shapes.channels, shapes.side, 2)

    def alter(self, batch: Batch) -> Tensor:
        """The altered cube, float (B, 3, T, S, S)."""
        raise NotImplementedError

    def views(self, batch: Batch) -> Views:
        return {**self.test_views(batch), self.altered: lambda: self.alter(batch)}

    def loss(self, features: dict[str, Tensor], batch: Batch) -> Tensor:
        logits = self.head(torch.cat((features["consecutive"], features[self.altered])))
        count = len(batch.cubes)
        label = torch.arange(2, device=logits.device).repeat_interleave(count)
        loss = F.cross_entropy(logits.float(), label, reduction="none")
        # Samples without an altered view leave both classes, so that these stay balanced.
        weight = self.usable(batch).float().repeat(2)
        return (loss * weight).sum() / weight.sum().clamp(min=1)

    def test_views(self, batch: Batch) -> Views:
        return {"consecutive": lambda: batch.consecutive(self.shapes.radius)}

    def made(self, batch: Batch) -> tuple[Views, Batch]:
        return {"consecutive": lambda: self.alter(batch)}, batch

    def score(self, features: dict[str, Tensor], batch: Batch) -> Tensor:
        return self.head(features["consecutive"]).float().softmax(1)[:, 1]


class Transformed(Task):
    """A task that tells which of `count` transformations a picture went through.

    The loss is the sum of the cross-entropies over all transformations; the score is 1 - the
    mean probability of the true one over all of them [P].
    """

    sees = "the picture"
    plain: bool = True  # whether transformation 0 leaves the picture as it is

    def __init__(self, shapes: Shapes):
        super().__init__(shapes)
        self.head = self.build_head(shapes)

    def build_head(self, shapes: Shapes) -> nn.Module:
        """From the features (B, C, side, side) of a view to its logits, by default (B, count)."""
        return classifier(shapes.channels, shapes.side, self.count)

    def transform(self, picture: Tensor, number: int, batch: Batch) -> Tensor:
        """The picture (B, 3, 1, S, S) after transformation `number`, of the same shape."""
        raise NotImplementedError

    def names(self) -> list[str]:
        """The views' names by transformation; the plain picture is one view for all tasks."""
        names = [f"{self.name}_{number}" for number in range(self.count)]
        return ["picture", *names[1:]] if self.plain else names

    def views(self, batch: Batch) -> Views:
        def make(number: int) -> Tensor:
            return self.transform(batch.picture, number, batch)

        return {name: partial(make, number) for number, name in enumerate(self.names())}

    test_views = views

    def made(self, batch: Batch) -> tuple[Views, Batch]:
        """Each object mixed with the next one of the batch: nearly normal, and of no kind."""
        batch = replace(batch, cubes=mixed(batch.cubes))
        return self.test_views(batch), batch

    def logits(self, features: dict[str, Tensor]) -> Tensor:
        """Of all transformed pictures, float (count, B, count)."""
        joined = torch.cat([features[name] for name in self.names()])
        return self.head(joined).float().unflatten(0, (self.count, -1))

    def loss(self, features: dict[str, Tensor], batch: Batch) -> Tensor:
        logits = self.logits(features)
        label = torch.arange(self.count, device=logits.device).repeat_interleave(len(batch.cubes))
        return self.count * F.cross_entropy(logits.flatten(0, 1), label)

    def score(self, features: dict[str, Tensor], batch: Batch) -> Tensor:
        found = self.logits(features).softmax(2)
        true = torch.stack([found[number, :, number] for number in range(self.count)], 1)
        return 1 - true.mean(1)  # of (B, count)
