"""The examples for cameras: what they name is there, and the file is one that is taken."""

import configparser
from pathlib import Path

import yaml

from ssmtl.watching import cameras

EXAMPLES = Path(__file__).parents[2] / "examples/cameras"


def secrets() -> dict[str, str]:
    text = (EXAMPLES / "secrets.example").read_text()
    return dict(line.split("=", 1) for line in text.splitlines())


def test_the_file_of_cameras_is_taken(monkeypatch):
    for name, value in secrets().items():
        monkeypatch.setenv(name, value)
    plan = cameras.read(EXAMPLES / "cameras.yaml")
    for name, camera in plan.cameras.items():
        place = cameras.place_of(name, camera)
        assert place.url == secrets()[name.upper()] and "password" not in place.name
        assert cameras.model_of(plan, name).name in ("yard", "roof")
        assert cameras.settings_of(plan, camera).after == 3.0


def test_unit_and_compose_run_it():
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str
    unit.read(EXAMPLES / "ssmtl.service")
    assert unit["Service"]["ExecStart"].endswith("ssmtl cameras cameras.yaml")
    (service,) = yaml.safe_load((EXAMPLES / "compose.yaml").read_text())["services"].values()
    assert service["command"] == "cameras cameras.yaml" and service["env_file"] == "secrets"
