"""What `ssmtl plan` tells: sizes of the formats, and published data sets that fit a disk."""

from pathlib import Path

import pytest
import yaml

from ssmtl import config as tree
from ssmtl.core.errors import InputError
from ssmtl.planning import volume

CONFIG = yaml.safe_load((Path(__file__).parents[2] / "config.yaml").read_text())


@pytest.mark.parametrize("name", ["avenue", "shanghaitech"])
def test_published_data_sets_stay_below_100_gb(name):
    footage = volume.footage_of(CONFIG, name)
    shares = volume.plan(CONFIG, name, footage, 4.0, "gpu", 1)
    assert sum(share.gigabytes for share in shares) < 100
    shards = tree.dataset(CONFIG, name)["shards"]
    twice = max(s.gigabytes / shards[s.split] for s in shares)
    assert sum(share.gigabytes for share in shares) + twice < 100


def test_cubes_take_what_their_pixels_take():
    given = {"datasets": {"x": {"reader": "videos"}}}
    film = volume.Footage(2, 1000, 10**6, 360 * 240, True)
    shares = volume.plan(given, "x", {"train": film, "test": film}, 5.0, "cpu", 2)
    found = {(share.stage, share.split): share for share in shares}
    assert found["cubes", "train"].items == found["cubes", "test"].items == 5000
    assert found["cubes", "train"].gigabytes == pytest.approx(5000 * 25 * 64 * 64 * 3 / 1e9)
    assert found["cubes", "test"].gigabytes == pytest.approx(5000 * 7 * 64 * 64 * 3 / 1e9)
    assert found["frames", "test"].gigabytes == pytest.approx(0.001)  # images are copied
    assert found["teachers", "train"].gigabytes == pytest.approx(5000 * 4 * 1080 / 1e9)
    one = volume.plan(given, "x", {"test": film}, 5.0, "cpu", 1)
    assert sum(s.hours for s in one) == pytest.approx(
        2 * sum(s.hours for s in shares if s.split == "test")
    )
    thin = {"datasets": {"x": {"reader": "videos", "cubes": {"train_max": 10}}}}
    [cubes] = [
        s for s in volume.plan(thin, "x", {"train": film}, 5.0, "cpu", 1) if s.stage == "cubes"
    ]
    assert cubes.items == 20


def test_a_data_set_that_there_is_not_is_refused():
    with pytest.raises(InputError, match=r"no data set of video 'nowhere'.*demo"):
        volume.footage_of(CONFIG, "nowhere")
