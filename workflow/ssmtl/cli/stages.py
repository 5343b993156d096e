"""Commands of the pipeline's stages, in their order."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from ssmtl.cli.program import STAGES, command
from ssmtl.cli.reports import show
from ssmtl.cli.values import Files, Json, MaybeFile, Texts

if TYPE_CHECKING:
    from ssmtl.evaluation.settings import Evaluate, Point, Sensitivity
    from ssmtl.learning.settings import Train
    from ssmtl.scoring.settings import Score
    from ssmtl.stages.settings import Cubes, Detect, Features, Frames, Images, Teachers

Split = Literal["train", "test"]
ModelFile = Annotated[Path, Parameter("--model")]
ModelName = Annotated[str, Parameter("--model-name")]
OtherName = Annotated[str | None, Parameter("--model-name")]


@command(STAGES)
def manifest(
    output: Path,
    /,
    *,
    dataset: str,
    reader: str,
    path: Path,
    options: Json | None = None,
    exclude: Texts = (),
    train_shards: int = 1,
    test_shards: int = 1,
    expected_frames: Json | None = None,
    allow_partial: bool = False,
    fps: float = 25.0,
    splits: Texts = ("train", "test"),
    boxes: Json | None = None,
    split: Split | None = None,
    shard: int = 0,
) -> None:
    """List the clips of a data set, with frames, sizes and labels.

    Args:
        output: Manifest to write (.csv).
        dataset: Name of the data set.
        reader: Reader of its layout.
        path: Folder of the data set.
        options: Options of the reader, JSON.
        exclude: Clips to leave out, between commas.
        train_shards: Shards of the training split.
        test_shards: Shards of the test split.
        expected_frames: Frames per split, JSON.
        allow_partial: Accept other frame counts.
        fps: Frames per second of clips that are folders of images.
        splits: Splits that count, between commas.
        boxes: CSV of imported boxes per split, JSON; says which of their clips are not there.
        split: List one shard of this split only.
        shard: The shard that --split means.
    """
    from ssmtl.stages.manifest import build_manifest, write_clips

    common: dict[str, Any] = {
        "dataset": dataset,
        "reader": reader,
        "root": path,
        "options": options or {},
        "exclude": list(exclude),
        "fps": fps,
    }
    shards = {"train": train_shards, "test": test_shards}
    if split:
        write_clips(output, split=split, shard=shard, count=shards[split], **common)
        return
    build_manifest(
        output,
        shards=shards,
        expected_frames=expected_frames,
        allow_partial=allow_partial,
        splits=splits,
        boxes=boxes,
        **common,
    )


@command(STAGES, "ssmtl.stages.frames:extract_frames")
def frames(
    output: Path, /, *, manifest: Path, split: Split, shard: int = 0, settings: "Frames"
) -> None:
    """Extract every frame of a shard's clips to HDF5.

    Args:
        output: frames.h5.
        manifest: manifest.csv.
        split: Split of the data set.
        shard: Shard of the split.
    """


@command(STAGES, "ssmtl.stages.detect:detect_objects")
def detect(output: Path, /, *, frames: Path, boxes: Path | None = None, settings: "Detect") -> None:
    """Detect the objects of every frame.

    Args:
        output: detections.h5.
        frames: frames.h5.
        boxes: CSV of boxes for the imported back end.
    """


@command(STAGES, "ssmtl.stages.cubes:make_cubes")
def cubes(
    output: Path, /, *, frames: Path, detections: Path, split: Split, settings: "Cubes"
) -> None:
    """Crop an object-centric cube for every detection.

    Args:
        output: cubes.h5.
        frames: frames.h5.
        detections: detections.h5.
        split: Split of the data set.
    """


@command(STAGES, "ssmtl.stages.teachers:write_teachers")
def teachers(
    output: Path,
    /,
    *,
    frames: Path,
    detections: Path,
    cubes: Path,
    split: Split,
    settings: "Teachers",
) -> None:
    """Teacher targets: ResNet-50 outputs and class probabilities.

    Args:
        output: teachers.h5.
        frames: frames.h5.
        detections: detections.h5.
        cubes: cubes.h5.
        split: Split of the data set.
    """


@command(STAGES, "ssmtl.stages.features:write_features")
def features(
    output: Path, /, *, frames: Path, cubes: Path, split: Split, settings: "Features"
) -> None:
    """What is measured of each object for the tasks without training.

    Args:
        output: features.h5.
        frames: frames.h5.
        cubes: cubes.h5.
        split: Split of the data set.
    """


@command(STAGES, "ssmtl.stages.features:write_image_features")
def image_features(
    output: Path, /, *, images: Path, seen: Path, split: Split, settings: "Features"
) -> None:
    """What a frozen network makes of pictures, for the tasks without training.

    Args:
        output: features.h5.
        images: images.h5, whose rows these are.
        seen: The same pictures at the side features.size, which the network sees.
        split: Split of the data set.
    """


@command(STAGES)
def images(
    output: Path,
    /,
    *,
    dataset: str | None = None,
    reader: str,
    path: Path = Path("."),
    options: Json | None = None,
    split: Split,
    settings: "Images",
) -> None:
    """The pictures of an image data set at one size, as cubes of one frame.

    Args:
        output: images.h5.
        dataset: Name of the data set, if not its reader's.
        reader: Reader of the data set's layout.
        path: Folder of the data set.
        options: Options of the reader, JSON.
        split: Split of the data set.
    """
    from ssmtl.stages.images import make_images

    make_images(
        output,
        dataset=dataset or reader,
        reader=reader,
        path=path,
        options=options or {},
        split=split,
        settings=settings,
    )


@command(STAGES, "ssmtl.learning.training:train_model")
def train(
    output: Path,
    /,
    *,
    cubes: list[Path],
    teachers: Files = (),
    features: Files = (),
    groups: list[str] | None = None,
    state: Path | None = None,
    seed: int = 0,
    name: ModelName = "model",
    settings: "Train",
) -> None:
    """Train all proxy tasks jointly on normal video or pictures.

    Args:
        output: Folder for model.safetensors, model.json and history.csv.
        cubes: cubes.h5 of the training shards, or images.h5.
        teachers: teachers.h5 of the same shards; none of pictures.
        features: features.h5 of the same shards, where a task needs them.
        groups: Classes of pictures to learn; all where not given.
        state: Folder of the resumable state; OUTPUT/.state where not given.
        seed: Seed of weights, order and views.
        name: Name of the model.
    """


@command(STAGES, "ssmtl.scoring.calibration:calibrate")
def calibrate(
    output: Path,
    /,
    *,
    weights: ModelFile,
    cubes: list[Path],
    teachers: Files = (),
    features: Files = (),
    groups: list[str] | None = None,
    settings: "Score",
) -> None:
    """Distribution of normal scores on the held-out training clips or pictures.

    Args:
        output: calibration.h5.
        weights: Weights of a trained model, model.safetensors.
        cubes: cubes.h5 of the training shards, or images.h5.
        teachers: teachers.h5 of the same shards; none of pictures.
        features: features.h5 of the same shards, where a task needs them.
        groups: Classes of pictures that were learnt; all where not given.
    """


@command(STAGES, "ssmtl.scoring.stage:score_objects")
def score(
    output: Path,
    /,
    *,
    weights: ModelFile,
    calibration: MaybeFile = (),
    cubes: Path,
    teachers: MaybeFile = (),
    features: MaybeFile = (),
    settings: "Score",
) -> None:
    """Anomaly scores of every object, or picture, of stored cubes.

    Args:
        output: Scores file (.h5).
        weights: Weights of a trained model, model.safetensors.
        calibration: calibration.h5 of that model, for the fusions ecdf and fisher.
        cubes: cubes.h5, or images.h5.
        teachers: teachers.h5 of the same shard; none of pictures.
        features: features.h5 of the same shard, where a task needs it.
    """


@command(STAGES, "ssmtl.scoring.stage:score_frames")
def score_frames(
    output: Path,
    /,
    *,
    weights: ModelFile,
    calibration: MaybeFile = (),
    frames: Path,
    detections: Path,
    settings: "Score",
    cubes: "Cubes",
    teachers: "Teachers",
    features: "Features",
) -> None:
    """Anomaly scores of every object straight from frames: nothing is stored on the way.

    Args:
        output: Scores file (.h5).
        weights: Weights of a trained model, model.safetensors.
        calibration: calibration.h5 of that model, for the fusions ecdf and fisher.
        frames: frames.h5.
        detections: detections.h5 of the same shard.
    """


@command(STAGES)
def evaluate(
    output: Path,
    table: Path,
    /,
    *,
    manifest: Path,
    scores: list[Path],
    dataset: str,
    model: OtherName = None,
    settings: "Evaluate",
) -> None:
    """Frame scores, Gaussian smoothing, and AUC, RBDC and TBDC where there is ground truth.

    Args:
        output: metrics.json.
        table: frame_scores.csv.
        manifest: manifest.csv.
        scores: Scores of all test shards.
        dataset: Name of the data set.
        model: Name of the model, if not that of the scores.
    """
    from ssmtl.evaluation import evaluate as evaluation

    evaluation.evaluate(
        output,
        table,
        manifest=manifest,
        scores=scores,
        dataset=dataset,
        model=model,
        settings=settings,
    )
    show([output])


@command(STAGES, "ssmtl.scoring.explain:explain")
def explain(
    output: Path,
    /,
    *,
    weights: ModelFile,
    table: Path,
    scores: list[Path],
    frames: list[Path],
    detections: list[Path],
    cubes: Files = (),
    teachers: Files = (),
    settings: "Cubes",
    seen: "Teachers",
) -> None:
    """What a model makes of the strongest objects of the events that the report shows.

    Args:
        output: explained.h5.
        weights: Weights of a trained model, model.safetensors.
        table: frame_scores.csv.
        scores: Scores of all test shards.
        frames: frames.h5 of all test shards.
        detections: detections.h5 of all test shards.
        cubes: cubes.h5 of all test shards; none where objects are scored from frames.
        teachers: teachers.h5 of the same shards.
    """


@command(STAGES, "ssmtl.evaluation.sensitivity:write_sensitivity")
def sensitivity(
    output: Path,
    /,
    *,
    manifest: Path,
    scores: list[Path],
    calibration: Path,
    model: OtherName = None,
    settings: "Sensitivity",
    configured: "Point",
) -> None:
    """Frame metrics of a scored model over fusion, map, smoothing and border rule.

    Args:
        output: CSV to write, one row per point of the grid.
        manifest: manifest.csv.
        scores: Scores of all test shards.
        calibration: calibration.h5.
        model: Name of the model, if not that of the scores.
    """


@command(STAGES, "ssmtl.scoring.pixel_baselines:write_pixel_baselines")
def pixel_baseline(
    output: Path, /, *, train: Path, groups: list[str] | None = None, test: Path
) -> None:
    """Anomaly scores of pictures by their pixels alone: PCA and the nearest training picture.

    Args:
        output: Scores file (.h5).
        train: images.h5 of the training split.
        groups: Classes of training pictures that are normal; all where not given.
        test: images.h5 of the pictures to score.
    """


@command(STAGES)
def release(
    output: Path,
    /,
    *,
    run_folder: Path,
    metrics: Path,
    reader: str,
    config: Json | None = None,
    made_by: str,
) -> None:
    """Make a folder to share from a trained and evaluated model.

    Args:
        output: Folder to write.
        run_folder: Folder of the run.
        metrics: metrics.json of the run.
        reader: Reader of the data set.
        config: Configuration to show, JSON.
        made_by: Command that makes the model again.
    """
    from ssmtl.formats.released import CARD
    from ssmtl.learning import released
    from ssmtl.reporting.model_card import write_card

    card = released.release(output, run=run_folder)
    write_card(
        output / CARD,
        card=card,
        metrics=metrics,
        reader=reader,
        config=config or {},
        command=made_by,
        megabytes=(output / "model.safetensors").stat().st_size / 1e6,
    )


@command(STAGES, "ssmtl.learning.released:use_released")
def use_released(
    output: Path, /, *, released: Path, seed: int = 0, name: ModelName = "model"
) -> None:
    """Take a released model in place of training.

    Args:
        output: Folder of the run.
        released: Folder of the released model.
        seed: Seed of the run.
        name: Name of the model in the run.
    """


@command(STAGES, "ssmtl.watching.folder:make_watcher")
def watcher(
    output: Path,
    /,
    *,
    weights: ModelFile,
    calibration: Path,
    frames: list[Path],
    config: Json,
) -> None:
    """Put all that `watch` needs into one folder.

    Args:
        output: Folder to write.
        weights: Weights of a trained model, model.safetensors.
        calibration: calibration.h5 of that model.
        frames: frames.h5 of the training shards.
        config: Settings of all stages, JSON.
    """
