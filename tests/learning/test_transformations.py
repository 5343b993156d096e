"""Tasks on single pictures: views, their inverses, labels, losses and scores."""

import math

import numpy as np
import pytest
import torch

from ssmtl.core.errors import InputError
from ssmtl.learning import model as models
from ssmtl.learning import tasks
from ssmtl.learning.tasks.base import Batch, Shapes
from ssmtl.learning.tasks.jigsaw import PIECES, cells, joined, offsets, orders

NAMES = ["translation_vertical", "translation_horizontal", "rotation", "jigsaw"]
OPTIONS = {"permutations": 5, "margin": 0.2}


def make_batch(count=4, size=24, draws=True, seed=0):
    rng = np.random.default_rng(seed)
    cubes = torch.from_numpy(rng.integers(1, 256, (count, 1, size, size, 3), dtype=np.uint8))
    numbers = {name: torch.from_numpy(rng.random(count)) for name in NAMES}
    return Batch(cubes, torch.tensor([[0, 1]]).repeat(count, 1), numbers if draws else {})


def make_task(name, channels=8, **options):
    return tasks.load(name)(Shapes(channels, 1, 0, 0, 1, 0, {"jigsaw": OPTIONS | options}))


def made(task, batch):
    """The views of all transformations, in the order of their labels."""
    views = task.views(batch)
    return [views[name]() for name in task.names()]


def test_views_have_the_pictures_shape_and_the_plain_picture_is_shared():
    batch = make_batch()
    names = [set(make_task(name).views(batch)) for name in NAMES]
    assert [len(found) for found in names] == [3, 3, 4, 5]
    assert set.intersection(*names[:3]) == {"picture"}
    assert "picture" not in names[3]
    for name in NAMES:
        for view in made(make_task(name), batch):
            assert view.shape == (4, 3, 1, 24, 24)
            assert view.min() >= 0 and view.max() <= 1


def test_turning_back_gives_the_picture():
    batch = make_batch()
    for number, view in enumerate(made(make_task("rotation"), batch)):
        assert torch.equal(torch.rot90(view, -number, (3, 4)), batch.picture)
        corner = view[:, :, 0, 0, 0]  # counter-clockwise: the upper right corner comes first
        places = [(0, 0), (0, -1), (-1, -1), (-1, 0)]
        assert torch.equal(corner, batch.picture[:, :, 0][:, :, *places[number]])


@pytest.mark.parametrize(("name", "axis"), [(NAMES[0], 3), (NAMES[1], 4)])
def test_translations_move_a_quarter_and_reflect(name, axis):
    batch = make_batch()
    plain, forward, backward = (v.movedim(axis, 0).numpy() for v in made(make_task(name), batch))
    assert np.array_equal(plain, batch.picture.movedim(axis, 0).numpy())
    assert np.array_equal(forward[6:], plain[:-6])
    assert np.array_equal(backward[:-6], plain[6:])
    reflected = np.pad(plain, [(6, 6)] + [(0, 0)] * 4, mode="reflect")  # numpy's own
    assert np.array_equal(forward, reflected[:24])
    assert np.array_equal(backward, reflected[12:])


def test_rotation_and_translation_are_all_36_compositions():
    """Each view is the picture turned, then moved, by the tasks that do one of these alone."""
    batch, task = make_batch(), make_task("rotation_translation")
    views = made(task, batch)
    assert len(views) == task.count == 36
    for number, view in enumerate(views):
        turned, down, right = number // 9, number // 3 % 3, number % 3
        found = make_task("rotation").transform(batch.picture, turned, batch)
        found = make_task("translation_vertical").transform(found, down, batch)
        found = make_task("translation_horizontal").transform(found, right, batch)
        assert torch.equal(view, found)
    assert len({view.numpy().tobytes() for view in views}) == 36


def test_rotation_and_translation_are_judged_by_three_heads():
    """Heads that are sure, and right but for the rotation of some views of the second picture."""
    task, batch = make_task("rotation_translation"), make_batch(2)
    rows = torch.zeros(36, 2, 10)
    for number in range(36):
        truth = number // 9, 4 + number // 3 % 3, 7 + number % 3
        rows[number, :, list(truth)] = 100.0
    rows[:9, 1, :4] = torch.tensor([0.0, 100, 0, 0])  # nine views are taken for turned ones
    task.logits = lambda features: rows
    assert task.score({}, batch).tolist() == pytest.approx([0, 9 / 36 / 3], abs=1e-6)
    # Nine of 72 rows of the rotation's head are wrong by 100.
    assert float(task.loss({}, batch)) == pytest.approx(100 * 9 / 72, abs=1e-3)


@pytest.mark.parametrize("size", [24, 32, 64, 31])
def test_unshuffling_a_jigsaw_gives_its_pieces(size):
    task, batch = make_task("jigsaw"), make_batch(size=size)
    pieces = task.pieces(batch.picture, batch.draws["jigsaw"])
    whole = joined(pieces, size)
    for number, view in enumerate(made(task, batch)):
        inverse = task.orders[number].argsort()
        assert torch.equal(joined(cells(view)[:, inverse], size), whole)
    kept = whole > 0  # no pixel of these pictures is black
    assert torch.equal(whole[kept], batch.picture[kept])
    cell = size // 3
    margin = round(0.2 * cell)
    assert kept[:, 0].flatten(1).sum(1).tolist() == [PIECES * (cell - margin) ** 2] * 4


