"""RBDC and TBDC against their definition, threshold by threshold, and hand-worked cases."""

from fractions import Fraction
from itertools import pairwise, product

import numpy as np
import pytest

from ssmtl.evaluation.metrics import region_track
from ssmtl.evaluation.metrics.region_track import (
    area,
    both_conventions,
    matching,
    rbdc_tbdc,
)

CASES = 240


def overlap(a, b):
    """IoU of two boxes of whole numbers, exact."""
    wide = min(a[2], b[2]) - max(a[0], b[0])
    high = min(a[3], b[3]) - max(a[1], b[1])
    shared = max(wide, 0) * max(high, 0)
    union = sum((c[2] - c[0]) * (c[3] - c[1]) for c in (a, b)) - shared
    return Fraction(shared, union) if union else Fraction(0)


def slowly(detections, regions, frames):
    """From the definition: for every threshold, go through everything that is above it.

    detections: (frame, box, score); regions: (frame, box, track).
    """
    if not regions:
        return {"rbdc": None, "tbdc": None}
    tenth, tracks = Fraction(1, 10), {track for _, _, track in regions}
    points = [(Fraction(0), Fraction(0), Fraction(0))]
    for threshold in sorted({score for *_, score in detections}, reverse=True):
        found, wrong = set(), 0
        for frame, box, score in detections:
            if score < threshold:
                continue
            hits = [
                i
                for i, (when, region, _) in enumerate(regions)
                if when == frame and overlap(box, region) >= tenth
            ]
            found.update(hits)
            wrong += not hits
        done = 0
        for track in tracks:
            own = [i for i, region in enumerate(regions) if region[2] == track]
            done += len(found.intersection(own)) >= tenth * len(own)
        points.append(
            (
                Fraction(wrong, frames),
                Fraction(len(found), len(regions)),
                Fraction(done, len(tracks)),
            )
        )
    return {name: float(below(points, i)) for i, name in ((1, "rbdc"), (2, "tbdc"))}


def below(points, column):
    """The area under the straight lines between the points, up to rate 1."""
    total = Fraction(0)
    for before, after in pairwise(points):
        left, right, low, high = before[0], after[0], before[column], after[column]
        if left > 1 or left == right:
            continue
        if right > 1:
            high = low + (high - low) * (1 - left) / (right - left)
            right = Fraction(1)
        total += (right - left) * (low + high) / 2
    return total + max(1 - points[-1][0], 0) * points[-1][column]


def arrays(rows):
    """Frames, boxes and the third column of rows as arrays, also without any."""
    frame, box, last = zip(*rows, strict=True) if rows else ((), (), ())
    return np.array(frame, int), np.reshape(np.array(box, np.float32), (-1, 4)), np.array(last)


def quickly(detections, regions, frames):
    frame, box, score = arrays(detections)
    region_frame, region_box, track = arrays(regions)
    return rbdc_tbdc(score, matching(frame, box, region_frame, region_box), track, frames)


def some_box(rng):
    x, y, width, height = rng.integers(0, 12, 4)
    return int(x), int(y), int(x + width + 1), int(y + height + 1)


def some_case(seed):
    """Detections, regions and frames; every few cases without detections, regions or ties."""
    rng = np.random.default_rng(seed)
    frames = int(rng.integers(1, 13))
    per_frame = rng.choice([0.5, 2, 6])
    detections, regions = [], []
    levels = rng.choice([2, 8, 10**6])
    for _ in range(0 if seed % 12 == 0 else rng.poisson(per_frame * frames)):
        score = float(rng.integers(0, levels + 1) / levels)
        detections.append((int(rng.integers(frames)), some_box(rng), score))
    for _ in range(0 if seed % 15 == 0 else rng.poisson(3 * frames)):
        regions.append((int(rng.integers(frames)), some_box(rng), int(rng.integers(4))))
    return detections, regions, frames


@pytest.mark.parametrize("start", range(0, CASES, 40))
def test_both_are_those_of_the_definition(start):
    for seed in range(start, start + 40):
        case = some_case(seed)
        found, expected = quickly(*case), slowly(*case)
        assert found == {name: pytest.approx(v, abs=1e-9) for name, v in expected.items()}, seed


