"""A disk that fills up: one line and status 2, nothing half-written, and the tool ends cleanly.

A limit on the size of files stands in for the disk: the error differs in its number only. It is
set in a process of its own, since HDF5 may crash on a failed write, and after all imports, so
that it never cuts short what Python itself writes, such as compiled modules.
"""

import pytest
from apart import run_apart
from footage import X_SHARD, leftovers

from ssmtl.core import store
from ssmtl.core.errors import InputError

LIMITED = """
import resource

import pandas, safetensors.torch, torch
import ssmtl.stages.cubes, ssmtl.evaluation.evaluate, ssmtl.stages.frames
import ssmtl.scoring.stage, ssmtl.learning.training
from ssmtl.learning import tasks

torch.set_num_threads(1)
for task in tasks.available():
    tasks.load(task)
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]

@contextlib.contextmanager
def limited(limit):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
"""


def commands(done, folder) -> list[tuple[int, list]]:
    """(bytes a file may have, arguments): from the first byte on, inside a clip, when merging."""
    train = ("--cubes", done.path("cubes"), "--teachers", done.path("teachers"))
    test = [(f"--{stage}", done.path(stage, "test", X_SHARD)) for stage in ("cubes", "teachers")]
    inputs = ("--frames", done.path("frames"), "--detections", done.path("detections"))
    manifest = ("--manifest", done.manifest)
    stages = {
        "frames": ("frames.h5", *manifest, "--split", "train"),
        "cubes": ("cubes.h5", *inputs, "--split", "train", *done.cubes),
        "train": ("model", *train, *done.train),
        "score": ("0.h5", "--model", done.weights, *sum(test, ())),
        "evaluate": ("m.json", folder / "m.csv", *manifest, "--dataset", "tiny", "--scores"),
    }
    limits = {
        "frames": (1_000, 20_000, 60_000),
        "cubes": (3_000, 300_000, 2_000_000),
        "train": (10, 3_000, 100_000),
        "score": (100, 3_000),
        "evaluate": (50,),
    }
    found = []
    for stage, (name, *arguments) in stages.items():
        scores = done.scores() if stage == "evaluate" else []
        for limit in limits[stage]:
            output = folder / f"{stage}-{limit}" / name
            found.append((limit, [stage, output, *arguments, *scores]))
    return found


def test_every_stage_on_a_full_disk(done, tmp_path):
    jobs = commands(done, tmp_path)
    answers = run_apart(LIMITED, jobs)
    for (limit, (stage, *_)), (status, said) in zip(jobs, answers, strict=True):
        assert status == 2, (stage, limit, status, said)
        assert said.count("\n") == 1 and said.startswith("error: "), (stage, limit, said)
        assert "the disk or quota is full; free some space and run again" in said
        assert f"{stage}-{limit}" in said or stage == "evaluate"
    assert not leftovers(tmp_path)
    whole = {path.name for path in tmp_path.rglob("*.*") if path.is_file()}
    assert not whole & {"frames.h5", "cubes.h5", "0.h5", "m.json", "m.csv"}
    assert not whole & {"model.safetensors", "model.json", "state.pt"}


def test_the_clips_finished_before_are_used_when_there_is_room_again(done, tmp_path, caplog):
    """A merge that fails keeps the clips; the next run only merges them."""
    output = tmp_path / "file.h5"
    with store.Parts(output, "cubes", {}) as parts, parts.write("a", "mark") as group:
        group["x"] = [1, 2]
    with store.Parts(output, "cubes", {}) as parts:
        assert parts.has("a", "mark")
        with pytest.MonkeyPatch.context() as patch, pytest.raises(InputError, match="full"):
            patch.setattr(store, "create", full)
            parts.merge()
    assert not output.exists() and not leftovers(tmp_path)
    with store.Parts(output, "cubes", {}) as parts:
        assert parts.has("a", "mark")
        parts.merge()
    with store.read(output, "cubes") as file:
        assert file["a"]["x"][:].tolist() == [1, 2]
    assert not (tmp_path / ".parts").exists()


def full(*_, **__):
    raise InputError("the disk is full")


def test_what_had_but_to_be_merged_is_the_same_file(copy, monkeypatch):
    """Nothing is computed any more; what the file says of how it was is the same all the same."""
    makers = {
        "frames": copy.make_frames,
        "detections": copy.make_detections,
        "cubes": copy.make_cubes,
        "teachers": copy.make_teachers,
        "features": lambda *which: copy.make_features(*which, "--network", "random", "--size", 32),
    }
    for stage, make in makers.items():
        made_twice(copy.path(stage, "train", 0), make, monkeypatch)


def made_twice(output, make, monkeypatch) -> None:
    """Makes a file at once, and again with a merge that fails at first: the same bytes."""
    output.unlink(missing_ok=True)
    make("train", 0)
    whole = output.read_bytes()
    output.unlink()
    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(store.Parts, "merge", full)
        make("train", 0)
    make("train", 0)
    assert output.read_bytes() == whole, output


def test_a_file_says_what_computed_its_rows_where_an_engine_could_not(copy, monkeypatch):
    """Also where nothing is left to be computed, so that nothing is found out about the engine."""
    openvino = pytest.importorskip("ssmtl.engines.openvino")

    def fails(*_):
        raise RuntimeError("no such operation")

    monkeypatch.setattr(openvino, "compiled", fails)
    makers = {
        "teachers": copy.make_teachers,
        "features": lambda *which: copy.make_features(*which, "--network", "random", "--size", 32),
    }
    for stage, make in makers.items():
        made_twice(copy.path(stage, "train", 0), make, monkeypatch)
        with store.read(copy.path(stage, "train", 0), stage) as file:
            assert store.attribute(file, "computed") == "float32 by torch", stage
