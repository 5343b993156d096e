"""The tiny data set and its finished pipeline, made once; copies of it to spoil."""

import shutil

import pytest
import torch
from footage import Pipeline, leftovers, write_dataset


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def dataset(tmp_path_factory):
    root = tmp_path_factory.mktemp("tiny")
    write_dataset(root)
    return root


@pytest.fixture(scope="session")
def done(dataset, tmp_path_factory, one_thread):
    """The pipeline with all files; tests only read it."""
    return Pipeline(dataset, tmp_path_factory.mktemp("results")).make_all()


@pytest.fixture
def copy(done, tmp_path):
    """A copy of the finished pipeline and its data set, for one test to change."""
    shutil.copytree(done.root, tmp_path / "data")
    shutil.copytree(done.results, tmp_path / "results")
    ours = Pipeline(tmp_path / "data", tmp_path / "results")
    ours.manifest.write_text(ours.manifest.read_text().replace(str(done.root), str(ours.root)))
    return ours


@pytest.fixture
def refused(capfd):
    """Runs what must be refused; returns its one line. Nothing half-written may be left."""

    def call(function, *arguments, absent=(), within=None) -> str:
        with pytest.raises(SystemExit) as stop:
            function(*arguments)
        said = capfd.readouterr().err
        assert stop.value.code == 2, said
        lines = said.splitlines()
        assert len(lines) == 1, said
        assert lines[0].startswith("error: ")
        for path in absent:
            assert not path.exists(), f"{path} was written"
        if within:
            assert not leftovers(within)
        return lines[0].removeprefix("error: ")

    return call