def test_the_random_cases_cover_what_is_special():
    cases = [some_case(seed) for seed in range(CASES)]
    expected = [slowly(*case) for case in cases if case[1]]
    assert any(not case[0] for case in cases) and any(not case[1] for case in cases)
    assert any(len({s for *_, s in case[0]}) < len(case[0]) for case in cases)
    assert any(len(case[0]) > case[2] and case[1] for case in cases)  # rates above 1
    assert any({f for f, *_ in case[0]} != set(range(case[2])) for case in cases)
    assert len({round(e["rbdc"], 6) for e in expected}) > 100
    assert sum(e["rbdc"] != e["tbdc"] for e in expected) > 100


HERE, THERE = (0, 0, 10, 10), (50, 50, 60, 60)


def test_a_perfect_detector():
    regions = [(frame, HERE, 1) for frame in range(5)]
    detections = [(frame, HERE, 0.9) for frame in range(5)]
    assert quickly(detections, regions, 10) == {"rbdc": 1, "tbdc": 1}


def test_by_hand():
    """Four frames, two tracks of two regions. Points (rate, regions, tracks):

    0.9 finds one of track 1: (0, 1/4, 1/2). 0.8 is wrong: (1/4, 1/4, 1/2). 0.7 finds the other
    and a second wrong one enters: (1/2, 1/2, 1/2). 0.6 repeats 0.9's: the same point.
    Regions: 1/4 * 1/4 + 1/4 * 3/8 + 1/2 * 1/2; tracks: 1/2 from rate 0 on.
    """
    regions = [(0, HERE, 1), (1, HERE, 1), (2, HERE, 2), (3, HERE, 2)]
    detections = [
        (0, HERE, 0.9),
        (0, THERE, 0.8),
        (1, HERE, 0.7),
        (2, THERE, 0.7),
        (0, (1, 0, 11, 10), 0.6),
    ]
    found = quickly(detections, regions, 4)
    assert found["rbdc"] == pytest.approx(1 / 16 + 3 / 32 + 1 / 4)
    assert found["tbdc"] == pytest.approx(1 / 2)


def test_between_points_the_curve_is_linear_up_to_rate_1():
    """One point at rate 2 with all found: at rate 1 half of it, and half of that below."""
    regions = [(0, HERE, 1)]
    detections = [(0, HERE, 0.5), (0, THERE, 0.5), (0, (80, 80, 90, 90), 0.5)]
    assert quickly(detections, regions, 1)["rbdc"] == pytest.approx(0.25)


def test_one_detection_finds_all_that_it_overlaps():
    regions = [(0, (0, 0, 10, 10), 1), (0, (10, 0, 20, 10), 2)]
    assert quickly([(0, (0, 0, 20, 10), 0.1)], regions, 1) == {"rbdc": 1, "tbdc": 1}


@pytest.mark.parametrize(("width", "found"), [(10, 1), (11, 0)])
def test_an_iou_of_exactly_a_tenth_is_enough(width, found):
    detections = [(0, (0, 0, 3, 3), 0.5)]
    regions = [(0, (0, 0, 3 * width, 3), 1)]
    assert quickly(detections, regions, 1)["rbdc"] == found


@pytest.mark.parametrize(
    ("length", "needed"), [(1, 1), (10, 1), (11, 2), (20, 2), (30, 3), (31, 4)]
)
def test_a_tenth_of_a_track_is_enough(length, needed):
    regions = [(frame, HERE, 7) for frame in range(length)]
    for hits, expected in ((needed - 1, 0), (needed, 1)):
        detections = [(frame, HERE, 0.5) for frame in range(hits)]
        assert quickly(detections, regions, length)["tbdc"] == expected


def test_another_frame_is_another_place():
    assert quickly([(1, HERE, 0.5)], [(0, HERE, 1)], 2) == {"rbdc": 0, "tbdc": 0}


