"""Motion per usual step: what the times between frames make of it."""

import numpy as np
import pytest
import torch

from ssmtl.media import motion


def factor(step, usual):
    return motion.factor(torch.tensor(step), torch.tensor(usual)).tolist()


@pytest.mark.parametrize("fps", [5, 12.5, 24, 25, 29.97, 30, 50, 60, 120, 240])
@pytest.mark.parametrize("digits", [3, 6])
def test_at_a_constant_rate_it_is_exactly_one(fps, digits):
    """Whichever digits the time stamps have, and whichever step is the usual one."""
    time = np.round(np.arange(200) / fps, digits)
    step = torch.from_numpy(motion.steps(time, np.arange(199)))
    for usual in (step.min(), step.median(), step.max()):
        assert (motion.factor(step, usual) == 1).all()


def test_it_is_the_ratio_of_the_steps():
    assert factor([0.02, 0.08, 0.4, 8.0], 0.04) == pytest.approx([2, 0.5, 0.1, 0.005])


def test_what_is_too_close_together_or_not_known():
    assert factor([0.001, 0.004], 0.04) == [motion.MOST] * 2
    assert factor([0.0, 0.04], 0.04) == [1, 1] and factor([0.04, 0.0], 0.0) == [1, 1]


def test_steps_are_those_behind_the_frames_of_the_objects():
    time = np.array([0, 0.5, 0.6, 1.0])
    found = motion.steps(time, np.array([0, 0, 2, 1]))
    assert found.dtype == np.float32 and found.shape == (4, 1)
    assert found[:, 0] == pytest.approx([0.5, 0.5, 0.4, 0.1])
