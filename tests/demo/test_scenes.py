"""The synthetic scenes: what is drawn, what is labelled, what is written."""

import csv
import json
from collections import Counter
from itertools import pairwise

import av
import numpy as np
import pytest

from ssmtl.core.errors import InputError
from ssmtl.datasets.video import demo as demo_
from ssmtl.demo import actors, render
from ssmtl.demo import dataset as demo
from ssmtl.demo.actors import Path, Plan, vehicle
from ssmtl.demo.bodies import tumble
from ssmtl.demo.camera import FPS, edge
from ssmtl.demo.gait import RUN, WALK, angle, leg, stride
from ssmtl.demo.render import KINDS, Box, compose, draw, render_film
from ssmtl.demo.scenery import background


def plan(x=0.0, z=11.0, heading=0.0):
    return Plan(Path(x, z, heading), 0.0)


LENGTHS = {"train_frames": 25, "test_frames": 30}


def walker(frames=26, kind="", fall=(), seed=3, **where):
    rng = np.random.default_rng(seed)
    return actors.walker(rng, np.arange(frames) / FPS, plan(**where), kind, fall)


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    root = tmp_path_factory.mktemp("demo") / "scenes"
    demo.render(root, seed=1, split_role="dev", train_clips=1, test_clips=2, **LENGTHS, jobs=1)
    return root


@pytest.mark.parametrize(("name", "gait"), [("walk", WALK), ("run", RUN)])
def test_stance_foot_stays_where_it_is(name, gait):
    phase = np.linspace(0.10, 0.30, 40)  # the left foot carries the body
    feet = leg(gait, phase, 1.0, 1.7)[:, 2:]
    lowest = feet[..., 1].argmin(axis=1)
    x = stride(name, 1.0, 1.7).at(phase)[:, None] + feet[..., 0]
    slip = [abs(b[i] - a[i]) for a, b, i in zip(x, x[1:], lowest, strict=False)]
    gone = np.ptp(stride(name, 1.0, 1.7).at(phase))
    assert sum(slip) < (0.1 if name == "walk" else 0.2) * gone


def test_feet_touch_the_ground_and_never_sink():
    way, phase = stride("walk", 1.0, 1.7), np.linspace(0, 2, 100)
    feet = [leg(WALK, phase + s, 1.0, 1.7)[:, 2:, 1] for s in (0, 0.5)]
    lowest = way.hip_height(phase) + np.min(feet, axis=(0, 2))
    assert np.abs(lowest).max() < 0.02


@pytest.mark.parametrize("joint", ["hip", "knee", "ankle"])
def test_gait_differs_from_its_own_reversal(joint):
    phase = np.arange(200) / 200
    forward = angle(getattr(WALK, joint), phase)
    backward = forward[::-1]
    best = min(np.abs(np.roll(backward, shift) - forward).mean() for shift in range(200))
    assert best > 0.05 * np.ptp(forward)


def test_speeds_are_those_of_people():
    walking = stride("walk", 1.0, 1.7).length * WALK.cadence
    running = stride("run", 1.0, 1.7).length * RUN.cadence
    assert 1.1 < walking < 1.5
    assert 2.4 < running < 4.0


def test_backwards_is_normal_walking_run_in_reverse():
    actor = walker(kind="backwards", heading=0.0)
    x, _ = actor.path.root()
    assert actor.facing == 180.0
    assert (np.diff(x) > 0).all()  # to the right, while facing left
    normal = walker(heading=180.0)
    forward, backward = normal.path.distance, actor.path.distance
    assert np.ptp(backward) == pytest.approx(np.ptp(forward), rel=0.1)


def test_a_fall_ends_lying_and_gets_up_again():
    assert tumble(np.array([0.0, 1.0, 1.9, 3.0, 5.0]), 1.0, 3.0).tolist() == [0, 0, 1, 1, 0]
    actor = walker(frames=120, kind="falling", fall=(1.0, 3.0))
    x1, y1, x2, y2 = draw(actor).boxes["person"].T
    shape = (x2 - x1) / (y2 - y1)
    assert shape[10] < 0.8 < 1.5 < shape[60]
    assert shape[115] < 0.8
    assert np.flatnonzero(actor.odd).tolist() == list(range(25, 105))


