"""Compare RBDC and TBDC with those of the package py-ssvad-metrics, and show where they differ.

Needs an environment of its own, with this package on its path:

    pip install "pydantic<2" py-ssvad-metrics==1.0.0 opencv-python-headless matplotlib
    PYTHONPATH=workflow python benchmarks/regions_vs_ssvad_metrics.py

Each group of made cases adds one thing that the two definitions treat differently; the first has
none but the end of the curve, whose difference is worked out and taken away. docs/methods.md has
the table that this prints.
"""

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import ssvad_metrics

from ssmtl.evaluation.metrics.region_track import matching, rbdc_tbdc

HEIGHT, WIDTH, SIDE, FRAMES, CASES = 64, 96, 16, 24, 20
SLOTS = [(x, y) for y in range(4, HEIGHT - SIDE, 20) for x in range(4, WIDTH - SIDE, 20)]


@dataclass(frozen=True)
class Case:
    """A clip's detections and its regions, one track per frame at most."""

    frame: np.ndarray
    box: np.ndarray
    score: np.ndarray
    region_frame: np.ndarray
    region_box: np.ndarray
    track: np.ndarray


def shifted(rng, slots: np.ndarray, reach: int) -> np.ndarray:
    """Square boxes in slots of the picture, moved by up to `reach` pixels, int (N, 4)."""
    corner = np.array(SLOTS)[slots] + rng.integers(-reach, reach + 1, (len(slots), 2))
    return np.hstack((corner, corner + SIDE))


def made(seed: int, wrong: float, reach: int, steps: int) -> Case:
    """A case with `wrong` false detections a frame; no boxes touch as long as `reach` is 1.

    reach: how far boxes move from their slots; steps: levels of the scores, 100 for those that
    the package distinguishes.
    """
    rng = np.random.default_rng(seed)
    rows, regions = [], []
    for frame in range(FRAMES):
        slots = rng.permutation(len(SLOTS))
        if frame % 8 < 5:
            count = rng.integers(1, 3)
            regions += [(frame, slot, frame // 8) for slot in slots[:count]]
            rows += [(frame, slot) for slot in slots[:count] if rng.random() < 0.7]
        rows += [(frame, slot) for slot in slots[3 : 3 + rng.poisson(wrong)]]
    frame, slots = np.array(rows).T
    region_frame, region_slots, track = np.array(regions).T
    # Between two thresholds of the package, which are whole hundredths.
    score = (rng.integers(1, steps, len(frame)) + 0.5) / steps
    box, region_box = shifted(rng, slots, reach), shifted(rng, region_slots, reach)
    return Case(frame, box, score, region_frame, region_box, track)


def document(frames: list[list[dict]], tracks: list[int] | None) -> dict:
    """The package's form of a clip."""
    return {
        "frames_count": FRAMES,
        "frame_width": WIDTH,
        "frame_height": HEIGHT,
        "is_anomalous_regions_available": True,
        "is_anomaly_track_id_available": tracks is not None,
        "frames": [
            {
                "frame_id": i + 1,
                "anomalous_regions": regions,
                "anomaly_track_id": tracks[i] if tracks else None,
                "pixel_level_scores_map": None,
            }
            for i, regions in enumerate(frames)
        ],
    }


def theirs(case: Case, folder: Path) -> np.ndarray:
    """RBDC and TBDC by the package."""
    found = [[] for _ in range(FRAMES)]
    truth = [[] for _ in range(FRAMES)]
    tracks = [-1] * FRAMES
    for frame, box, score in zip(case.frame, case.box.tolist(), case.score, strict=True):
        found[frame].append({"bounding_box": box, "score": float(score)})
    for frame, box, track in zip(
        case.region_frame, case.region_box.tolist(), case.track, strict=True
    ):
        truth[frame].append({"bounding_box": box, "score": 1.0})
        tracks[frame] = int(track)
    paths = folder / "truth.json", folder / "found.json"
    for path, content in zip(paths, (document(truth, tracks), document(found, None)), strict=True):
        path.write_text(json.dumps(content))
    result = ssvad_metrics.evaluate(*map(str, paths))
    return np.array([result["region_roc_auc"], result["track_roc_auc"]])


def ours(case: Case) -> np.ndarray:
    matches = matching(case.frame, case.box, case.region_frame, case.region_box)
    result = rbdc_tbdc(case.score, matches, case.track, FRAMES)
    return np.array([result["rbdc"], result["tbdc"]])


def end_of_curve(case: Case) -> np.ndarray:
    """What the package's last points take away: the whole picture as one detection per frame.

    From the last point of the detections its line goes down to what that detection finds, which
    is nothing here (a region is 4 % of the picture), instead of going on level.
    """
    detection, region = matching(case.frame, case.box, case.region_frame, case.region_box)
    rate = (len(case.frame) - len(np.unique(detection))) / FRAMES
    found = np.isin(np.arange(len(case.track)), region)
    tracks = [found[case.track == t].mean() >= 0.1 for t in np.unique(case.track)]
    return max(1 - rate, 0) / 2 * np.array([found.mean(), np.mean(tracks)])


GROUPS = {
    "apart, scores in hundredths, rates up to 1": (0.4, 1, 100),
    "the same, scores in millionths": (0.4, 1, 10**6),
    "the same as the first, rates beyond 1": (2.0, 1, 100),
    "boxes touch and overlap": (0.4, 6, 100),
}


def main() -> None:
    print(
        f"{'cases':<46}{'':<6}{'ours':>8}{'theirs':>8}{'largest':>9}{'mean':>9}{'without end':>13}"
    )
    for name, (wrong, reach, steps) in GROUPS.items():
        cases = [made(seed, wrong, reach, steps) for seed in range(CASES)]
        with tempfile.TemporaryDirectory() as folder:
            other = np.array([theirs(case, Path(folder)) for case in cases])
        own = np.array([ours(case) for case in cases])
        rest = own - other - np.array([end_of_curve(case) for case in cases])
        for i, metric in enumerate(("RBDC", "TBDC")):
            print(
                f"{name:<46}{metric:<6}{own[:, i].mean():>8.4f}{other[:, i].mean():>8.4f}"
                f"{abs(own - other)[:, i].max():>9.4f}{(own - other)[:, i].mean():>9.4f}"
                f"{abs(rest)[:, i].max():>13.1e}"
            )


if __name__ == "__main__":
    main()
