"""`ssmtl export`: a trained model as a file for other programs."""

import logging
from pathlib import Path

import torch

from ssmtl.core.errors import InputError
from ssmtl.engines import export as engine
from ssmtl.learning import model as models
from ssmtl.scoring.objects import Scores

log = logging.getLogger(__name__)


def export_model(output: Path, *, model: Path, format: str, reduction: str) -> None:
    """Writes the network that scores objects, and compares it with torch.

    It takes `cubes` uint8 (N, 2t+1, S, S, 3) and, of video, `class_probs` float32 (N, C), and gives
    the score of each task by name, float32 (N,). InputError for a model that cannot be exported.
    """
    network, card = models.load(model, {"distillation": {"reduction": reduction}})
    spec = card["spec"]
    cube = (2 * spec["radius"] + 1, spec["size"], spec["size"], 3)
    inputs = {"cubes": engine.random_like(cube, torch.uint8)}
    if "distillation" in network.tasks:
        inputs["class_probs"] = engine.random_like((len(spec["classes"]),), torch.float32)
    if measured := getattr(network, "measured", ()):
        raise InputError(
            f"{model}: its tasks need {', '.join(measured)} of every object, which other programs "
            "do not have; export a model without them"
        )
    scores = Scores(network.requires_grad_(False), list(inputs)[1:])
    far = engine.export(scores, inputs, list(network.tasks), output, format)
    log.info("%s: %s, at most %.1e from torch in %d trials", output, format, far, engine.COMPARED)
