"""Files between the stages: complete or absent, resumable, and held by one process at a time."""

import errno
import os
import subprocess
import sys
import threading
import time

import h5py
import numpy as np
import pytest

from ssmtl.core import store
from ssmtl.core.errors import InputError


def content(folder) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_a_file_appears_when_the_block_ends(tmp_path):
    path = tmp_path / "deep" / "file.txt"
    with store.replacing(path) as temporary:
        temporary.write_text("new")
        assert temporary.parent == path.parent and not path.exists()
    assert path.read_text() == "new"
    assert content(path.parent) == {"file.txt"}


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_failure_leaves_the_old_file_and_no_other(tmp_path, error):
    path = tmp_path / "file.txt"
    path.write_text("old")
    with pytest.raises(error), store.replacing(path) as temporary:
        temporary.write_text("half of the n")
        raise error
    assert path.read_text() == "old"
    assert content(tmp_path) == {"file.txt"}


def test_a_folder_can_be_replaced_too(tmp_path):
    with pytest.raises(ValueError), store.replacing(tmp_path / "folder") as temporary:
        temporary.mkdir()
        (temporary / "a").touch()
        raise ValueError
    assert content(tmp_path) == set()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_named_even_as_the_cause_of_another_error(tmp_path, number):
    path = tmp_path / "file.h5"
    words = r"file\.h5: the disk or quota is full; free some space"
    with pytest.raises(InputError, match=words), store.replacing(path):
        try:
            raise OSError(number, os.strerror(number))
        except OSError as error:
            raise RuntimeError("unexpected position") from error


def test_other_errors_are_not_taken_for_a_full_disk(tmp_path):
    with pytest.raises(PermissionError), store.replacing(tmp_path / "file"):
        raise PermissionError(errno.EACCES, "no")


def test_what_is_created_can_be_read_and_says_what_made_it(tmp_path):
    path = tmp_path / "file.h5"
    with store.create(path, "cubes", {"size": 64, "scale": 1.0}, radius=3) as file:
        file["a/x"] = np.arange(5)
    with store.read(path, "cubes") as file:
        assert file["a/x"][:].tolist() == [0, 1, 2, 3, 4]
        assert store.settings_of(file) == {"size": 64, "scale": 1.0}
        assert file.attrs["radius"] == 3 and file.attrs["ssmtl"]


def test_equal_content_gives_equal_bytes(tmp_path):
    for name in ("one.h5", "two.h5"):
        with store.create(tmp_path / name, "cubes", {"b": 1, "a": 2}) as file:
            for start in range(0, 90, 30):
                store.write_rows(file.require_group("clip"), "x", np.arange(start, start + 30))
        time.sleep(0.01)
    assert (tmp_path / "one.h5").read_bytes() == (tmp_path / "two.h5").read_bytes()


def test_a_failed_creation_leaves_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError), store.create(tmp_path / "file.h5", "cubes") as file:
        file["x"] = np.arange(10)
        raise ZeroDivisionError
    assert content(tmp_path) == set()


def test_rows_written_in_parts_are_those_written_at_once(tmp_path):
    rows = np.random.default_rng(0).integers(0, 255, (300, 5, 3), np.uint8)
    with store.create(tmp_path / "file.h5", "cubes") as file:
        for start, stop in ((0, 0), (0, 7), (7, 256), (256, 300), (300, 300)):
            store.write_rows(file, "x", rows[start:stop])
        assert file["x"].dtype == np.uint8
        assert (file["x"][:] == rows).all()


def write_foreign(path):
    with h5py.File(path, "w") as file:
        file["x"] = 1


def write_other(path):
    with store.create(path, "frames"):
        pass


def write_truncated(path):
    with store.create(path, "cubes") as file:
        file["x"] = np.arange(10_000)
    path.write_bytes(path.read_bytes()[:-100])


def write_text(path):
    path.write_text("no HDF5 at all")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: None, "no such file; run the stage that makes it"),
        (lambda path: path.touch(), "not a readable HDF5 file"),
        (lambda path: path.mkdir(), "a folder where a file is needed"),
        (write_text, "not a readable HDF5 file"),
        (write_truncated, "not a readable HDF5 file"),
        (write_foreign, "expected an ssmtl file of kind 'cubes', found a foreign HDF5 file"),
        (write_other, "expected an ssmtl file of kind 'cubes', found 'frames'"),
    ],
)
def test_files_that_are_not_what_they_should_be(tmp_path, make, words):
    path = tmp_path / "file.h5"
    make(path)
    with pytest.raises(InputError) as error, store.read(path, "cubes"):
        pass
    assert str(error.value).startswith(f"{path}: ") and words in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_that_another_program_is_writing(tmp_path):
    path = tmp_path / "file.h5"
    program = f"import h5py, sys; f = h5py.File({str(path)!r}, 'w'); print(1, flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        other.stdout.readline()
        words = "another process is writing it"
        with pytest.raises(InputError, match=words), store.read(path, "cubes"):
            pass
        other.communicate("\n")


