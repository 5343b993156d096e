"""Objects followed from frame to frame, and their mean scores."""

import numpy as np

from ssmtl.evaluation.following import averaged, links


def crossing(frames):
    """Two boxes that pass each other, one a frame, and one that appears for a single frame."""
    rows = []
    for number in range(frames):
        rows.append((number, 10 + 3 * number, 10))
        rows.append((number, 80 - 3 * number, 25))
        if number == 4:
            rows.append((number, 150, 60))
    frame, x, y = np.array(rows).T
    return frame, np.stack((x, y, x + 14, y + 30), 1).astype(float)


def test_boxes_are_followed_past_each_other():
    frame, box = crossing(12)
    following = links(frame, box)
    for row, other in enumerate(following):
        if frame[row] == 11 or box[row, 0] == 150:
            assert other == -1
        else:
            assert frame[other] == frame[row] + 1
            assert box[other, 1] == box[row, 1], "the same one of the two"


def test_the_score_is_the_mean_over_the_way():
    frame, box = crossing(12)
    score = np.random.default_rng(0).random(len(frame)).astype(np.float32)
    found = averaged(score, links(frame, box), 3)
    for row in range(len(frame)):
        own = (box[:, 1] == box[row, 1]) & (abs(frame - frame[row]) <= 3)
        assert np.isclose(found[row], score[own].mean())
    assert np.array_equal(averaged(score, links(frame, box), 0), score)


def test_a_missing_frame_ends_the_way():
    frame, box = np.array([0, 1, 3]), np.tile([0.0, 0, 9, 9], (3, 1))
    assert links(frame, box).tolist() == [1, -1, -1]
    assert links(frame[:0], box[:0]).shape == (0,)
