"""The metrics of anomaly scores of any method, against labels of any form: `ssmtl.evaluate`.

Nothing is done to the scores that is not asked for: normalisation and smoothing are off unless
named, since each moves published figures by points.
"""

import logging
from dataclasses import asdict, dataclass, field
from typing import Literal

import numpy as np
import pandas as pd

from ssmtl.core.errors import InputError
from ssmtl.evaluation.alarms import AlarmCount, count_alarms
from ssmtl.evaluation.anomaly_map import WINDOW, paint, smooth
from ssmtl.evaluation.inputs import Footage, gather, masks_of_clip, picture_shape
from ssmtl.evaluation.metrics import auc, names
from ssmtl.evaluation.metrics.pixel import PixelRoc, anomalous_cells, cell_pixels
from ssmtl.evaluation.metrics.region_track import both_conventions
from ssmtl.evaluation.settings import Measure

log = logging.getLogger(__name__)

IN_UNIT_RANGE = ("macro_padded", "macro_normal_added")  # they add frames that score 0 and 1


@dataclass(frozen=True)
class Measurement:
    """What `evaluate` found; every area is a fraction, None where it was not measured.

    clips: one row per clip: clip, frames, anomalous (frames), auc (None for a single class);
    alarms: None without a threshold; settings: what was done to the scores.
    """

    micro: float | None
    macro_padded: float | None
    macro_strict: float | None
    macro_normal_added: float | None
    rbdc: float | None = None
    tbdc: float | None = None
    rbdc_authors: float | None = None
    tbdc_authors: float | None = None
    pixel_auc: float | None = None
    alarms: AlarmCount | None = None
    clips: pd.DataFrame = field(default_factory=pd.DataFrame)
    settings: dict = field(default_factory=dict)

    @property
    def metrics(self) -> dict[str, float | None]:
        """The areas by the keys of metrics.json."""
        return {name: getattr(self, name) for name in names.ALL}

    def to_dict(self) -> dict:
        """All of it as what JSON can hold."""
        counted = None
        if self.alarms:
            counted = asdict(self.alarms) | {
                name: getattr(self.alarms, name)
                for name in ("alarms_per_hour", "false_alarms_per_hour")
            }
        clips = self.clips.astype(object).where(self.clips.notna(), None).to_dict("records")
        return self.metrics | {"alarms": counted, "settings": self.settings, "clips": clips}

    def __str__(self) -> str:
        lines = [f"{len(self.clips)} clips, {self.clips['frames'].sum()} frames, "]
        lines[0] += f"{self.clips['anomalous'].sum()} of them anomalous; {described(self.settings)}"
        for name, title in names.ALL.items():
            value = getattr(self, name)
            if value is not None or name in names.OF_FRAMES:
                lines.append(f"{title:<22}{'-' if value is None else f'{100 * value:.1f}':>6} %")
        if counted := self.alarms:
            false = counted.false_alarms_per_hour
            lines += [
                f"at threshold {counted.threshold:g}: {counted.alarms} alarms, "
                f"{counted.alarms_per_hour:.1f} an hour; {counted.false_alarms} false ones, "
                + (
                    "no normal footage"
                    if false is None
                    else f"{false:.1f} an hour of normal footage"
                ),
                f"{counted.found} of {counted.anomalies} anomalies found",
            ]
        return "\n".join(lines)


def described(settings: dict) -> str:
    """What was done to the scores, in words."""
    normalise, smoothing = settings["normalise"], settings["smoothing"]
    done = [f"normalised per {normalise}"] if normalise == "clip" else []
    done += ["normalised over all clips"] if normalise == "all" else []
    if smoothing:
        done.append(
            f"smoothed ({smoothing}, sigma {settings['sigma']:g} frames, "
            f"border {settings['border']})"
        )
    return "scores " + (" and ".join(done) or "as they are")


