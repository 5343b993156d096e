"""The threads between pictures and scores."""

import time
from types import SimpleNamespace

import numpy as np
import torch

from ssmtl.core.threads import Prefetcher
from ssmtl.watching import stream


def test_what_is_being_detected_as_the_stream_ends_is_waited_for(monkeypatch):
    def slow(detector, batch, **limits):
        time.sleep(0.05)
        return [len(batch)] * len(batch)

    monkeypatch.setattr(stream.detection, "detect", slow)
    settings = {"batch": 1, "confidence": 0.5, "iou": 0.5, "max_boxes": 9}
    scorer = SimpleNamespace(
        detector=SimpleNamespace(batch=1), settings={"detect": settings}, device=torch.device("cpu")
    )
    pictures = [np.zeros((8, 8, 3), np.uint8)] * 12
    with Prefetcher(iter(pictures), 32) as decoded:
        found = [batch.found.result() for batch in stream.detected(decoded, scorer)]
        assert len(found) == 12
    with Prefetcher(iter(pictures), 32) as decoded:
        batches = list(stream.detected(decoded, scorer))  # all of them, before any is asked for
        assert [len(batch.found.result()) for batch in batches] == [1] * 12
