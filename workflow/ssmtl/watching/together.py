"""Several streams that share one detector and one model: what they bring at a time is one batch."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ssmtl.learning import model as models
from ssmtl.scoring.objects import ScoringModel

CUBES = 1024  # in one batch of the model, unless a single stream brings more


@dataclass
class Request:
    """What one caller has brought, and what became of it."""

    items: Sequence
    size: int
    results: Sequence | None = None
    failure: BaseException | None = None
    taken: bool = False  # whether somebody runs it

    @property
    def done(self) -> bool:
        return self.results is not None or self.failure is not None


@dataclass
class Together:
    """A function of many items for callers in several threads.

    While one batch runs, what others bring waits, and becomes the next batch: nobody waits for
    company, and the busier it is, the larger are the batches.

    run: takes a list of items and gives as many results; most: size of all items of a batch, unless
    one caller alone brings more; parallel: batches that run at the same time; size: of an item.
    """

    run: Callable[[list], Sequence]
    most: int
    parallel: int = 1
    size: Callable[[Any], int] = lambda item: 1
    waiting: list[Request] = field(default_factory=list)
    running: int = 0
    changed: threading.Condition = field(default_factory=threading.Condition)

    def __call__(self, items: Sequence) -> Sequence:
        """The results of these items, in order; raises what `run` raised for their batch."""
        own = Request(items, sum(map(self.size, items)))
        with self.changed:
            self.waiting.append(own)
        while batch := self.next_batch(own):
            self.answer(batch)
        if own.failure:
            raise own.failure
        return own.results or []

    def next_batch(self, own: Request) -> list[Request]:
        """The requests that this caller is to run; none once its own is answered."""
        with self.changed:
            while not own.done and (own.taken or self.running >= self.parallel):
                self.changed.wait()
            if own.done:
                return []
            batch: list[Request] = []
            total = 0
            for request in list(self.waiting):
                if batch and total + request.size > self.most:
                    break
                self.waiting.remove(request)
                request.taken = True
                batch.append(request)
                total += request.size
            self.running += 1
            return batch

    def answer(self, batch: list[Request]) -> None:
        """Runs the items of some requests as one batch."""
        results: Sequence = []
        failure: BaseException | None = None
        try:
            results = self.run([item for request in batch for item in request.items])
        except BaseException as error:
            failure = error
        with self.changed:
            start = 0
            for request in batch:
                request.failure = failure
                request.results = results[start : start + len(request.items)]
                start += len(request.items)
            self.running -= 1
            self.changed.notify_all()


class SharedModel:
    """A scoring model for the streams of several threads, called as `ScoringModel` is."""

    def __init__(self, model: "ScoringModel | SharedModel"):
        self.inner = model
        self.model: models.Model = model.model
        self.tasks: list[str] = model.tasks
        self.together = Together(self._run, CUBES, size=lambda item: len(item[0]))

    def __call__(
        self, cubes: np.ndarray | Tensor, targets: dict[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        return self.together([(cubes, targets)])[0]

    def _run(self, brought: list[tuple]) -> list[dict[str, np.ndarray]]:
        if len(brought) == 1:
            return [self.inner(*brought[0])]
        cubes = torch.cat([torch.as_tensor(cubes) for cubes, _ in brought])
        names = list(brought[0][1])
        targets = {n: np.concatenate([each[n] for _, each in brought]) for n in names}
        found = self.inner(cubes, targets)
        ends = np.cumsum([len(cubes) for cubes, _ in brought])[:-1]
        parts = {name: np.split(values, ends) for name, values in found.items()}
        return [{name: parts[name][i] for name in parts} for i in range(len(brought))]