def test_digests_tell_values_types_and_shapes_apart_and_never_change():
    array = np.arange(6, dtype=np.int32)
    different = [
        array,
        array.astype(np.int64),
        array.reshape(2, 3),
        array[::-1],
        array.tobytes(),
        [0, 1, 2, 3, 4, 5],
        "012345",
        {"a": 1, "b": 2},
        {"a": 1, "b": "2"},
    ]
    assert len({store.digest(value) for value in different}) == len(different)
    assert store.digest({"a": 1, "b": 2}) == store.digest({"b": 2, "a": 1})
    strided = np.arange(12, dtype=np.int32)[::2] // 2
    assert store.digest(strided) == store.digest(array)
    # Finished clips would all be computed again if this changed.
    assert store.digest("clip", {"size": 64}, array) == store.digest("clip", {"size": 64}, array)
    assert store.digest("abc") == "6cc43f858fbb7633"
    assert store.seed_of("abc") == int("ba7816bf", 16)


def make(path, clips: dict[str, int], seen=None) -> None:
    """A stage in small: per clip some numbers, from its seed."""
    with store.Parts(path, "cubes", {"size": 1}) as parts:
        for clip, seed in clips.items():
            if parts.has(clip, f"mark {seed}"):
                continue
            with parts.write(clip, f"mark {seed}") as group:
                if seen is not None:
                    seen.append(clip)
                group["x"] = np.random.default_rng(seed).random(50)
        parts.merge(radius=3)


CLIPS = {"a": 1, "b.c d": 2, "z": 3}


def test_a_resumed_stage_gives_the_same_bytes(tmp_path):
    whole, resumed = tmp_path / "one" / "x.h5", tmp_path / "two" / "x.h5"
    make(whole, CLIPS)
    with pytest.raises(ValueError):
        make(resumed, CLIPS | {"z": -3})  # fails within the third clip: no such seed
    assert not resumed.exists()
    seen = []
    make(resumed, CLIPS, seen)
    assert seen == ["z"]
    assert resumed.read_bytes() == whole.read_bytes()
    assert content(resumed.parent) == {"x.h5"}


def test_the_order_of_clips_is_that_of_the_last_run(tmp_path):
    make(tmp_path / "x.h5", {"a": 1})
    make(tmp_path / "x.h5", CLIPS)
    with store.read(tmp_path / "x.h5", "cubes") as file:
        assert file.attrs["radius"] == 3
        assert store.attribute(file["a"], "fingerprint") == "mark 1"


def test_clips_of_the_output_are_used_again_unless_they_changed(tmp_path):
    path, seen = tmp_path / "x.h5", []
    make(path, CLIPS)
    before = path.read_bytes()
    make(path, CLIPS, seen)
    assert seen == [] and path.read_bytes() == before
    make(path, {**CLIPS, "a": 7, "new": 4}, seen)
    assert seen == ["a", "new"]
    make(path, {"z": 3}, seen)  # the others were removed from the data set
    with store.read(path, "cubes") as file:
        assert list(file) == ["z"]
    assert seen == ["a", "new"]


def test_a_damaged_part_is_computed_again(tmp_path, caplog):
    path, seen = tmp_path / "x.h5", []
    with store.Parts(path, "cubes", {"size": 1}) as parts:
        with parts.write("a", "mark 1") as group:
            group["x"] = np.zeros(50)
        parts.path("a").write_bytes(parts.path("a").read_bytes()[:500])
    make(path, {"a": 1}, seen)
    assert seen == ["a"] and "computing clip a again" in caplog.text


WAITER = """
import sys
from pathlib import Path
from ssmtl.core import store
print("ready", flush=True)
with store.locked(Path(sys.argv[1])):
    print("mine", flush=True)
    sys.stdin.readline()
"""


def test_a_second_process_waits_for_the_first(tmp_path):
    folder = tmp_path / "state"
    with subprocess.Popen(
        [sys.executable, "-c", WAITER, folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert [other.stdout.readline() for _ in range(2)] == ["ready\n", "mine\n"]
        entered = threading.Event()

        def enter():
            with store.locked(folder):
                entered.set()

        waiting = threading.Thread(target=enter)
        waiting.start()
        assert not entered.wait(0.3), "two processes work in one folder"
        other.communicate("go on\n")
        assert entered.wait(10)
        waiting.join()


def test_a_killed_process_gives_the_folder_free(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", WAITER, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        other.stdout.readline(), other.stdout.readline()
        other.kill()
        with store.locked(tmp_path):
            pass


def test_waiting_for_a_folder_that_the_other_process_removes(tmp_path):
    """The first process finished and removed its folder: the second one locks a new one."""
    folder, entered, order = tmp_path / "parts", threading.Event(), []

    def enter():
        with store.locked(folder):
            order.append(sorted(path.name for path in folder.iterdir()))
            entered.set()

    with store.locked(folder):
        (folder / "a.h5").touch()
        waiting = threading.Thread(target=enter)
        waiting.start()
        assert not entered.wait(0.2)
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
    assert entered.wait(10)
    waiting.join()
    assert order == [["lock"]]


def test_a_file_system_without_locks(tmp_path, monkeypatch, caplog):
    def flock(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(store.fcntl, "flock", flock)
    with store.locked(tmp_path / "folder"):
        assert "no locks on this file system" in caplog.text
