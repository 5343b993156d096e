"""The wheel, installed outside of any checkout: what its commands do in an empty folder.

The new environment has the wheel and nothing else of its own; the libraries are those of the
environment that runs the tests, which were installed from the lock.
"""

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
OPTIONS = {
    "seed": 0, "split_role": "test",
    "train_clips": 4, "train_frames": 40, "test_clips": 2, "test_frames": 60,
}  # fmt: skip
SMALL = {
    "run": {"datasets": ["demo"], "seeds": [0]},
    "models": {"best": {"train": {"cubes_seen": 64, "batch": 8, "validations": 2}}},
    "datasets": {
        "demo": {
            "reader": "demo",
            "options": OPTIONS,
            "models": ["best"],
            "detect": {
                "weights": "workflow/models/demo-detector.pt",
                "image_size": 320,
                "confidence": 0.4,
            },
            "cubes": {"size": 32, "train_stride": 8},
            "teachers": {"resnet": "random", "resnet_size": 64},
        }
    },
}


def call(*words: object, folder: Path) -> subprocess.CompletedProcess:
    """A command that must succeed, without a trace of the checkout in its environment."""
    kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(
        [str(word) for word in words],
        cwd=folder,
        env=kept | {"OMP_NUM_THREADS": "1"},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    return done


@pytest.fixture(scope="session")
def ssmtl(tmp_path_factory) -> Path:
    """The installed command."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")
    quick = ("--no-deps", "--no-build-isolation", "--no-index")
    call(*pip, "wheel", *quick, "--wheel-dir", folder, ROOT, folder=folder)
    call(sys.executable, "-m", "venv", "--without-pip", folder / "venv", folder=folder)
    python = folder / "venv/bin/python"
    (wheel,) = folder.glob("ssmtl-*.whl")
    call(*pip, "--python", python, "install", "--no-deps", "--no-index", wheel, folder=folder)
    own = call(
        python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", folder=folder
    )
    # Folders that a .pth names are searched last, and their own .pth files are not read.
    Path(own.stdout.strip(), "lock.pth").write_text(sysconfig.get_path("purelib"))
    found = call(python, "-c", "import ssmtl; print(ssmtl.__file__)", folder=folder).stdout
    assert Path(found.strip()).is_relative_to(folder)
    return folder / "venv/bin/ssmtl"


@pytest.fixture(scope="session")
def ran(ssmtl, tmp_path_factory) -> Path:
    """A folder that had nothing but a small config.yaml, after `ssmtl run demo`."""
    folder = tmp_path_factory.mktemp("empty")
    (folder / "config.yaml").write_text(yaml.safe_dump(SMALL))
    targets = ("demo", "results/demo/watcher/best/seed0/watcher.json")
    said = call(ssmtl, "run", *targets, "--cores", 2, folder=folder).stdout
    assert "results/demo/report.html" in said.splitlines()
    return folder


def test_the_packages_own_config_plans_the_demo(ssmtl, tmp_path):
    """All of it, with the settings, detector and released model in the package."""
    for target in ("demo", "demo_released", "digits"):
        said = call(ssmtl, "run", target, "--dry-run", folder=tmp_path).stdout
        assert "total" in said
    assert not (tmp_path / "results").exists()


def test_run_makes_the_report_in_an_empty_folder(ran):
    html = (ran / "results/demo/report.html").read_text()
    assert "<title>" in html and len(html) > 1e6
    metrics = json.loads((ran / "results/demo/models/best/seed0/metrics.json").read_text())
    assert metrics["frames"] == 120 and metrics["scores"]


def test_watch_scores_a_rendered_clip(ssmtl, ran):
    source = next((ran / "data/demo/test").iterdir())
    watcher = "results/demo/watcher/best/seed0"
    words = ("watch", source, "--model", watcher, "--output", "events", "--scores")
    said = call(ssmtl, *words, folder=ran).stdout
    assert "60 frames" in said
    assert len((ran / "events/frames.csv").read_text().splitlines()) == 61


def test_learn_makes_a_watcher(ssmtl, ran, tmp_path):
    (tmp_path / "small.yaml").write_text(
        yaml.safe_dump(
            {
                "cubes": {"train_stride": 8},
                "train": {"cubes_seen": 64, "batch": 8, "validations": 2},
            }
        )
    )
    network = ("--weights", "workflow/models/demo-detector.pt", "--image-size", 320)
    words = ("learn", ran / "data/demo/train", "--output", "yard", "--config", "small.yaml")
    said = call(ssmtl, *words, *network, "--cores", 2, folder=tmp_path).stdout
    assert "yard is ready" in said and (tmp_path / "yard/watcher.json").is_file()