def evaluate(
    scores,
    labels,
    *,
    lengths=None,
    boxes=None,
    tracks=None,
    masks=None,
    maps=None,
    normalise: Literal["clip", "all"] | None = None,
    smoothing: Literal["gaussian", "causal"] | None = None,
    sigma: float | None = None,
    border: Literal["zero", "replicate"] = "zero",
    threshold: float | None = None,
    fps: float | None = None,
    pause: float = 3.0,
) -> Measurement:
    """Measures scores of any method: frame-level AUC, RBDC and TBDC, pixel AUC, alarms.

    Parameters
    ----------
    scores : mapping clip -> array (T,), list of arrays, table, array (all frames,), or path
        Anomaly scores of every frame, higher for stranger. A path leads to a folder with a .npy
        per clip, a CSV with clip, frame and score, or a .npy, .npz or .mat with all clips end to
        end. None takes the highest score of a frame's `boxes`, 0 in frames without any.
    labels : mapping clip -> array (T,) or intervals, list, table, array (all frames,), or path
        1 where a frame is anomalous; or intervals (first, last), 0-based, both included. Files in
        all forms that data sets come in, docs/data.md.
    lengths : mapping clip -> frames, list of frames, or path
        Where all clips lie end to end in one array, or there are boxes alone.
    boxes : table or path
        Scored boxes: clip, frame, x1, y1, x2, y2 (pixels), score. With `tracks`: RBDC and TBDC.
    tracks : mapping clip -> rows of track, frame, x1, y1, x2, y2; or a folder
        Ground-truth tracks of clips with anomalies; with `boxes` alone. "from_masks": the
        components of `masks` in space and time.
    masks : mapping clip -> array (T, H, W), or a folder
        Ground-truth masks. With `maps`, or else with `boxes` painted with their scores: pixel AUC.
    maps : mapping clip -> array (T, H, W), or a folder with a .npy per clip
        A score for every pixel.
    normalise : "clip", "all" or None
        Min-max to [0, 1], in each clip or over all of them, before smoothing.
    smoothing, sigma, border
        "gaussian", or "causal" by frames that are past alone; sigma in frames; beyond the clip 0
        ("zero") or the end value ("replicate"). Frame scores alone are smoothed.
    threshold, fps, pause
        Counts alarms: runs of frames above `threshold`, with less than `pause` seconds between.

    Returns
    -------
    Measurement
        Padded and normal-added macro AUC add frames of score 0 and 1, and are None (a warning says
        so) where scores leave [0, 1].

    Raises
    ------
    InputError
        One line, for parts that do not fit each other.

    Examples
    --------
    >>> found = evaluate({"01": [0.1, 0.9, 0.8], "02": [0.2, 0.1]}, {"01": [0, 1, 1], "02": [0, 0]})
    >>> found.micro
    1.0
    """
    values = {
        "normalise": normalise,
        "smoothing": smoothing,
        "sigma": sigma,
        "border": border,
        "threshold": threshold,
        "fps": fps,
        "pause": pause,
    }
    plain = {k: v.item() if isinstance(v, np.generic) else v for k, v in values.items()}
    settings = Measure.parse(plain)
    given = gather(
        scores, labels, lengths=lengths, boxes=boxes, tracks=tracks, masks=masks, maps=maps
    )
    return measured(given, settings)


def measured(given: Footage, settings: Measure) -> Measurement:
    """All metrics that the scores and the ground truth allow."""
    prepared = normalised(given.scores, settings.normalise)
    smoothing, sigma, border = settings.smoothing, settings.sigma, settings.border
    if smoothing and sigma:
        prepared = {c: smooth(v, sigma, border, smoothing) for c, v in prepared.items()}
    truth, values = list(given.labels.values()), list(prepared.values())
    counted = None
    if settings.threshold is not None and settings.fps:
        counted = count_alarms(truth, values, settings.threshold, settings.fps, settings.pause)
    return Measurement(
        **frame_level(truth, values),
        **region_level(given),
        pixel_auc=pixel_level(given),
        alarms=counted,
        clips=pd.DataFrame(
            {
                "clip": list(given.labels),
                "frames": [len(label) for label in truth],
                "anomalous": [int(label.sum()) for label in truth],
                "auc": [auc.auc(*clip) for clip in zip(truth, values, strict=True)],
            }
        ),
        settings={
            "normalise": settings.normalise,
            "smoothing": smoothing,
            "sigma": sigma if smoothing else None,
            "border": border if smoothing else None,
        },
    )


def normalised(scores: dict[str, np.ndarray], how: str | None) -> dict[str, np.ndarray]:
    """Scores by min-max in [0, 1], per clip or over all; scores that are all equal become 0."""
    if how is None:
        return scores
    if how == "clip":
        return {clip: unit(values, values.min(), values.max()) for clip, values in scores.items()}
    low, high = (f(f(v) for v in scores.values()) for f in (min, max))
    return {clip: unit(values, low, high) for clip, values in scores.items()}


