"""Frame scores, against an implementation that goes through the volume voxel by voxel."""

import math

import numpy as np
import pytest

from ssmtl.evaluation import anomaly_map
from ssmtl.evaluation.anomaly_map import filtered, frame_scores, paint, smooth


def objects(seed, frames, width=40, height=28, count=30, radius=0):
    """Random objects, ordered by frame: frame, box in pixels inside the picture, score."""
    rng = np.random.default_rng(seed)
    frame = np.sort(rng.integers(radius, frames - radius, count)).astype(np.int32)
    x1, y1 = rng.uniform(0, width - 10, count), rng.uniform(0, height - 8, count)
    side = rng.uniform(4, 10, (2, count))
    box = np.stack((x1, y1, x1 + side[0], np.minimum(y1 + side[1], height)), 1)
    return frame, box.astype(np.float32), rng.random(count).astype(np.float32)


def painted_slowly(frame, box, score, frames, shape, cell):
    """A cell has the largest score of the boxes that cover half of it or more on both axes."""
    rows, columns = math.ceil(shape[0] / cell), math.ceil(shape[1] / cell)
    volume = np.zeros((frames, rows, columns))
    for time, (x1, y1, x2, y2), value in zip(frame, box.astype(float), score, strict=True):
        for row in range(rows):
            for column in range(columns):
                wide = min(x2, (column + 1) * cell) - max(x1, column * cell)
                high = min(y2, (row + 1) * cell) - max(y1, row * cell)
                if wide >= cell / 2 and high >= cell / 2:
                    volume[time, row, column] = max(volume[time, row, column], value)
    return volume


def filtered_slowly(volume, size, span):
    """The mean over size**3 voxels: 0 beyond the picture, the nearest frame beyond the span."""
    half, (first, end) = size // 2, span
    _, rows, columns = volume.shape
    result = np.zeros((end - first, rows, columns))
    for time in range(first, end):
        for row in range(rows):
            for column in range(columns):
                total = 0.0
                for near in range(time - half, time + half + 1):
                    held = min(max(near, first), end - 1)
                    y, x = max(row - half, 0), max(column - half, 0)
                    total += volume[held, y : row + half + 1, x : column + half + 1].sum()
                result[time - first, row, column] = total / size**3
    return result


@pytest.mark.parametrize("cell", [1, 2, 3])
def test_boxes_are_painted_where_they_cover_half_a_cell(cell):
    frame, box, score = objects(1, 6)
    volume = paint(frame, box, score, 0, 6, (28, 40), cell)
    assert np.allclose(volume, painted_slowly(frame, box, score, 6, (28, 40), cell))
    assert volume.dtype == np.float32


def test_exactly_half_a_cell_is_covered_on_either_side():
    """Whole pixels and cells of two make this the usual case."""
    box = np.float32([[1, 3, 7, 9], [3, 1, 9, 7]])
    volume = paint(np.int32([0, 1]), box, np.float32([1, 1]), 0, 2, (12, 12), 2)
    assert np.allclose(volume, painted_slowly([0, 1], box, [1, 1], 2, (12, 12), 2))
    assert volume[0].sum() == volume[1].sum() == 16
    assert (volume[0] == volume[1].T).all()


def test_a_part_of_the_clip_is_painted_alone():
    frame, box, score = objects(2, 12)
    whole = paint(frame, box, score, 0, 12, (28, 40), 2)
    assert (paint(frame, box, score, 4, 9, (28, 40), 2) == whole[4:9]).all()


def test_boxes_smaller_than_a_cell_and_at_the_edge_are_seen():
    box = np.float32([[5.1, 5.1, 5.9, 5.9], [39.5, 27.5, 40, 28]])
    volume = paint(np.int32([0, 1]), box, np.float32([0.5, 0.25]), 0, 2, (28, 40), 4)
    assert volume[0, 1, 1] == 0.5 and volume[0].sum() == 0.5
    assert volume[1, 6, 9] == 0.25 and volume[1].sum() == 0.25


@pytest.mark.parametrize(("cell", "size", "radius"), [(2, 3, 0), (2, 9, 3), (4, 5, 2), (3, 1, 1)])
def test_frame_scores_are_those_of_the_slow_implementation(cell, size, radius):
    frames = 14
    frame, box, score = objects(3, frames, count=12, radius=radius)
    options = {"frames": frames, "radius": radius, "shape": (28, 40)}
    found = frame_scores(frame, box, score, cell=cell, filter_size=size, **options)
    volume = painted_slowly(frame, box, score, frames, (28, 40), cell)
    slow = filtered_slowly(volume, size, (radius, frames - radius)).max((1, 2))
    expected = [slow[0]] * radius + list(slow) + [slow[-1]] * radius
    assert found.shape == (frames,)
    assert np.allclose(found, expected, atol=1e-6)


