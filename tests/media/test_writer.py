"""Video in the making: its times, and the same bytes on any machine."""

import hashlib
import os
import subprocess
import sys

import av
import numpy as np
import pytest

from ssmtl.media.writer import VideoWriter

SCRIPT = """
import sys
from pathlib import Path
import numpy as np
from ssmtl.media import drawing
from ssmtl.media.writer import VideoWriter
rng = np.random.default_rng(0)
score, ground = rng.random(40), rng.integers(0, 255, (96, 480, 3), np.uint8)
curve = drawing.Curve(480, score, score[::-1], score > 0.8)
with VideoWriter(Path(sys.argv[1]), 25) as video:
    for number in range(40):
        video.write(np.concatenate((np.roll(ground, number, 1), curve.at(number))))
"""


def test_bytes_do_not_depend_on_the_cores_of_the_machine(tmp_path):
    digests = set()
    for cores in (os.sched_getaffinity(0), {min(os.sched_getaffinity(0))}):
        path = tmp_path / f"{len(cores)}.mp4"
        subprocess.run(
            [sys.executable, "-c", SCRIPT, str(path)],
            check=True,
            preexec_fn=lambda cores=cores: os.sched_setaffinity(0, cores),
        )
        digests.add(hashlib.sha256(path.read_bytes()).hexdigest())
    assert len(digests) == 1


@pytest.mark.parametrize("name", ["a.mp4", "12:30:05.mp4"])
def test_pictures_are_shown_at_their_times(tmp_path, name):
    times = [0, 0.04, 0.08, 0.5, 1.7]
    with VideoWriter(tmp_path / name, 25) as video:
        for number, time in enumerate(times):
            video.write(np.full((32, 48, 3), 40 * number, np.uint8), time)
    with av.open(f"file:{tmp_path / name}") as container:
        found = [float(f.pts * f.time_base) for f in container.decode(video=0)]
    assert found == pytest.approx(times, abs=1e-3)


def test_a_writer_that_fails_leaves_nothing(tmp_path):
    with pytest.raises(IndexError), VideoWriter(tmp_path / "a.mp4", 25) as video:
        video.write(np.zeros((32, 48, 3), np.uint8))
        video.write(np.zeros((1, 1, 3), np.uint8))
    assert not list(tmp_path.iterdir())
