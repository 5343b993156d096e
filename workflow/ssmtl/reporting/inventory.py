"""What was run: counts and sizes of the stages' files, and the time that the stages took."""

from pathlib import Path

from ssmtl.core import store
from ssmtl.core.progress import benchmark_rows
from ssmtl.formats.stages import READERS
from ssmtl.planning.registry import TIMED
from ssmtl.reporting.runs import Run, rows_in

ROWS = {  # the data set that has one row per object, in each kind of file
    "detections": "frame",
    "cubes": "frame",
    "teachers": "class_probs",
    "scores": "frame",
}


def split_of(kind: str, path: Path) -> str:
    """The split of a stage's file."""
    with READERS[kind](path, []) as file:
        return store.attribute(file, "split")


def stage_row(stage: str, kind: str, split: str, paths: list[Path]) -> dict:
    """What the files of one kind hold together, and their bytes on disk."""
    clips = rows = size = 0
    for path in paths:
        with READERS[kind](path, []) as file:
            clips += len(file)
            for group in file.values():
                frames = kind == "frames"
                rows += int(group.attrs["frames"]) if frames else rows_in(group, ROWS[kind])
        size += Path(path).stat().st_size
    unit = "frames" if kind == "frames" else "objects"
    return {
        "stage": stage,
        "split": split,
        "files": len(paths),
        "clips": clips,
        "rows": rows,
        "unit": unit,
        "size": size,
    }


def stage_rows(stages: dict[str, list[Path]], models: dict[str, list[Run]]) -> list[dict]:
    """Counts and sizes of every stage's files per split, then of every run's scores."""
    rows = []
    for kind, paths in stages.items():
        for split in ("train", "test"):
            of_split = [path for path in paths if split_of(kind, path) == split]
            if of_split:
                rows.append(stage_row(kind, kind, split, of_split))
    for run in (run for runs in models.values() for run in runs):
        name = f"scores of {run.model}, seed {run.seed}"
        rows.append(stage_row(name, "scores", "test", sorted((run.folder / "scores").glob("*.h5"))))
    return rows


def times_noted(folder: Path | None) -> list[dict]:
    """Per stage its jobs, their seconds together and the largest memory of one, in bytes.

    folder: Snakemake's benchmarks of the data set, `{stage}_*.tsv`; stages that ran outside
    Snakemake have none. Memory is None where jobs were too short for it to be measured.
    """
    times: list[dict] = []
    if folder is None:
        return times
    for stage in TIMED:
        paths = sorted(folder.glob(f"{stage}_*.tsv"))
        if not paths:
            continue
        rows = [row for path in paths for row in benchmark_rows(path)]
        peaks = [row["max_rss"] for row in rows if row["max_rss"] is not None]  # MiB
        times.append(
            {
                "stage": stage,
                "jobs": len(paths),
                "seconds": sum(row["s"] for row in rows),
                "memory": max(peaks) * 2**20 if peaks else None,
            }
        )
    return times


def folder_size(folder: Path) -> int:
    """Bytes of all files under a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
