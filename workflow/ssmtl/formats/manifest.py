"""manifest.csv: a row per clip of a data set, with all that later stages need to know of it."""

from pathlib import Path

import pandas as pd

from ssmtl.core.errors import InputError
from ssmtl.formats import tables
from ssmtl.formats.labels import parse_labels

SPLITS = ("train", "test")


LARGEST = {"fps": 1e6, "width": 1 << 16, "height": 1 << 16}
NUMBERS = {"shard": int, "frames": int, "fps": float, "width": int, "height": int}


COLUMNS = [
    *("split", "shard", "clip", "source"),
    *("frames", "fps", "width", "height"),
    *("labels", "tracks", "masks"),
]


def read_manifest(path: Path) -> pd.DataFrame:
    """A manifest; text columns are never missing values, and clip names stay text ("01").

    Raises InputError for a file that is missing, corrupt, or not a manifest.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path}: no such file; run the stage manifest first")
    try:
        manifest = tables.read_cells(path)
        if list(manifest.columns) != COLUMNS:
            raise ValueError(f"found the columns {','.join(manifest.columns)}"[:200])
        for name, kind in NUMBERS.items():
            manifest[name] = tables.numeric(manifest[name], kind is int, path)
        check_rows(manifest)
    except (ValueError, InputError) as error:
        if isinstance(error.__cause__, OSError):
            raise
        reason = str(error).split("\n")[0]
        raise InputError(
            f"{path}: not a complete manifest ({reason}); delete it and run again"
        ) from error
    return manifest


def check_rows(manifest: pd.DataFrame) -> None:
    """Raises ValueError or InputError for rows that `build_manifest` cannot have written."""
    if not manifest.split.isin(SPLITS).all():
        raise ValueError("a split is neither train nor test")
    if manifest.duplicated(["split", "clip"]).any():
        raise ValueError("a clip is in it twice")
    if not (manifest.frames > 0).all() or (manifest["clip"] == "").any():
        raise ValueError("a clip without a name or frames")
    for name in ("fps", "width", "height"):
        if not (manifest[name] > 0).all():  # nor NaN
            raise ValueError(f"a clip with the {name} {manifest[name].min():g}")
        if (manifest[name] > LARGEST[name]).any():
            raise ValueError(f"a clip with the {name} {manifest[name].max():g}")
    if (manifest.shard < 0).any():
        raise ValueError("a negative shard")
    for row in manifest.itertuples():
        for first, last, _ in parse_labels(row.labels) or ():
            if last >= row.frames:
                raise ValueError(f"labels {first}-{last} of clip {row.clip} of {row.frames} frames")


def rows(manifest: pd.DataFrame, split: str, shard: int) -> pd.DataFrame:
    """The rows of one shard of a split, in the manifest's order."""
    return manifest[(manifest.split == split) & (manifest.shard == shard)].reset_index(drop=True)
