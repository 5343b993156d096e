"""Training of all four encoders on a GPU, each beside what its convolutions take alone.

At the end of the table's row stands what 30 epochs of Ped2 take at that rate.
"""

from pathlib import Path

import training_input
from measure import Case
from stages.train import convolutions_alone, timed

UNIT = "cubes"
DEVICES = ("cuda",)
FRAMES, SIZE, BATCH = 500, 64, 256
VARIANTS = [(depth, width) for depth in ("shallow", "deep") for width in ("narrow", "wide")]


def prepare(folder: Path, scale: float) -> None:
    training_input.write(folder, round(FRAMES * scale), SIZE)


def ours(depth: str, width: str):
    def run(folder: Path) -> tuple[int, float]:
        with training_input.open_samples(folder, SIZE) as samples:
            values = training_input.settings(depth, width, BATCH)
            trainer = training_input.trainer(samples, values)
            return timed(training_input.our_steps(trainer), BATCH)

    return run


CASES = []
for depth, width in VARIANTS:
    name = f"{depth}-{width}"
    CASES += [
        Case("ours", name, f"{name}, {SIZE} x {SIZE}", ours(depth, width)),
        Case("limit", name, "its convolutions alone", convolutions_alone(depth, width)),
    ]
