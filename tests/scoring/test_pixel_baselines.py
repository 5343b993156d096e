"""The pixel baselines: known distances, nothing of the test used, clear errors."""

import json

import made_files
import numpy as np
import pytest

from ssmtl.core import store
from ssmtl.core.errors import InputError
from ssmtl.scoring.pixel_baselines import COLUMNS, PixelBaselines, vectors, write_pixel_baselines


def write_images(path, classes, size=8):
    """images.h5 with the pictures uint8 (N, S, S, 3) of every class."""
    pictures = {name: found[:, None] for name, found in classes.items()}
    return made_files.write_images(path, pictures, settings={"size": size})


def read_scores(path):
    with store.read(path, "scores") as file:
        assert json.loads(file.attrs["columns"]) == list(COLUMNS)
        return {name: {c: group[c][:] for c in COLUMNS} for name, group in file.items()}


def noise(count, low=0, high=256, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(low, high, (count, 8, 8, 3), dtype=np.uint8)


def test_nearest_is_the_root_mean_square_difference():
    training = np.stack([np.full((8, 8, 3), v, np.uint8) for v in (0, 51, 255)])
    pictures = np.stack([np.full((8, 8, 3), v, np.uint8) for v in (0, 102, 204)])
    scores = PixelBaselines(vectors(training[:, None])).scores(vectors(pictures[:, None]))
    assert scores["nearest"] == pytest.approx([0, 0.2, 0.2], abs=1e-4)
    # Grey pictures of one value lie on one line, which is the subspace.
    assert scores["pca"] == pytest.approx([0, 0, 0], abs=1e-4)


def test_pca_is_the_distance_from_the_subspace():
    """Training pictures vary in the upper half alone; what a lower half adds is all error."""
    training = np.zeros((40, 8, 8, 3), np.uint8)
    training[:, :4] = np.linspace(0, 250, 40).astype(np.uint8)[:, None, None, None]
    picture = training[20:21].copy()
    picture[:, 4:] = 51
    baselines = PixelBaselines(vectors(training[:, None]))
    scores = baselines.scores(vectors(np.stack([training[20:21], picture])))
    assert scores["pca"] == pytest.approx([0, 0.2 * np.sqrt(0.5)], abs=1e-4)


def test_either_solver_finds_the_same_subspace():
    flat = vectors(noise(300)[:, None])[:, :150]
    many, few = PixelBaselines(flat), PixelBaselines(flat[:100])
    for baselines, rows in ((many, flat), (few, flat[:100])):
        centred = rows - rows.mean(0)
        _, values, axes = np.linalg.svd(centred.astype(float), full_matrices=False)
        share = np.cumsum(values**2) / np.sum(values**2)
        axes = axes[: np.searchsorted(share, 0.95) + 1]
        rest = centred - centred @ axes.T @ axes
        expected = np.sqrt((rest**2).mean(1))
        assert baselines.scores(rows)["pca"] == pytest.approx(expected, abs=1e-3)


def test_written_scores_have_the_rows_of_the_pictures(tmp_path):
    train = write_images(tmp_path / "train.h5", {"cat": noise(30, 0, 60), "dog": noise(9, 190)})
    test = {"cat": noise(5, 0, 60, seed=1), "cow": noise(0), "dog": noise(4, 190, seed=1)}
    test = write_images(tmp_path / "test.h5", test)
    options = {"train": train, "test": test}
    write_pixel_baselines(tmp_path / "cat.h5", groups=["cat"], **options)
    write_pixel_baselines(tmp_path / "all.h5", groups=None, **options)
    of_cat, of_all = read_scores(tmp_path / "cat.h5"), read_scores(tmp_path / "all.h5")
    assert {name: len(scores["pca"]) for name, scores in of_cat.items()} == {
        "cat": 5, "cow": 0, "dog": 4,
    }  # fmt: skip
    for column in COLUMNS:
        assert of_cat["cat"][column].max() < of_cat["dog"][column].min() <= 1
        assert of_all["dog"][column].max() < of_cat["dog"][column].min()


def test_test_pictures_change_no_other_score(tmp_path):
    train = write_images(tmp_path / "train.h5", {"cat": noise(30)})
    for name, count in (("few", 3), ("more", 20)):
        test = write_images(tmp_path / f"{name}.h5", {"cat": noise(count, seed=1)})
        write_pixel_baselines(
            tmp_path / f"scores_{name}.h5", train=train, groups=["cat"], test=test
        )
    few, more = (read_scores(tmp_path / f"scores_{n}.h5")["cat"] for n in ("few", "more"))
    for column in COLUMNS:
        assert few[column] == pytest.approx(more[column][:3], abs=1e-6)


def test_the_extremes_stay_in_range():
    """Black against white is the largest distance there is."""
    training = np.zeros((3, 1, 8, 8, 3), np.uint8)
    training[0, 0, 0, 0, 0] = 1
    scores = PixelBaselines(vectors(training)).scores(np.ones((1, 192), np.float32))
    for column in COLUMNS:
        assert 0.98 < scores[column][0] <= 1


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_equal_training_pictures():
    """They vary nowhere, so the subspace is a point, or any one line through it."""
    same = np.full((4, 1, 8, 8, 3), 100, np.uint8)
    scores = PixelBaselines(vectors(same)).scores(vectors(np.full_like(same[:1], 151)))
    assert scores["pca"] == pytest.approx([0.2], abs=0.02)


def test_large_pictures_are_averaged_down():
    checks = np.indices((64, 64)).sum(0) % 2 * 200
    cubes = np.repeat(checks[None, None, :, :, None], 3, axis=4).astype(np.uint8)
    assert vectors(cubes) == pytest.approx(np.full((1, 32 * 32 * 3), 100 / 255))


def test_bad_input(tmp_path):
    train = write_images(tmp_path / "train.h5", {"cat": noise(3), "dog": noise(1)})
    test = write_images(tmp_path / "test.h5", {"cat": noise(3)})
    large = write_images(tmp_path / "large.h5", {"cat": noise(3)}, size=16)
    for groups, pictures, message in (
        (["cow"], test, "no class cow; there are cat, dog"),
        (["dog"], test, "1 training pictures of dog"),
        (["cat"], large, "pictures of 16 pixels"),
    ):
        with pytest.raises(InputError, match=message):
            write_pixel_baselines(tmp_path / "out.h5", train=train, groups=groups, test=pictures)
        assert not (tmp_path / "out.h5").exists()
