"""The threads between pictures and scores."""

import time
from types import SimpleNamespace

import numpy as np
import torch
from streams import at_rate

from ssmtl.core.threads import Prefetcher
from ssmtl.scoring.fusion import Calibration
from ssmtl.stages.settings import Detect
from ssmtl.watching import stream
from ssmtl.watching.settings import Scoring


def test_what_is_being_detected_as_the_stream_ends_is_waited_for(monkeypatch):
    def slow(detector, batch, **limits):
        time.sleep(0.05)
        return [len(batch)] * len(batch)

    monkeypatch.setattr(stream.detection, "detect", slow)
    settings = Scoring(detect=Detect(batch=1))
    detector = SimpleNamespace(batch=1)
    scorer = stream.Scorer(detector, None, Calibration({}), settings, torch.device("cpu"))
    frames = at_rate([np.zeros((8, 8, 3), np.uint8)] * 12)
    with Prefetcher(iter(frames), 32) as decoded:
        found = [batch.found.result() for batch in stream.detected(decoded, scorer)]
        assert len(found) == 12
    with Prefetcher(iter(frames), 32) as decoded:
        batches = list(stream.detected(decoded, scorer))  # all of them, before any is asked for
        assert [len(batch.found.result()) for batch in batches] == [1] * 12
