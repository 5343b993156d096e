"""A configuration of made footage and pictures."""

import copy
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from ssmtl import config as tree
from ssmtl.core.digest import ROOT
from ssmtl.planning.jobs import Jobs

CLIPS = {"train": ["a", "b", "c"], "test": ["01", "02", "03", "04", "05"]}
CLASSES = {"train": ["cat", "dog"], "test": ["cat", "dog", "owl"]}

CONFIG = {
    "run": {"datasets": ["yard"], "seeds": [0, 1]},
    "models": {
        "tiny": {"evaluate": {"sigma": 2}},
        "wide": {"train": {"encoder_options": {"width": "wide"}}},
    },
    "datasets": {
        "yard": {
            "reader": "videos",
            "path": "yard",
            "models": ["tiny", "wide"],
            "shards": {"test": 2},
            "exclude": ["04"],
            "detect": {
                "backend": "darknet",
                "weights": "nets/own.weights",
                "backend_options": {"cfg": "nets/own.cfg"},
            },
            "teachers": {"resnet": "random"},
        },
        "boxed": {
            "reader": "videos",
            "path": "yard",
            "models": ["tiny"],
            "boxes": {"test": "boxes/test's.csv"},
            "detect": {"backend": "imported"},
            "from_frames": True,
        },
        "given": {
            "reader": "videos",
            "path": "yard",
            "models": ["tiny"],
            "released": {"tiny": "taken/tiny"},
        },
        "rendered": {
            "reader": "demo",
            "models": ["tiny"],
            "options": {
                "seed": 0,
                "train_clips": 2,
                "test_clips": 2,
                "train_frames": 30,
                "test_frames": 30,
            },
        },
    },
    "image_datasets": {
        "pets": {"reader": "image_folder", "path": "pets", "models": ["tiny"], "others": ["toys"]},
        "toys": {"reader": "image_folder", "path": "pets", "models": ["tiny"]},
    },
}


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """A folder with footage and pictures, the working directory of the test."""
    monkeypatch.chdir(tmp_path)
    picture = np.zeros((8, 8, 3), np.uint8)
    for split, names in CLIPS.items():
        for name in names:
            folder = tmp_path / "yard" / split / name
            folder.mkdir(parents=True)
            cv2.imwrite(str(folder / "0.png"), picture)
    for split, names in CLASSES.items():
        for name in names:
            folder = tmp_path / "pets" / split / name
            folder.mkdir(parents=True)
            cv2.imwrite(str(folder / "0.png"), picture)
    released = tmp_path / "taken/tiny"
    released.mkdir(parents=True)
    card = json.loads((ROOT.parent / "models/demo-best/model.json").read_text())
    (released / "model.json").write_text(json.dumps(card | {"seed": 7}))
    return tmp_path


@pytest.fixture
def planned(project):
    """`planned(change)`: the jobs of the configuration after a change of it."""

    def made(change=lambda config: None) -> Jobs:
        config = copy.deepcopy(CONFIG)
        change(config)
        tree.check(config)
        return Jobs(tree.seeded(config))

    return made
