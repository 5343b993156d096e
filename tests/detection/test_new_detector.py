"""A new detector is one file: its options are settings, and what it finds are the boxes."""

import importlib.util
import sys
from dataclasses import replace

import numpy as np
import pytest

from ssmtl import config, detection
from ssmtl.core.errors import InputError
from ssmtl.detection import darknet
from ssmtl.stages import settings
from ssmtl.stages.settings import Detect

FILE = """
import torch
from pydantic import Field

from ssmtl.core.settings import Settings
from ssmtl.detection.base import Detector


class Options(Settings):
    side: float = Field(10.0, gt=0, description="Of the only box.")


class Corner(Detector):
    def raw(self, images):
        boxes = torch.tensor([0.0, 0.0, self.side, self.side]).expand(len(images), 1, 4)
        return boxes, torch.ones(len(images), 1), torch.ones(len(images), 1, 1)


def load(weights, *, names, image_size, device, precision, engine, side):
    detector = Corner(["corner"], image_size, device)
    detector.side = side
    return detector
"""


@pytest.fixture
def corner(tmp_path, monkeypatch):
    """The file as if it lay in the folder of detectors."""
    path = tmp_path / "corner.py"
    path.write_text(FILE)
    monkeypatch.setattr(settings, "DETECTORS", replace(settings.DETECTORS, folder=tmp_path))
    spec = importlib.util.spec_from_file_location("ssmtl.detection.corner", path)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)


def test_a_new_detector_with_options_is_one_file(corner):
    section = {"backend": "corner", "backend_options": {"side": 8}, "image_size": 64}
    tree = {"datasets": {}, "run": {"datasets": []}, "detect": section}
    values = config.settings(tree, "detect")
    assert values["backend_options"] == {"side": 8.0}
    assert "--backend-options.side 8.0" in config.flags(values)
    detector = detection.load_configured(Detect.parse(values), "cpu")
    picture = np.zeros((64, 64, 3), np.uint8)
    [found] = detection.detect(detector, [picture], confidence=0.5, iou=0.5)
    assert found.box.tolist() == [[0, 0, 8, 8]]
    section["backend_options"] = {"sides": 1}
    with pytest.raises(InputError, match=r"detect\.backend_options; did you mean 'side'"):
        config.settings(tree, "detect")


def test_the_options_that_are_read_are_those_of_the_module():
    read = settings.DETECTORS.options_class("darknet")
    assert read.model_json_schema() == darknet.Options.model_json_schema()
    assert [settings.DETECTORS.options_class(name) for name in ("imported", "ultralytics")] == [
        None,
        None,
    ]