def test_box_bounds_the_pixels_of_its_actor(monkeypatch):
    background()  # made once, with its shadows, before they are switched off
    monkeypatch.setattr(render, "darken", lambda picture, _: picture.copy())
    drawing = draw(walker())
    for frame in (0, 9, 18):
        picture, (box,) = compose([drawing], frame)
        empty, _ = compose([], frame)
        changed = np.abs(picture.astype(int) - empty).max(axis=2) > 40
        rows, columns = np.flatnonzero(changed.any(1)), np.flatnonzero(changed.any(0))
        found = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
        assert np.abs(np.subtract(found, box.xyxy)).max() < 4


def test_visible_part_at_the_edge_and_behind_others():
    half = edge(11.0)
    whole, cut = (compose([draw(walker(x=x))], 0)[1][0] for x in (0.0, half))
    assert half == pytest.approx(4.4)
    assert whole.visible == 1.0
    assert 0.2 < cut.visible < 0.8
    rng = np.random.default_rng(0)
    cart = vehicle(rng, np.zeros(1), plan(z=9.8))
    boxes = compose([draw(walker()), draw(cart)], 0)[1]
    visible = {box.name: box.visible for box in boxes}
    assert visible["vehicle"] == 1.0
    assert visible["person"] < 0.7


def test_render_depends_on_seed_role_and_clip_alone():
    video, boxes = render_film(5, "test", 2, 4, ("vehicle",))
    again, same_boxes = render_film(5, "test", 2, 4, ("vehicle",))
    assert video.shape == (4, 240, 320, 3)
    assert video.dtype == np.uint8
    assert np.array_equal(video, again)
    assert boxes == same_boxes
    for other in ((6, "test", 2), (5, "dev", 2), (5, "test", 3)):
        assert not np.array_equal(video, render_film(*other, 4, ("vehicle",))[0])


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_takes_a_part_of_its_clip(kind):
    _, boxes = render_film(2, "dev", 0, 36, (kind,), fps=6)
    odd = {box.frame for box in boxes if box.kind}
    assert {box.kind for box in boxes} == {"", kind}
    assert 8 <= len(odd) <= 28
    names = {box.name for box in boxes if box.kind}
    expected = {"cycling": {"bicycle"}, "vehicle": {"vehicle"}, "carrying": {"person", "object"}}
    assert names == expected.get(kind, {"person"})


def test_training_clips_are_normal_and_populated():
    _, boxes = render_film(0, "train", 1, 30, fps=5)
    assert {(box.name, box.kind) for box in boxes} == {("person", "")}
    counts = Counter(box.frame for box in boxes)
    assert 2 <= np.mean([counts[frame] for frame in range(30)]) <= 5
    assert min(counts[frame] for frame in range(30)) >= 1


def test_every_kind_is_in_as_many_test_clips():
    shares = Counter(kind for clip in range(12) for kind in demo.clip_kinds(clip))
    assert shares == dict.fromkeys(KINDS, 3)
    assert all(len(set(demo.clip_kinds(c))) == len(demo.clip_kinds(c)) for c in range(60))


def test_an_anomaly_counts_from_fifteen_per_cent_inside():
    def box(frame, x1, x2, name="person", visible=1.0, kind="carrying"):
        return Box(frame, (x1, 10.0, x2, 60.0), name, kind, 7, visible)

    boxes = [
        box(0, -90.0, 10.0),  # 10 % inside
        box(1, -50.0, 50.0),
        box(2, 10.0, 30.0),
        box(2, 25.0, 40.0, "object"),
        box(3, 10.0, 30.0, visible=0.0),
        box(4, 10.0, 30.0, kind=""),
    ]
    assert demo.anomalies(boxes) == [
        (7, 1, "carrying", (0.0, 10.0, 50.0, 60.0)),
        (7, 2, "carrying", (10.0, 10.0, 40.0, 60.0)),
    ]


def test_intervals_part_kinds_and_gaps():
    frames = [(4, "b"), (0, "a"), (1, "a"), (3, "a"), (1, "b"), (1, "a")]
    assert demo.intervals(frames) == [(0, 1, "a"), (1, 1, "b"), (3, 3, "a"), (4, 4, "b")]


