"""`ssmtl.load`: a learnt watcher, to score recordings and to watch cameras from Python."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from ssmtl.watching.results import Scores, gathered
from ssmtl.watching.settings import Watch
from ssmtl.watching.watch import FoundFrame, alone_in, found_in, opened, refuse_foreign


def load(folder: str | Path, **settings) -> "Watcher":
    """A watcher that `ssmtl learn` or the pipeline made, ready to score.

    Parameters
    ----------
    folder : path
        The folder with its watcher.json.
    **settings
        Options of `ssmtl watch` by their names: threshold, false_alarms_per_hour, before, after,
        clip_limit, ignore, image_fps, timeout, give_up.

    Raises
    ------
    InputError
        One line, for a folder that is no watcher, and for unknown or impossible settings.

    Examples
    --------
    >>> model = ssmtl.load("yard")                             # doctest: +SKIP
    >>> model.score("clip.mp4").events[["start", "end", "task"]]   # doctest: +SKIP
    """
    return Watcher(Path(folder), Watch.parse(settings, "load"))


class Watcher:
    """A model with its detector, settings and threshold; `load` makes it.

    Attributes
    ----------
    tasks : names of the proxy tasks, which every object has a score of
    threshold : smoothed frame score above which an event goes on
    settings : the options of `ssmtl watch`
    """

    def __init__(self, folder: Path, settings: Watch):
        self.folder, self.settings = folder, settings
        self._ready = opened(folder, settings)
        self.threshold, self.tasks = self._ready.threshold, list(self._ready.scorer.model.tasks)

    def __repr__(self) -> str:
        return f"Watcher({str(self.folder)!r}, threshold={self.threshold:.3f})"

    def score(self, source: str | Path) -> Scores:
        """Scores a video file, a folder of images or a folder of clips to its end.

        The result has the tables `frames`, `objects` and `events`, `plot()` and `save_video(path)`.
        Raises InputError for a source that cannot be read.
        """
        return gathered(
            self._found(source, None), self.tasks, self.threshold, str(source), self.settings
        )

    def watch(self, source: str | Path, output: str | Path | None = None) -> Iterator[dict]:
        """The events of a camera, a stream's URL or a recording, each as it ends.

        An event is a mapping of the columns of `Scores.events`, with `box` and `tasks` in one value
        each. output: a folder, new or continued, for events.jsonl, events.csv and a clip of each
        event, as `ssmtl watch` writes them. A live source goes on until the loop over it is left.
        """
        for item in self._found(source, output):
            if isinstance(item, dict):
                yield item

    def frames(self, source: str | Path) -> Iterator[FoundFrame]:
        """Every frame of a source as soon as it is scored: source, number, time, clock, raw and
        smoothed score, and `scored`, its picture and objects."""
        for item in self._found(source, None):
            if isinstance(item, FoundFrame):
                yield item

    def _found(self, source: str | Path, output: str | Path | None):
        """As `watch.found_in`; where it is closed, its threads end, and the event that goes on."""
        folder, stopped = None if output is None else Path(output), threading.Event()
        with ExitStack() as stack:
            stack.callback(stopped.set)
            if folder:
                refuse_foreign(folder)
                stack.enter_context(alone_in(folder))
            recorder = self._ready.recorder(folder)
            yield from found_in(str(source), self._ready, recorder, stopped)
