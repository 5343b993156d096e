"""One undisturbed run of the toy pipeline; every test works on a copy of it."""

import pytest
from toy import Project


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Project:
    """A toy project with everything built; not to be changed."""
    project = Project.make(tmp_path_factory.mktemp("toy") / "finished")
    project.build()
    return project


@pytest.fixture
def project(finished, tmp_path) -> Project:
    """A copy of the finished project."""
    return finished.copied(tmp_path / "project")
