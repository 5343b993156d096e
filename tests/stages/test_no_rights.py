"""A file that may not be read is not damaged: one line with its name and the right remedy.

Root may read everything, so the commands run without its privileges, in a process of their own.
"""

import os
import shutil

import pytest
from apart import run_apart
from footage import X_SHARD, leftovers

AS_A_USER = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"]
LIMITED = """
import os

@contextlib.contextmanager
def limited(limit):
    path, mode = limit
    before = os.stat(path).st_mode
    os.chmod(path, mode)
    yield
    os.chmod(path, before)
"""


def commands(our, folder) -> dict[str, tuple]:
    """What may not be read or written, its mode, and a command that needs it."""
    root, manifest = our.root, ("--manifest", our.manifest)
    frames, found = our.path("frames"), our.path("detections")
    cubes, teachers = our.path("cubes"), our.path("teachers")
    test = [(f"--{s}", our.path(s, "test", X_SHARD)) for s in ("cubes", "teachers")]
    reader = ("--dataset", "tiny", "--reader", "videos", "--path", root)
    boxes = ("--backend", "imported", "--boxes", root / "train.csv")
    list_all = ("manifest", folder / "m.csv", *reader)
    extract = ("frames", folder / "f.h5", *manifest, "--split", "train")
    detect = ("detect", folder / "d.h5", "--frames", frames, *boxes)
    crop = ("cubes", folder / "c.h5", "--frames", frames, "--detections", found, "--split", "train")
    score = ("score", folder / "s.h5", "--model", our.weights, *sum(test, ()))
    train = ("train", folder / "model", "--cubes", cubes, "--teachers", teachers, *our.train)
    evaluate = ("evaluate", folder / "m.json", folder / "t.csv", *manifest, "--dataset", "tiny")
    shut = folder / "shut"
    shut.mkdir()
    return {
        "labels": (root / "labels.csv", 0, list_all),
        "frame": (sorted((root / "train/a").glob("*"))[3], 0, extract),
        "folder": (root / "train/b", 0, extract),
        "video": (root / "train/film.avi", 0, extract),
        "manifest": (our.manifest, 0, extract),
        "boxes": (root / "train.csv", 0, detect),
        "frames": (frames, 0, detect),
        "detections": (found, 0, crop),
        "cubes": (cubes, 0, train),
        "teachers": (teachers, 0, train),
        "weights": (our.weights, 0, score),
        "card": (our.weights.with_suffix(".json"), 0, score),
        "scores": (our.scores()[0], 0, (*evaluate, "--scores", *our.scores())),
        "table": (our.metrics[1], 0, ("figures", folder / "roc.svg", "--run-folder", our.model)),
        "metrics": (our.metrics[0], 0, ("show", our.metrics[0])),
        "output": (shut, 0o555, ("manifest", shut / "m.csv", *reader)),
        "output of a stage": (shut, 0o555, ("frames", shut / "x" / "f.h5", *extract[2:])),
    }


def test_what_may_not_be_read_or_written_is_named(copy, tmp_path):
    user = AS_A_USER if os.geteuid() == 0 else []
    if user and not shutil.which("setpriv"):
        pytest.skip("root may do everything, and there is no setpriv")
    folder = tmp_path / "out"
    folder.mkdir()
    jobs = commands(copy, folder)
    limits = [((str(path), mode), line) for path, mode, line in jobs.values()]
    answers = run_apart(LIMITED, limits, user)
    for (what, (path, *_)), (status, said) in zip(jobs.items(), answers, strict=True):
        assert status == 2, (what, status, said)
        assert said.count("\n") == 1 and said.startswith("error: "), (what, said)
        assert "permission denied; give this user the right" in said, (what, said)
        assert path.name in said, (what, said)
        assert not {"truncated", "corrupt", "damaged", "delete", "fetch"} & {*said.split()}, said
    assert not leftovers(tmp_path)
