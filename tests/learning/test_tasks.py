"""The proxy tasks: views, targets, losses and scores."""

from itertools import product

import numpy as np
import pytest
import safetensors.torch
import torch

from ssmtl.core.errors import InputError
from ssmtl.learning import model as models
from ssmtl.learning import tasks
from ssmtl.learning.encoders.cnn3d import MaxPool
from ssmtl.learning.tasks.base import Batch
from ssmtl.learning.tasks.motion_irregularity import intermittent_indices

NAMES = ["arrow_of_time", "motion_irregularity", "middle_box", "distillation"]
RADIUS, GAP, SIZE, CLASSES = 3, 4, 32, 5
REACH = RADIUS * GAP


def spec(**changes):
    return {
        "tasks": NAMES,
        "encoder": "cnn3d",
        "encoder_options": {"depth": "shallow", "width": "narrow"},
        "task_options": {},
        "size": SIZE,
        "radius": RADIUS,
        "max_gap": GAP,
        "classes": list("abcde"),
    } | changes


def make_batch(count=6, reach=REACH, seed=0):
    """Cubes whose every pixel is the frame's number, so that views can be read off."""
    rng = np.random.default_rng(seed)
    length = 2 * reach + 1
    numbers = torch.arange(length, dtype=torch.uint8)
    cubes = numbers[None, :, None, None, None].expand(count, length, SIZE, SIZE, 3).contiguous()
    return Batch(
        cubes,
        torch.tensor([[0, length]]).repeat(count, 1),
        {name: torch.from_numpy(rng.random(count)) for name in NAMES},
        {
            "logits": torch.randn(count, 1000),
            "class_probs": torch.rand(count, CLASSES),
        },
    )


def frame_numbers(view):
    """The numbers of a view's frames, (B, T)."""
    flat = (view * 255).round().flatten(3)
    assert torch.equal(flat.amax((1, 3)), flat.amin((1, 3))), "a frame is not of one number"
    return flat[:, 0, :, 0].long()


def all_intermittent(start, stop):
    """Every intermittent cube in a window, by trying all gaps."""
    found = set()
    for gaps in product(range(1, GAP + 1), repeat=2 * RADIUS):
        left = REACH - np.cumsum(gaps[:RADIUS])
        right = REACH + np.cumsum(gaps[RADIUS:])
        if any(g > 1 for g in gaps) and left[-1] >= start and right[-1] < stop:
            found.add((*left[::-1], REACH, *right))
    return found


@pytest.mark.parametrize("valid", [(9, 25), (9, 17), (7, 17), (0, 16), (9, 20)])
def test_intermittent_cubes_are_uniform_over_all_that_fit(valid):
    possible = all_intermittent(*valid)
    draws = (torch.arange(len(possible)) + 0.5) / len(possible)
    index, usable = intermittent_indices(
        torch.tensor([valid]).repeat(len(possible), 1), REACH, RADIUS, GAP, draws
    )
    assert usable.all()
    assert {tuple(row) for row in index.tolist()} == possible


def test_intermittent_cube_that_does_not_fit_is_marked():
    index, usable = intermittent_indices(
        torch.tensor([[9, 16], [8, 16]]), REACH, RADIUS, GAP, torch.tensor([0.7, 0.7])
    )
    assert usable.tolist() == [False, True]
    assert index[0].tolist() == list(range(9, 16))


@pytest.mark.parametrize("draw", [0.0, 1 - 1e-16])
def test_extreme_draws_stay_in_the_window(draw):
    index, _ = intermittent_indices(
        torch.tensor([[0, 25]]), REACH, RADIUS, GAP, torch.tensor([draw], dtype=torch.float64)
    )
    assert index.min() >= 0
    assert index.max() < 25
    assert (index.diff() > 0).all()


def test_views_show_the_frames_they_claim():
    batch, model = make_batch(), models.build(spec())
    views = {k: make() for task in model.tasks.values() for k, make in task.views(batch).items()}
    assert frame_numbers(views["consecutive"])[0].tolist() == list(range(9, 16))
    assert frame_numbers(views["reversed"])[0].tolist() == list(range(15, 8, -1))
    assert frame_numbers(views["without_middle"])[0].tolist() == [9, 10, 11, 13, 14, 15]
    assert frame_numbers(views["middle"])[0].tolist() == [12]
    steps = frame_numbers(views["intermittent"]).diff()
    assert ((steps >= 1) & (steps <= GAP)).all()
    assert (steps > 1).any(1).all()