def unit(values: np.ndarray, low: float, high: float) -> np.ndarray:
    return (values - low) / (high - low) if high > low else np.zeros_like(values, np.float64)


def frame_level(labels: list[np.ndarray], scores: list[np.ndarray]) -> dict[str, float | None]:
    """The metrics of frames; without those that need scores in [0, 1] where these are not."""
    found = auc.frame_metrics(labels, scores)
    low, high = min(v.min() for v in scores), max(v.max() for v in scores)
    if low < 0 or high > 1:
        log.warning(
            "scores from %g to %g: the padded and the normal-added macro AUC add frames of score 0 "
            "and 1, so they are left out; normalise='all' brings the scores into this range",
            *(low, high),
        )
        found |= dict.fromkeys(IN_UNIT_RANGE)
    return found


def region_level(given: Footage) -> dict[str, float | None]:
    """RBDC and TBDC of the boxes against the tracks; {} without both."""
    if given.boxes is None or not given.tracks:
        return {}
    starts = np.cumsum([0] + [len(values) for values in given.scores.values()])
    first = dict(zip(given.scores, starts.tolist(), strict=False))
    boxes = [
        (first[clip] + table["frame"].to_numpy(), table[["x1", "y1", "x2", "y2"]].to_numpy(), table)
        for clip, table in given.boxes.items()
    ]
    tracks = list(given.tracks.items())
    pairs = [(i, track) for i, (_, own) in enumerate(tracks) for track in own.track]
    _, number = np.unique(np.reshape(pairs, (-1, 2)), axis=0, return_inverse=True)
    return both_conventions(
        np.concatenate([table["score"].to_numpy() for *_, table in boxes]),
        np.concatenate([frame for frame, *_ in boxes]),
        np.concatenate([box for _, box, _ in boxes]),
        np.concatenate([first[clip] + own.frame for clip, own in tracks]),
        np.concatenate([own.box for _, own in tracks]),
        number.ravel(),
        int(starts[-1]),
    )


def pixel_level(given: Footage) -> float | None:
    """The pixel AUC of maps, or of boxes painted with their scores; None without masks.

    Scores are told apart in steps of a millionth of their range (`anomaly_map.LEVELS`).
    """
    if not given.masks or (not given.maps and given.boxes is None):
        return None
    shape = picture_shape(given.masks, given.scores)
    low, high = score_range(given)
    roc, pixels = PixelRoc(), cell_pixels(shape, 1)
    for clip, values in given.scores.items():
        frames = len(values)
        masks = masks_of_clip(given.masks[clip], clip, frames, shape) if clip in given.masks else ()
        frame, row, column, _ = anomalous_cells(masks, 1)
        for start in range(0, frames, WINDOW):
            stop = min(start + WINDOW, frames)
            volume = unit(volume_of(given, clip, start, stop, shape), low, high)
            inside = slice(*np.searchsorted(frame, (start, stop)))
            flat = np.ravel_multi_index(
                (frame[inside] - start, row[inside], column[inside]), volume.shape
            )
            once = np.ones(stop - start, int)
            roc.add(volume, once, pixels, (flat, np.ones(len(flat), int)))
    return roc.auc()


def score_range(given: Footage) -> tuple[float, float]:
    """The lowest and the highest score of a pixel."""
    if given.maps:
        ends = [(float(m.min()), float(m.max())) for m in given.maps.values()]
        if not np.isfinite(ends).all():
            raise InputError("maps: not every pixel has a number")
        return min(low for low, _ in ends), max(high for _, high in ends)
    scores = np.concatenate([table["score"] for table in (given.boxes or {}).values()])
    if len(scores) and scores.min() < 0:
        raise InputError("boxes with scores below 0, which is what pixels without a box have")
    return 0.0, float(scores.max(initial=0))


def volume_of(given: Footage, clip: str, start: int, stop: int, shape: tuple) -> np.ndarray:
    """The scores of a clip's pixels from frame `start` on, float (stop - start, H, W)."""
    if given.maps:
        volume = np.asarray(given.maps[clip][start:stop], np.float64)
        if volume.shape[1:] != tuple(shape):
            raise InputError(f"map of clip {clip}: {volume.shape[1:]}; the masks have {shape}")
        return volume
    table = (given.boxes or {}).get(clip)
    if table is None:
        return np.zeros((stop - start, *shape))
    box = table[["x1", "y1", "x2", "y2"]].to_numpy()
    return paint(table["frame"].to_numpy(), box, table["score"].to_numpy(), start, stop, shape, 1)
