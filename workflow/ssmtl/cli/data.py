"""Commands that make or fetch input, and that tell the settings."""

import json
from pathlib import Path
from typing import Annotated, Literal

from ssmtl.cli.program import DATA, command
from ssmtl.cli.values import FLAG
from ssmtl.core.errors import InputError


@command(DATA, "ssmtl.demo.dataset:render")
def scenes(
    root: Path,
    /,
    *,
    seed: int,
    split_role: Literal["test", "dev"] = "test",
    train_clips: int,
    test_clips: int,
    train_frames: int,
    test_frames: int,
    jobs: int = 1,
) -> None:
    """Render the demo's scenes.

    Args:
        root: Folder to write.
        seed: Seed of the scenes.
        split_role: Which test scenes.
        train_clips: Normal training clips.
        test_clips: Test clips.
        train_frames: Frames of a training clip.
        test_frames: Frames of a test clip.
        jobs: Processes.
    """


@command(DATA, "ssmtl.demo.detector_training:train")
def train_detector(
    output: Path,
    /,
    *,
    seed: int = 0,
    scenes: int = 400,
    frames_per_scene: int = 12,
    epochs: int = 4,
    image_size: int = 320,
    jobs: int = 2,
) -> None:
    """Train the demo's small detector on scenes of its own.

    Args:
        output: Weights to write (.pt).
        seed: Seed of scenes and training.
        scenes: Scenes rendered.
        frames_per_scene: Pictures taken of each.
        epochs: Passes over the pictures.
        image_size: Input side in pixels.
        jobs: Processes.
    """


@command(DATA)
def fetch(output: Path, /, *, reader: str) -> None:
    """Download a data set that may be fetched automatically.

    Args:
        output: File that says what was fetched.
        reader: Reader of the data set.
    """
    from ssmtl.core import download, store
    from ssmtl.datasets import video as datasets

    about = datasets.reader(reader).ABOUT
    if not about.downloads:
        raise InputError(
            f"{about.title} may not be fetched automatically; get it from {about.homepage} and "
            f"unpack it into {output.parent}, see docs/data.md"
        )
    for item in about.downloads:
        archive = output.parent / item.url.rsplit("/", 1)[-1]
        download.download(item.url, item.sha256, archive)
        download.unpack(archive, output.parent / archive.name.split(".")[0])
        archive.unlink()
    with store.replacing(output) as path:
        path.write_text(json.dumps([vars(item) for item in about.downloads], indent=1) + "\n")


@command(DATA, quiet=True)
def settings(output: Path | None = None, /, *, schema: Annotated[bool, FLAG] = False) -> None:
    """Every key of config.yaml with its meaning and default, as a page or a JSON schema.

    Args:
        output: File to write; printed where not given.
        schema: The JSON schema, for editors that complete and check YAML.
    """
    from ssmtl.config import schema as json_schema
    from ssmtl.config.reference import reference

    text = json.dumps(json_schema(), indent=1) + "\n" if schema else reference()
    if output is None:
        print(text, end="")
    else:
        output.write_text(text)


@command(DATA, "ssmtl.scoring.export:export_model")
def export(
    output: Path,
    /,
    *,
    model: Path,
    format: Literal["onnx", "openvino"] = "onnx",
    reduction: Literal["mean", "sum"] = "mean",
) -> None:
    """Write a trained model for other programs, and compare what it gives with torch.

    Args:
        output: File to write, .onnx, or .xml with a .bin beside it.
        model: Trained model (model.safetensors).
        format: Format of the file.
        reduction: How the distillation's score reduces the classes.
    """