def one_object(frames, at, radius=0, size=9):
    """Frame scores of a clip with one box as large as the picture in the frames `at`."""
    box = np.float32([[0, 0, 40, 40]] * len(at))
    return frame_scores(
        np.int32(at),
        box,
        np.ones(len(at), np.float32),
        frames=frames,
        radius=radius,
        shape=(40, 40),
        cell=2,
        filter_size=size,
    )


def test_the_filter_is_a_mean_over_time():
    """A box of score 1 in one frame scores 1/9 in the nine frames about it."""
    found = one_object(31, [15])
    assert np.allclose(found[11:20], 1 / 9, atol=1e-6)
    assert np.allclose(np.delete(found, range(11, 20)), 0, atol=1e-6)


def test_beyond_the_ends_the_nearest_frame_goes_on():
    assert np.allclose(one_object(20, range(20)), 1, atol=1e-6)
    assert np.allclose(one_object(20, range(3, 17), radius=3), 1, atol=1e-6)
    # Frame 0 is repeated four times before the clip: 5 of the 9 frames about it.
    assert one_object(20, [0])[:6] == pytest.approx(
        [5 / 9, 4 / 9, 3 / 9, 2 / 9, 1 / 9, 0], abs=1e-6
    )


def test_frames_without_a_full_window_take_the_nearest_score():
    frame, box, score = objects(4, 30, radius=3)
    options = {"shape": (28, 40), "cell": 2, "filter_size": 9}
    found = frame_scores(frame, box, score, frames=30, radius=3, **options)
    assert (found[:3] == found[3]).all() and (found[-3:] == found[-4]).all()


@pytest.mark.parametrize("window", [1, 3, 8, 29, 1000])
@pytest.mark.parametrize("radius", [0, 3])
def test_the_size_of_the_runs_changes_nothing(monkeypatch, window, radius):
    frame, box, score = objects(5, 40, count=60, radius=radius)
    options = {"shape": (28, 40), "cell": 2, "filter_size": 9}
    span = (radius, 40 - radius)
    (whole,) = filtered(frame, box, score, span=span, **options)
    monkeypatch.setattr(anomaly_map, "WINDOW", window)
    runs = list(filtered(frame, box, score, span=span, **options))
    assert max(map(len, runs)) <= window
    assert np.allclose(np.concatenate(runs), whole, atol=1e-6)


@pytest.mark.parametrize("leak", [0, 1e-6, -1e-6])
def test_scores_stay_in_range(monkeypatch, leak):
    """Also where the running sums of the filter leave rounding errors (made larger here)."""
    mean = anomaly_map.uniform_filter
    monkeypatch.setattr(anomaly_map, "uniform_filter", lambda *a, **k: mean(*a, **k) + leak)
    found = one_object(80, [*range(10), *range(60, 80)])
    assert found.min() >= 0 and found.max() <= 1
    assert np.allclose(found[[0, 40, 79]], [1, 0, 1], atol=1e-5)


def test_frames_without_objects_score_zero():
    nothing = np.zeros(0, np.int32), np.zeros((0, 4), np.float32), np.zeros(0, np.float32)
    options = {"frames": 25, "radius": 3, "shape": (28, 40), "cell": 2, "filter_size": 9}
    assert (frame_scores(*nothing, **options) == 0).all()
    assert (one_object(60, [10])[:6] == 0).all()  # before any object: not even rounding
    assert one_object(60, [10])[15:].max() < 1e-6


def smoothed_slowly(scores, sigma, border):
    """The convolution by its definition, with a Gaussian cut at four sigma."""
    reach = int(4 * sigma + 0.5)
    offsets = np.arange(-reach, reach + 1)
    weights = np.exp(-0.5 * (offsets / sigma) ** 2)
    weights /= weights.sum()
    last, result = len(scores) - 1, []
    for time in range(len(scores)):
        total = 0.0
        for offset, weight in zip(offsets, weights, strict=True):
            inside = 0 <= time + offset <= last
            if inside or border == "replicate":
                total += weight * scores[min(max(time + offset, 0), last)]
        result.append(total)
    return np.array(result)


@pytest.mark.parametrize("border", ["zero", "replicate"])
@pytest.mark.parametrize(("sigma", "frames"), [(21, 180), (21, 25), (1.5, 40), (3, 1)])
def test_smoothing_is_the_convolution(border, sigma, frames):
    scores = np.random.default_rng(frames).random(frames).astype(np.float32)
    found = smooth(scores, sigma, border)
    assert found.dtype == np.float32 and found.shape == (frames,)
    assert np.allclose(found, smoothed_slowly(scores, sigma, border), atol=1e-6)
    assert found.min() >= 0 and found.max() <= 1


def test_borders_differ_at_the_ends_only():
    ones = np.ones(400, np.float32)
    assert np.allclose(smooth(ones, 21, "replicate"), 1, atol=1e-6)
    zero = smooth(ones, 21, "zero")
    assert np.allclose(zero[100:300], 1, atol=1e-4) and zero[0] == pytest.approx(0.5, abs=0.02)
    assert (smooth(ones, 0, "zero") == ones).all()