def test_layout_labels_and_tracks_agree(rendered):
    clips = demo_.list_clips(rendered, train_clips=1, test_clips=2, **LENGTHS)
    assert [(clip.split, clip.name) for clip in clips] == [
        ("train", "00"),
        ("test", "00"),
        ("test", "01"),
    ]
    assert demo.frame_labels(clips[0], 30) is None
    lengths = []
    for clip in clips[1:]:
        labelled = {
            f for first, last, _ in demo.frame_labels(clip, 30) for f in range(first, last + 1)
        }
        with open(clip.tracks, newline="") as file:
            rows = [[float(value) for value in row] for row in csv.reader(file)]
        assert labelled == {int(row[1]) for row in rows}
        assert labelled
        lengths.append(len(labelled))
        assert all(0 <= x1 < x2 <= 320 and 0 <= y1 < y2 <= 240 for _, _, x1, y1, x2, y2 in rows)
    assert min(lengths) < 30
    counts = json.loads((rendered / "scenes.json").read_text())["anomalous_frames"]
    assert sum(counts.values()) >= len(labelled)


def test_videos_are_intra_coded_and_close_to_the_rendering(rendered):
    with av.open(str(rendered / "test" / "01.mp4")) as container:
        frames = list(container.decode(video=0))
    assert len(frames) == 30
    assert all(frame.key_frame for frame in frames)
    assert all(b.pts > a.pts for a, b in pairwise(frames))
    video, _ = render_film(1, "dev", 1, 30, demo.clip_kinds(1))
    error = np.abs(frames[7].to_ndarray(format="rgb24").astype(int) - video[7])
    assert error.mean() < 5


def test_same_options_give_the_same_bytes_in_any_number_of_processes(rendered, tmp_path):
    again = tmp_path / "again"
    (again / "train").mkdir(parents=True)
    (again / "train" / "07.mp4").write_text("of an older demo, to be replaced")
    demo.render(again, seed=1, split_role="dev", train_clips=1, test_clips=2, **LENGTHS, jobs=2)
    files = sorted(p.relative_to(again) for p in again.rglob("*") if p.is_file())
    assert files == sorted(p.relative_to(rendered) for p in rendered.rglob("*") if p.is_file())
    assert all((again / name).read_bytes() == (rendered / name).read_bytes() for name in files)
    assert [path.name for path in tmp_path.iterdir()] == ["again"]


def test_render_refuses_what_it_cannot_do(tmp_path):
    options = {"seed": 0, "train_clips": 1, "test_clips": 1, "jobs": 1, **LENGTHS}
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(InputError, match=r"mine\.txt is not part of a demo"):
        demo.render(tmp_path, split_role="dev", **options)
    with pytest.raises(InputError, match="split_role 'train'"):
        demo.render(tmp_path / "new", split_role="train", **options)
    with pytest.raises(InputError, match="25 frames a clip"):
        demo.render(tmp_path / "new", split_role="dev", **options | {"test_frames": 5})
    assert (tmp_path / "mine.txt").read_text() == "keep"


def test_training_view_moves_boxes_with_their_pixels():
    training = pytest.importorskip("ssmtl.demo.detector_training")
    image = np.zeros((240, 320, 3), np.uint8)
    image[100:160, 140:170] = 255
    target = np.array([[0, 140, 100, 170, 160, 1]], np.float32)
    fit = training.letterbox(240, 320, 320, stride=32, square=False)
    for seed in range(12):
        picture, moved = training.view(image, target, fit, np.random.default_rng(seed))
        assert picture.shape == (256, 320, 3)
        white = picture[..., 0] > 200
        for _, x1, y1, x2, y2, _ in moved:
            rows, columns = np.flatnonzero(white.any(1)), np.flatnonzero(white.any(0))
            found = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
            assert np.abs(np.subtract(found, (x1, y1, x2, y2))).max() < 1.1
        assert len(moved) == 1 or white.mean() < 0.04


def test_each_target_is_matched_once_and_within_its_class():
    training = pytest.importorskip("ssmtl.demo.detector_training")
    box = np.array([[0, 0, 10, 20], [1, 0, 11, 20], [50, 0, 60, 20], [50, 0, 60, 20]], np.float32)
    boxes = training.Boxes(
        box, np.array([0.9, 0.8, 0.7, 0.6]), np.array([0, 0, 1, 0]), np.zeros((4, 2))
    )
    target = np.array([[0, 50, 0, 60, 20, 1], [0, 0, 0, 10, 20, 1]], np.float32)
    assert training.matched(boxes, target).tolist() == [1, -1, -1, 0]
