"""The demo, which the project renders itself: its clips are known before they are rendered."""

from pathlib import Path

from ssmtl.datasets.clips import About, Clip
from ssmtl.datasets.labels import frame_labels

__all__ = ["ABOUT", "frame_labels", "list_clips"]

ABOUT = About(
    title="synthetic demo",
    homepage="this package, which renders it",
    terms="made by this project, Apache-2.0",
)


def list_clips(root: Path, *, train_clips: int, test_clips: int, **_) -> list[Clip]:
    """The clips of a demo at `root`, whether it is rendered yet or not."""
    train = [
        Clip("train", f"{clip:02d}", str(video(root, "train", clip))) for clip in range(train_clips)
    ]
    test = [
        Clip(
            "test",
            f"{clip:02d}",
            str(video(root, "test", clip)),
            labels=str(Path(root) / "labels.csv"),
            tracks=str(Path(root) / "tracks" / f"{clip:02d}.txt"),
        )
        for clip in range(test_clips)
    ]
    return train + test


def video(root: Path, split: str, clip: int) -> Path:
    return Path(root) / split / f"{clip:02d}.mp4"