def test_the_gapless_cube_is_encoded_once_for_two_tasks(monkeypatch):
    batch, model = make_batch(), models.build(spec())
    sizes = []
    forward = model.encoder.forward
    monkeypatch.setattr(model.encoder, "forward", lambda x: sizes.append(x.shape) or forward(x))
    model.losses(batch)
    # consecutive, reversed and intermittent together; the shorter views by themselves
    assert sorted(size[0] * size[2] for size in sizes) == [6 * 1, 6 * 6, 18 * 7]


@pytest.mark.parametrize("depth", ["shallow", "deep"])
@pytest.mark.parametrize("width", ["narrow", "wide"])
def test_every_encoder_variant_gives_losses_and_scores(depth, width):
    torch.manual_seed(0)
    model, batch = (
        models.build(spec(encoder_options={"depth": depth, "width": width})),
        make_batch(4),
    )
    losses = model.losses(batch)
    assert list(losses) == ["total", *NAMES]
    expected = sum(losses[n] for n in NAMES[:3]) + 0.5 * losses["distillation"]
    torch.testing.assert_close(losses["total"], expected)
    losses["total"].backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    scores = model.eval().scores(batch)
    assert list(scores) == NAMES
    assert all(((s >= 0) & (s <= 1)).all() and s.shape == (4,) for s in scores.values())


@pytest.mark.parametrize(
    "depth,width,filters",
    [
        ("shallow", "narrow", [16, 32, 32]),
        ("shallow", "wide", [32, 64, 64]),
        ("deep", "narrow", [16, 16, 32, 32, 32, 32]),
        ("deep", "wide", [32, 32, 64, 64, 64, 64]),
    ],
)
def test_published_filter_numbers(depth, width, filters):
    encoder = models.build(spec(encoder_options={"depth": depth, "width": width})).encoder
    found = [m.out_channels for m in encoder.modules() if isinstance(m, torch.nn.Conv3d)]
    assert found == filters
    pools = sum(isinstance(m, torch.nn.MaxPool3d) for m in encoder.modules())
    assert pools == (3 if depth == "shallow" else 4) == encoder.pools


@pytest.mark.parametrize("length", [1, 6, 7])
def test_one_encoder_takes_any_number_of_frames(length):
    encoder = models.build(spec()).encoder
    assert encoder(torch.rand(2, 3, length, 32, 32)).shape == (2, 32, 4, 4)


def test_pooling_keeps_its_precision_and_changes_no_gradient():
    x = torch.randn(2, 4, 3, 8, 8, generator=torch.Generator().manual_seed(0)).bfloat16()
    ours, widened = x.clone().requires_grad_(), x.float().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        pooled = MaxPool((1, 2, 2))(ours)
    expected = torch.nn.MaxPool3d((1, 2, 2))(widened)
    assert pooled.dtype == torch.bfloat16
    assert torch.equal(pooled.float(), expected)
    pooled.square().sum().backward()
    expected.square().sum().backward()
    assert torch.equal(ours.grad, widened.grad.bfloat16())


def test_tasks_learn_what_they_are_asked():
    """On a film with an arrow, arrow of time is learnt; on a still one it cannot be."""
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(1)
    level = torch.linspace(40, 200, 2 * REACH + 1)[None, :, None, None, None]
    noise = torch.randn(32, 1, SIZE, SIZE, 3, generator=generator) * 10
    rising = (level + noise).clamp(0, 255).byte()
    still = rising[:, REACH : REACH + 1].expand_as(rising).contiguous()
    found = {}
    for name, cubes in (("rising", rising), ("still", still)):
        model = models.build(spec(tasks=["arrow_of_time"]))
        batch = Batch(cubes, torch.tensor([[0, 2 * REACH + 1]]).repeat(32, 1))
        optimiser = torch.optim.Adam(model.parameters(), 3e-3)
        for _ in range(25):
            loss = model.losses(batch)["total"]
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        found[name] = loss.item()
    assert found["rising"] < 0.2
    assert found["still"] > 0.65  # log 2 is 0.69


