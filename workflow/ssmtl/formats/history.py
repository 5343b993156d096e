"""history.csv: the losses of a training run, a row per validation and split.

step, cubes_seen, split (train or validation), loss_total and a loss per task.
"""

from pathlib import Path

import pandas as pd

from ssmtl.core.errors import InputError
from ssmtl.formats.tables import read_csv

SPLITS = ("train", "validation")


def read_history(path: Path) -> pd.DataFrame:
    """A checked table, perhaps without rows; InputError where it is no history."""
    table = read_csv(path, ("split",), ("step", "split"), integers=("step", "cubes_seen"))
    if not table["split"].isin(SPLITS).all():
        raise InputError(f"{path}: a split is neither train nor validation; train the model again")
    return table
