"""Streams that share a detector and a model: each gets its own results, in batches of all."""

import threading
import time

import numpy as np
import pytest
import torch

from ssmtl.watching.together import SharedModel, Together


def in_threads(count: int, action) -> list:
    results = [None] * count

    def run(number: int) -> None:
        try:
            results[number] = action(number)
        except Exception as error:
            results[number] = error

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive(), "a caller waits for ever"
    return results


@pytest.mark.parametrize("parallel", [1, 2])
def test_everybody_gets_what_is_theirs_in_common_batches(parallel):
    sizes, running, most_running = [], [], []

    def run(items: list) -> list:
        running.append(1)
        most_running.append(len(running))
        sizes.append(len(items))
        time.sleep(0.005)
        running.pop()
        return [item * item for item in items]

    together = Together(run, 12, parallel)

    def many(number: int) -> bool:
        rng = np.random.default_rng(number)
        for _ in range(30):
            items = rng.integers(0, 1000, rng.integers(1, 5)).tolist()
            assert together(items) == [item * item for item in items]
        return True

    assert in_threads(8, many) == [True] * 8
    assert max(sizes) > 4 and max(sizes) <= 12, "batches hold what several brought, not more"
    assert max(most_running) <= parallel
    assert together.running == 0 and not together.waiting


def test_one_that_brings_more_than_a_batch_is_served_alone():
    assert Together(lambda items: items[::1], 3)(list(range(10))) == list(range(10))
    assert Together(lambda items: items, 3)([]) == []


def test_a_failure_reaches_those_of_its_batch_and_nobody_after():
    def run(items: list) -> list:
        if "bad" in items:
            raise ValueError("bad")
        return items

    together = Together(run, 100)
    with pytest.raises(ValueError, match="bad"):
        together(["good", "bad"])
    assert together(["good"]) == ["good"]


class Model:
    """A model whose scores tell which rows they are of."""

    model, tasks = None, ["sum", "first"]

    def __init__(self):
        self.sizes = []

    def __call__(self, cubes, targets):
        self.sizes.append(len(cubes))
        time.sleep(0.01)
        total = cubes.float().sum((1, 2)).numpy()
        return {"sum": total, "first": targets["class_probs"][:, 0]}


def test_a_shared_model_scores_cubes_of_several_streams_at_once():
    inner = Model()
    shared = SharedModel(inner)

    def stream(number: int) -> bool:
        rng = np.random.default_rng(number)
        for size in rng.integers(1, 6, 10):
            cubes = torch.from_numpy(rng.integers(0, 255, (size, 3, 4)).astype(np.uint8))
            probs = rng.random((size, 2)).astype(np.float32)
            found = shared(cubes, {"class_probs": probs})
            assert (found["sum"] == cubes.float().sum((1, 2)).numpy()).all()
            assert (found["first"] == probs[:, 0]).all()
        return True

    assert in_threads(6, stream) == [True] * 6
    assert max(inner.sizes) > 5