def test_pieces_are_those_of_the_order():
    task, batch = make_task("jigsaw", margin=0), make_batch(count=1)
    plain = batch.picture[0, :, 0]
    for number, view in enumerate(made(task, batch)):
        for place, piece in enumerate(task.orders[number].tolist()):
            (r, c), (row, column) = divmod(place, 3), divmod(piece, 3)
            found = view[0, :, 0, 8 * r : 8 * r + 8, 8 * c : 8 * c + 8]
            assert torch.equal(found, plain[:, 8 * row : 8 * row + 8, 8 * column : 8 * column + 8])


def test_orders_are_distinct_permutations_and_always_the_same():
    found = orders(50)
    assert len({tuple(order) for order in found.tolist()}) == 50
    assert torch.equal(found.sort(1).values, torch.arange(PIECES).expand(50, -1))
    assert torch.equal(orders(3), found[:3])


def test_margins_are_uniform_and_at_test_in_the_middle():
    draw = torch.from_numpy(np.random.default_rng(0).random(20_000))
    found = offsets(draw, 2)
    assert found.shape == (20_000, PIECES, 2)
    shares = torch.stack([(found == value).double().mean(0) for value in range(3)])
    assert (shares - 1 / 3).abs().max() < 0.02
    low, high = offsets(torch.tensor([0.0, 1 - 2**-53], dtype=torch.float64), 6)
    assert low.unique().tolist() == [0] and high.unique().tolist() == [6]
    task = make_task("jigsaw", margin=0.25)
    batch = make_batch(draws=False)
    kept = joined(task.pieces(batch.picture, None), 24)[0, 0, 0] > 0
    line = torch.tensor([False, *[True] * 6, False] * 3)
    assert torch.equal(kept, line[:, None] & line)


class Fixed(torch.nn.Module):
    """In place of a head: the given logits, whatever the features."""

    def __init__(self, logits):
        super().__init__()
        self.logits = logits

    def forward(self, features):
        return self.logits


@pytest.mark.parametrize("name", NAMES)
def test_known_losses_and_scores(name):
    task, batch = make_task(name), make_batch()
    count = task.count
    features = {view: torch.zeros(4, 8, 1, 1) for view in task.names()}
    task.head = Fixed(torch.zeros(4 * count, count))  # knows nothing
    assert task.loss(features, batch).item() == pytest.approx(count * math.log(count))
    assert task.score(features, batch).tolist() == pytest.approx([1 - 1 / count] * 4)
    true = torch.eye(count).repeat_interleave(4, 0)
    task.head = Fixed(100 * true)  # knows all
    assert task.loss(features, batch).item() == pytest.approx(0, abs=1e-6)
    assert task.score(features, batch).tolist() == pytest.approx([0] * 4, abs=1e-6)
    # Of the first picture it takes transformation 0 for another one.
    logits = 100 * true
    logits[0] = logits[0].roll(1)
    task.head = Fixed(logits)
    assert task.score(features, batch).tolist() == pytest.approx([1 / count, 0, 0, 0], abs=1e-6)


def spec(**changes):
    return {
        "tasks": NAMES,
        "encoder": "wideresnet",
        "encoder_options": {"depth": 10, "widen": 1},
        "size": 24,
        "radius": 0,
        "max_gap": 1,
        "classes": [],
        "task_options": {"jigsaw": OPTIONS},
    } | changes


def test_all_views_share_one_forward_pass():
    model, batch = models.build(spec()), make_batch()
    sizes = []
    model.encoder.register_forward_hook(lambda module, inputs, output: sizes.append(len(inputs[0])))
    losses = model.losses(batch)
    assert sizes == [4 * (1 + 2 + 2 + 3 + 5)]
    assert losses["total"].item() == pytest.approx(sum(losses[name].item() for name in NAMES))


def test_mirrored_pictures_mirror_all_views():
    plain, mirrored = make_batch(), make_batch()
    mirrored.mirrored = torch.tensor([True, False, True, False])
    assert torch.equal(mirrored.picture[::2], plain.picture[::2].flip(4))
    assert torch.equal(mirrored.picture[1::2], plain.picture[1::2])


def test_tasks_of_motion_refuse_single_pictures():
    for name in ("arrow_of_time", "motion_irregularity", "middle_box"):
        with pytest.raises(InputError, match="several frames"):
            models.build(spec(tasks=[name]))


def test_picture_tasks_in_the_video_model():
    names = ["arrow_of_time", "rotation", "jigsaw"]
    video = spec(tasks=names, encoder="cnn3d", encoder_options={}, size=32)
    model = models.build(video | {"radius": 3, "max_gap": 1})
    rng = np.random.default_rng(0)
    batch = Batch(
        torch.from_numpy(rng.integers(0, 256, (4, 7, 32, 32, 3), dtype=np.uint8)),
        torch.tensor([[0, 7]]).repeat(4, 1),
        {name: torch.from_numpy(rng.random(4)) for name in names},
    )
    losses = model.losses(batch)
    assert all(torch.isfinite(loss) for loss in losses.values())
    scores = model.eval().scores(batch)
    assert all(((s >= 0) & (s <= 1)).all() and s.shape == (4,) for s in scores.values())