def test_middle_box_score_is_the_mean_absolute_error():
    task = models.build(spec(tasks=["middle_box"])).tasks["middle_box"]
    batch = make_batch(3)
    task.head = torch.nn.Identity()
    predicted = torch.rand(3, 3, SIZE, SIZE)
    truth = batch.cubes[:, batch.middle].permute(0, 3, 1, 2).double().numpy() / 255
    expected = np.abs(predicted.double().numpy() - truth).reshape(3, -1).mean(1)
    score = task.score({"without_middle": predicted}, batch)
    np.testing.assert_allclose(score.numpy(), expected, atol=1e-6)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_distillation_score_looks_at_class_probabilities_only(reduction):
    options = {"distillation": {"reduction": reduction}}
    task = models.build(spec(tasks=["distillation"]), options).tasks["distillation"]
    task.head = torch.nn.Identity()
    batch = make_batch(2)
    batch.targets = {"class_probs": torch.tensor([[0.1, 0.0, 0.0, 0.0, 0.0], [1.0, 1, 1, 1, 1]])}
    output = torch.cat((torch.randn(2, 1000) * 100, torch.tensor([[0.3, 0, -2, 0, 0]] * 2)), 1)
    score = task.score({"middle": output}, batch)
    # -2 is clamped to 0, and a sum above 1 to 1
    expected = [0.2 / 5, (0.7 + 4) / 5] if reduction == "mean" else [0.2, 1.0]
    np.testing.assert_allclose(score.numpy(), expected, atol=1e-6)


def test_distillation_standardises_by_the_training_statistics():
    task = models.build(spec(tasks=["distillation"])).tasks["distillation"]
    values = torch.randn(50, 1000) * 3 + 7
    values[:, 0] = 5.0  # a constant output
    task.fit({"logits": values})
    task.head = torch.nn.Identity()
    batch = make_batch(2)
    batch.targets = {"logits": values[:2], "class_probs": torch.zeros(2, CLASSES)}
    perfect = (values[:2] - values.mean(0)) / values.std(0, correction=0).where(
        values.std(0) > 1e-6, torch.tensor(1.0)
    )
    features = {"middle": torch.cat((perfect, torch.zeros(2, CLASSES)), 1)}
    assert task.loss(features, batch).item() < 1e-5


def test_unknown_task_is_named():
    with pytest.raises(InputError, match="no task 'jugsaw'; there are appearance"):
        models.build(spec(tasks=["jugsaw"]))


def test_cubes_too_small_for_the_encoder():
    with pytest.raises(InputError, match=r"cubes.size 16 is too small.*use at least 32"):
        models.build(spec(encoder_options={"depth": "deep"}, size=16))


def test_save_and_load_round_trip(tmp_path):
    torch.manual_seed(3)
    model, batch = models.build(spec()).eval(), make_batch()
    models.save(tmp_path, model, {"spec": spec(), "seed": 0, "train": {}})
    again, card = models.load(tmp_path / "model.safetensors")
    assert card["spec"] == spec()
    for name, values in model.scores(batch).items():
        assert torch.equal(values, again.scores(batch)[name])


@pytest.mark.parametrize(
    "change,message",
    [
        (lambda p: p.with_suffix(".json").unlink(), "no such file"),
        (lambda p: p.with_suffix(".json").write_text("{}"), "not the card"),
        (lambda p: p.write_bytes(b"nonsense"), "does not fit"),
        (lambda p: p.write_bytes(p.read_bytes()[:-100]), "does not fit"),
        (
            lambda p: p.write_bytes(safetensors.torch.save({"a": torch.zeros(1)})),
            r"does not fit .* \(.*Missing key\(s\) in state_dict: \"encoder",
        ),
    ],
)
def test_damaged_models_are_refused(tmp_path, change, message):
    models.save(tmp_path, models.build(spec()), {"spec": spec(), "seed": 0, "train": {}})
    change(tmp_path / "model.safetensors")
    with pytest.raises(InputError, match=message):
        models.load(tmp_path / "model.safetensors")


