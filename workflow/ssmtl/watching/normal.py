"""Normal video that chose nothing: which clips `learn` keeps back for it, and how they score."""

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from ssmtl.core import store
from ssmtl.datasets.clips import Clip
from ssmtl.media.video import Thinned
from ssmtl.watching import sources
from ssmtl.watching.folder import scored_normal
from ssmtl.watching.likeness import Described
from ssmtl.watching.settings import Watch
from ssmtl.watching.stream import Scorer
from ssmtl.watching.threshold import NormalClip

SHARE = 0.2  # of the clips that is kept back [D]


def kept_back(clips: Sequence[Clip], share: float = SHARE) -> list[Clip]:
    """The clips that nothing is learnt from, spread evenly over all in the order of their names.

    Of fewer than three clips none: one has to train, and one to choose the weights.
    """
    count = min(max(1, round(share * len(clips))), len(clips) - 2)
    if count < 1:
        return []
    ordered = sorted(clips, key=lambda clip: clip.name)
    places = (np.arange(count) + 0.5) * len(ordered) / count
    return [ordered[int(place)] for place in places]


def normal_scores(
    clips: Sequence[Clip], scorer: Scorer, settings: Watch, folder: Path, mark: str
) -> Iterator[tuple[NormalClip, Described]]:
    """Smoothed frame scores of clips, as `watch` gives them, and what their objects are like, one
    for each unbroken stretch.

    settings: the section watch; folder: where the scores are kept, to be used again if `mark`, a
    digest of the watcher, is the same.
    """
    for clip in clips:
        path = folder / f"{store.digest(clip.source, settings.image_fps, mark)}.npz"
        if not path.is_file():
            scored = list(scored_segments(clip, scorer, settings))
            arrays = {f"score{i}": one.score for i, (one, _) in enumerate(scored)}
            arrays |= {f"{i}-{n}": v for i, (_, each) in enumerate(scored) for n, v in each.items()}
            rates = np.array([one.fps for one, _ in scored], float)
            folder.mkdir(parents=True, exist_ok=True)
            with store.replacing(path) as temporary, open(temporary, "wb") as file:
                # None of the arrays is called allow_pickle, which the stubs think of.
                np.savez(file, fps=rates, **arrays)  # type: ignore[arg-type]
        with np.load(path, allow_pickle=False) as kept:
            for i, fps in enumerate(kept["fps"]):
                names = [name for name in kept.files if name.startswith(f"{i}-")]
                objects = {name.partition("-")[2]: kept[name] for name in names}
                yield NormalClip(clip.name, float(fps), kept[f"score{i}"]), objects


def scored_segments(
    clip: Clip, scorer: Scorer, settings: Watch
) -> Iterator[tuple[NormalClip, Described]]:
    """A clip's unbroken stretches that are long enough for a cube."""
    for segment in sources.segments(clip.source, settings, threading.Event()):
        rate = scorer.settings.frames.fps
        thinned = Thinned(rate)
        frames = (segment.timed(frame) for frame in segment.frames if thinned.keeps(frame.time))
        what = f"normal scores of {clip.name}"
        score, objects = scored_normal(frames, scorer, what, segment.total_at(rate))
        if len(score):
            fps = min(segment.fps, rate or segment.fps)
            yield NormalClip(clip.name, fps, score), objects