def test_without_detections_nothing_and_without_regions_unknown():
    assert quickly([], [(0, HERE, 1)], 3) == {"rbdc": 0, "tbdc": 0}
    assert quickly([(0, HERE, 0.5)], [], 3) == {"rbdc": None, "tbdc": None}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_order_names_and_monotone_changes_of_the_scores_change_nothing(seed):
    detections, regions, frames = some_case(seed)
    expected = quickly(detections, regions, frames)
    rng = np.random.default_rng(seed)
    detections = [
        (f, b, s**3 / 2) for f, b, s in (detections[i] for i in rng.permutation(len(detections)))
    ]
    regions = [(f, b, -5 * t) for f, b, t in (regions[i] for i in rng.permutation(len(regions)))]
    assert quickly(detections, regions, frames) == pytest.approx(expected, abs=1e-12)


def test_wrong_detections_below_all_others_cost_nothing_before_rate_1():
    detections, regions, frames = some_case(4)
    expected = quickly(detections, regions, frames)
    more = [(0, (100, 100, 110, 110), -1.0 - i) for i in range(50)]
    assert quickly(detections + more, regions, frames) == pytest.approx(expected)


@pytest.mark.parametrize("limit", [1, 3, 50])
def test_blocks_of_pairs_change_nothing(monkeypatch, limit):
    detections, regions, _ = some_case(5)
    frame, box, _ = arrays(detections)
    region_frame, region_box, _ = arrays(regions)
    whole = matching(frame, box, region_frame, region_box)
    monkeypatch.setattr(region_track, "PAIRS", limit)
    parts = matching(frame, box, region_frame, region_box)
    assert len(whole[0]) > 3
    assert all((a == b).all() for a, b in zip(whole, parts, strict=True))


def test_matching_is_every_pair_of_a_frame():
    detections, regions, _ = some_case(7)
    pairs = matching(*arrays(detections)[:2], *arrays(regions)[:2])
    expected = {
        (i, j)
        for (i, d), (j, r) in product(enumerate(detections), enumerate(regions))
        if d[0] == r[0] and overlap(d[1], r[1]) >= Fraction(1, 10)
    }
    assert set(zip(*map(np.ndarray.tolist, pairs), strict=True)) == expected and expected


def test_the_last_value_is_held():
    assert area(np.array([0.5]), np.array([0.8])) == pytest.approx(0.5 * 0.4 + 0.5 * 0.8)
    assert area(np.array([]), np.array([])) == 0


def one_by_one(detections, regions, frames):
    """The authors' convention from its description: one pixel more in every box, and a point of
    the curve per detection, those of one score in the order given."""
    wider = [(f, (b[0], b[1], b[2] + 1, b[3] + 1), last) for f, b, last in detections]
    ranked = sorted(range(len(wider)), key=lambda i: -wider[i][2])
    distinct = [(*wider[i][:2], -place) for place, i in enumerate(ranked)]
    regions = [(f, (b[0], b[1], b[2] + 1, b[3] + 1), track) for f, b, track in regions]
    return slowly(distinct, regions, frames)


def both(detections, regions, frames):
    frame, box, score = arrays(detections)
    region_frame, region_box, track = arrays(regions)
    return both_conventions(score, frame, box, region_frame, region_box, track, frames)


def test_the_authors_convention_beside_ours():
    differ = 0
    for seed in range(60):
        case = some_case(seed)
        expected = slowly(*case) | {f"{k}_authors": v for k, v in one_by_one(*case).items()}
        assert both(*case) == {name: pytest.approx(v, abs=1e-9) for name, v in expected.items()}
        differ += expected["rbdc"] != expected["rbdc_authors"]
    assert differ > 20


def test_one_pixel_more_makes_a_match():
    """Neighbours that share an edge: counted with it, they have 1 x 4 of 28 pixels in common."""
    detections, regions = [(0, (0, 0, 3, 3), 0.9)], [(0, (3, 0, 6, 3), 1)]
    assert both(detections, regions, 1) == {
        "rbdc": 0,
        "tbdc": 0,
        "rbdc_authors": 1,
        "tbdc_authors": 1,
    }
