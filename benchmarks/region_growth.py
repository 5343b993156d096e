"""Time and memory of RBDC and TBDC, from a small test set to one as large as ShanghaiTech's.

    python benchmarks/region_growth.py

Made detections and tracks; one line per size. No test depends on the times.
"""

import resource
import time

import numpy as np

from ssmtl.evaluation.metrics.region_track import matching, rbdc_tbdc

SIZES = ((2_000, 12), (10_000, 40), (40_000, 150))  # frames, tracks
PER_FRAME = 10  # detections
LENGTH = 200  # frames of a track


def boxes(rng, count: int) -> np.ndarray:
    """Boxes of walking people in pictures of 856 x 480, float32 (count, 4)."""
    corner = rng.uniform((0, 0), (800, 380), (count, 2))
    return np.hstack((corner, corner + rng.uniform((20, 50), (60, 110), (count, 2)))).astype("f4")


def case(frames: int, tracks: int) -> tuple[np.ndarray, ...]:
    """Detections (frame, box, score) and regions (frame, box, track); half of these are found."""
    rng = np.random.default_rng(0)
    starts = rng.integers(0, frames - LENGTH, tracks)
    region_frame = (starts[:, None] + np.arange(LENGTH)).ravel()
    region_box = boxes(rng, len(region_frame))
    frame = np.sort(rng.integers(0, frames, PER_FRAME * frames))
    box = boxes(rng, len(frame))
    hit = rng.permutation(len(region_frame))[: len(region_frame) // 2]
    frame = np.concatenate((frame, region_frame[hit]))
    box = np.concatenate((box, region_box[hit] + rng.normal(0, 3, (len(hit), 4))))
    score = rng.random(len(frame))
    return frame, box, score, region_frame, region_box, np.repeat(np.arange(tracks), LENGTH)


def main() -> None:
    print(f"{'frames':>8}{'tracks':>8}{'regions':>9}{'detections':>12}{'seconds':>9}{'peak MB':>9}")
    for frames, tracks in SIZES:
        frame, box, score, region_frame, region_box, track = case(frames, tracks)
        start = time.perf_counter()
        found = rbdc_tbdc(score, matching(frame, box, region_frame, region_box), track, frames)
        seconds = time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
        counts = f"{frames:>8}{tracks:>8}{len(track):>9}{len(frame):>12}"
        print(f"{counts}{seconds:>9.2f}{peak:>9.0f}   {found}")


if __name__ == "__main__":
    main()
