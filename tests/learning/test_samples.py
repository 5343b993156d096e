"""The order of samples and the batches: what a resumed or a streamed run may not change."""

import made_files
import numpy as np
import pytest
import torch

from ssmtl.learning import samples as data

WHERE = torch.device("cpu")


@pytest.fixture
def samples(tmp_path):
    """Two shards, five clips, 90 cubes whose pixels say which one they are."""
    rng = np.random.default_rng(0)
    paths, number = ([], []), 0
    for shard, counts in enumerate([(30, 0, 17), (1, 42)]):
        cubes, teachers = (tmp_path / f"{kind}{shard}.h5" for kind in ("cubes", "teachers"))
        clips = {}
        for clip, count in enumerate(counts):
            which = np.arange(number, number + count)
            number += count
            pixels = np.broadcast_to(which[:, None, None, None, None], (count, 5, 4, 4, 3))
            clips[f"{shard}{clip}"] = {
                "cubes": pixels.astype(np.uint8),
                "logits": rng.random((count, 1000), dtype=np.float32),
                "class_probs": (which[:, None] / 100).astype(np.float32),
            }
        settings = {"size": 4, "radius": 1, "max_gap": 2}
        made_files.write_cubes(cubes, teachers, clips, settings)
        paths[0].append(cubes)
        paths[1].append(teachers)
    with data.Samples(*paths) as found:
        yield found


def epoch(samples, share, seed=3, number=0, skip=0, size=8):
    loader = data.Loader(samples, WHERE, share)
    assert (loader.resident is None) == (share == 0)
    pools = data.epoch_order(np.arange(len(samples)), seed, number)
    numbers = data.draws(len(samples), seed, number, ["arrow_of_time"])
    return list(loader.batches(pools, size, numbers, skip))


def which(batch):
    return batch.cubes[:, 0, 0, 0, 0].tolist()


@pytest.mark.parametrize("pool", [32, 64, 4096])
def test_streaming_gives_the_batches_that_memory_gives(samples, monkeypatch, pool):
    monkeypatch.setattr(data, "POOL", pool)
    monkeypatch.setattr(data, "BLOCK", 8)
    resident, streamed = epoch(samples, 0.5), epoch(samples, 0)
    assert len(resident) == len(streamed) == data.epoch_steps(90, 8)
    for a, b in zip(resident, streamed, strict=True):
        assert torch.equal(a.cubes, b.cubes)
        assert torch.equal(a.draws["arrow_of_time"], b.draws["arrow_of_time"])
        assert torch.equal(a.targets["class_probs"], b.targets["class_probs"])


@pytest.mark.parametrize("size", [7, 8, 255, 4096])
@pytest.mark.parametrize("rows", [1, 90, 4096, 4100, 8200])
def test_all_epochs_have_the_same_number_of_batches(rows, size):
    for number in range(4):
        pools = data.epoch_order(np.arange(rows), 0, number)
        assert sorted(np.concatenate(pools)) == list(range(rows))
        batches = sum(data.steps(len(pool), size) for pool in pools)
        assert batches == data.epoch_steps(rows, size)


def test_an_epoch_sees_every_sample_once_with_its_own_targets(samples):
    batches = epoch(samples, 0.5)
    assert sorted(n for batch in batches for n in which(batch)) == list(range(90))
    for batch in batches:
        targets = (100 * batch.targets["class_probs"][:, 0]).round()
        assert targets.tolist() == which(batch)
    assert max(map(len, map(which, batches))) - min(map(len, map(which, batches))) <= 1


@pytest.mark.parametrize("share", [0, 0.5])
@pytest.mark.parametrize("skip", [1, 5, 11])
def test_resuming_within_an_epoch_goes_on_where_it_was(samples, monkeypatch, share, skip):
    monkeypatch.setattr(data, "POOL", 32)
    monkeypatch.setattr(data, "BLOCK", 8)
    whole, rest = epoch(samples, share), epoch(samples, share, skip=skip)
    assert list(map(which, whole[skip:])) == list(map(which, rest))


@pytest.mark.parametrize("share", [0, 0.5])
@pytest.mark.parametrize("count", [2, 3, 12])
def test_the_parts_of_several_processes_make_up_each_batch(samples, monkeypatch, share, count):
    whole, parts = epoch(samples, share), []
    monkeypatch.setattr(data.distributed, "processes", lambda: count)
    for rank in range(count):
        monkeypatch.setattr(data.distributed, "rank", lambda rank=rank: rank)
        parts.append(epoch(samples, share))
    for batch, *pieces in zip(whole, *parts, strict=True):
        assert which(batch) == [number for piece in pieces for number in which(piece)]
        draws = torch.cat([piece.draws["arrow_of_time"] for piece in pieces])
        assert torch.equal(batch.draws["arrow_of_time"], draws)


def test_epochs_and_seeds_differ(samples):
    first = list(map(which, epoch(samples, 0.5)))
    assert first != list(map(which, epoch(samples, 0.5, number=1)))
    assert first != list(map(which, epoch(samples, 0.5, seed=4)))
    assert first == list(map(which, epoch(samples, 0.5)))


def test_draws_do_not_depend_on_the_other_tasks():
    alone = data.draws(10, 0, 2, ["b"])["b"]
    assert torch.equal(alone, data.draws(10, 0, 2, ["a", "b", "c"])["b"])
    assert not torch.equal(alone, data.draws(10, 0, 2, ["a"])["a"])


def test_validation_takes_whole_clips(samples):
    split = data.split_clips(samples, 0.15, 0, seed=0)
    train, held = split.train, split.validation
    assert sorted([*train, *held]) == list(range(90))
    assert not set(samples.clip[train]) & set(samples.clip[held])
    assert len(set(samples.clip[held])) == 1
    assert np.array_equal(split.calibration, held)


def test_a_third_split_calibrates(samples):
    split = data.split_clips(samples, 0.15, 0.15, seed=0)
    parts = split.train, split.validation, split.calibration
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(90))
    clips = [set(samples.clip[rows]) for rows in parts]
    assert sum(map(len, clips)) == len(set.union(*clips)), "no clip is in two of them"
    assert np.array_equal(split.validation, data.split_clips(samples, 0.15, 0, 0).validation)