def test_velocity_knows_the_step_that_it_was_fitted_to(tmp_path):
    """Half as many frames a second, and twice the flow, are the same speed."""
    only, step = spec(tasks=["velocity"]), torch.full((50, 1), 0.04)
    height = torch.ones(51, 1)
    model = models.build(only)
    flow = torch.rand(50, 8)
    model.tasks["velocity"].fit({"flow": flow, "step": step, "height": height[:50]})
    models.save(tmp_path, model, {"spec": only, "seed": 0, "train": {}})
    again, _ = models.load(tmp_path / "model.safetensors")
    seen, batch = again.tasks["velocity"], make_batch(5)

    def score(flow, step):
        batch.targets = {"flow": flow, "step": step, "height": height[:5]}
        return seen.score({}, batch)

    expected = score(flow[:5] + 0.5, step[:5])
    torch.testing.assert_close(score(2 * flow[:5] + 1, 2 * step[:5]), expected)
    assert not torch.allclose(score(2 * flow[:5] + 1, step[:5]), expected, atol=0.01)
    # And in training, at two rates.
    other = torch.full((51, 1), 0.08)
    other[:25] = 0.04
    mixed = torch.cat((flow[:25], 2 * flow[24:]))
    model.tasks["velocity"].fit({"flow": mixed, "step": other, "height": height})
    known = torch.cat((flow[:25], flow[24:]))
    torch.testing.assert_close(model.tasks["velocity"].mean, 2 * known.mean(0))


def test_every_task_file_holds_its_task():
    for name in tasks.available():
        assert tasks.load(name).name == name


def test_the_smallest_gap_of_an_intermittent_cube():
    """With gaps from 2 on no neighbour of the middle is taken, and every way may be drawn."""
    draw = torch.linspace(0, 0.999, 400, dtype=torch.float64)
    valid = torch.tensor([[0, 25]]).expand(400, 2)
    index, usable = intermittent_indices(valid, 12, 3, 4, draw, min_gap=2)
    gaps = index.diff(dim=1)
    assert usable.all() and gaps.min() == 2 and gaps.max() == 4
    assert (index[0] == torch.tensor([6, 8, 10, 12, 14, 16, 18])).all(), "the shortest way counts"
    tight = torch.tensor([[7, 18]])
    index, usable = intermittent_indices(tight, 12, 3, 4, draw[:1], min_gap=2)
    assert not usable.any(), "six frames on each side are needed"
    assert index.min() >= 0 and index.max() <= 24


@pytest.mark.parametrize("power", [0, 0.5, 1])
def test_velocity_finds_the_unit_in_which_normal_objects_move_alike(power):
    """Motion of normal objects in pixels grows with a power of their height, some stand or race."""
    rng = np.random.default_rng(0)
    height = rng.uniform(0.02, 0.3, (400, 1))
    pixels = 0.01 * (height / 0.1) ** power * rng.uniform(0.8, 1.25, (400, 1))
    pixels[:20], pixels[20:40] = 0, 5 * pixels[20:40]
    flow = pixels / height * np.eye(8)[rng.integers(0, 2, 400)]
    targets = {"flow": flow, "step": np.full((400, 1), 0.04), "height": height}
    targets = {name: torch.from_numpy(values).float() for name, values in targets.items()}
    task = models.build(spec(tasks=["velocity"])).tasks["velocity"]
    task.fit(targets)
    assert float(task.power) == pytest.approx(power, abs=0.05)
    judged = task.judged(targets)["flow"].sum(1)[40:]
    assert judged.std() < 0.2 * judged.mean()


def test_noise_in_directions_that_nobody_takes_does_not_outweigh_speed():
    rng = np.random.default_rng(0)
    noise = rng.uniform(0, 1e-4, (300, 8))
    noise[:, 0] += rng.uniform(0.04, 0.06, 300)
    rest = {"step": torch.full((300, 1), 0.04), "height": torch.full((300, 1), 0.1)}
    task = models.build(spec(tasks=["velocity"])).tasks["velocity"]
    task.fit({"flow": torch.from_numpy(noise).float()} | rest)
    odd = np.tile(noise[:1], (2, 1))
    odd[0, 0] *= 2  # twice as fast
    odd[1, 5] = 1e-3  # a tremble
    batch = make_batch(2)
    batch.targets = {"flow": torch.from_numpy(odd).float()}
    batch.targets |= {name: values[:2] for name, values in rest.items()}
    score = task.score({}, batch)
    fast, tremble = score / (1 - score)  # distances
    assert fast > 5 and fast > 10 * tremble
