"""Cubes stored as JPEG go through all stages, and what is made of them is nearly the same."""

import h5py
import numpy as np
from footage import X_SHARD, run

from ssmtl.learning.samples import Samples


def test_scores_of_jpeg_cubes(done, tmp_path):
    inputs = {name: done.path(name, "test", X_SHARD) for name in ("frames", "detections")}
    files = sum(((f"--{name}", path) for name, path in inputs.items()), ())
    cubes, teachers, scores = (tmp_path / f"{n}.h5" for n in ("cubes", "teachers", "scores"))
    run("cubes", cubes, *files, "--split", "test", *done.cubes, "--storage", "jpeg")
    run("teachers", teachers, *files, "--cubes", cubes, "--split", "test")
    where = ("--model", done.weights, "--calibration", done.model / "calibration.h5")
    run("score", scores, *where, "--cubes", cubes, "--teachers", teachers)
    raw, expected = done.path("cubes", "test", X_SHARD), done.scores()[X_SHARD]
    assert cubes.stat().st_size < raw.stat().st_size
    with h5py.File(scores) as a, h5py.File(expected) as b:
        for clip in b:
            np.testing.assert_allclose(a[clip]["combined"], b[clip]["combined"], atol=0.05)
            assert (a[clip]["frame"][:] == b[clip]["frame"][:]).all()
    with h5py.File(cubes) as a, h5py.File(raw) as b:
        assert all(a[clip].attrs["digest"] != b[clip].attrs["digest"] for clip in b)


def test_samples_are_the_decoded_cubes(done, tmp_path):
    files = [(f"--{n}", done.path(n, "train", 0)) for n in ("frames", "detections")]
    cubes, teachers = tmp_path / "cubes.h5", tmp_path / "teachers.h5"
    run("cubes", cubes, *sum(files, ()), "--split", "train", *done.cubes, "--storage", "jpeg")
    small = ("--resnet", "random", "--resnet-size", 32)
    run("teachers", teachers, *sum(files, ()), "--cubes", cubes, "--split", "train", *small)
    with (
        Samples([cubes], [teachers]) as ours,
        Samples([done.path("cubes", "train", 0)], [done.path("teachers", "train", 0)]) as raw,
    ):
        rows = np.random.default_rng(0).permutation(len(ours))[:9]
        assert ours.shape == raw.shape and len(ours) == len(raw)
        apart = ours.read(rows).float() - raw.read(rows).float()
        assert 0 < apart.square().mean().sqrt() < 6
        assert ours.digest != raw.digest
