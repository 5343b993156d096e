"""The command line: `ssmtl <stage>`, every stage of the pipeline usable without Snakemake.

A stage's settings are options made from the schema, so that `--help` is the documentation of
the config. Bad input ends with one line on standard error and status 2.
"""

import argparse
import json
import logging
import sys
import time
from collections.abc import Callable
from pathlib import Path

from ssmtl import __version__, config
from ssmtl.core.errors import InputError
from ssmtl.core.machine import keep_memory
from ssmtl.core.progress import clock
from ssmtl.planning.code import stage_code
from ssmtl.planning.registry import STAGES

log = logging.getLogger(__name__)

SHOWING = ("show", "show-protocol", "measure")  # commands that only print
TYPES = {"integer": int, "number": float, "string": str}


def text_list(text: str) -> list[str]:
    return [word for word in text.split(",") if word]


def number_list(text: str) -> list[float]:
    """Numbers between commas; whole ones are int, as the schema tells them apart."""
    return [json.loads(word) for word in text_list(text)]


def parse_bool(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise argparse.ArgumentTypeError("true or false expected")
    return text.lower() == "true"


def array_kind(key: dict) -> Callable:
    """What reads the values of an array by its schema."""
    numeric = key.get("items", {}).get("type") in ("integer", "number")
    return number_list if numeric else text_list


def add_settings(parser: argparse.ArgumentParser, stage: str) -> None:
    """One option for every key of the stage's section in the schema."""
    group = parser.add_argument_group("settings")
    for name, key in config.keys(stage).items():
        default = key["default"]
        kind = {"array": array_kind(key), "boolean": parse_bool}.get(key.get("type")) or TYPES.get(
            key.get("type"), str
        )
        shown = ",".join(map(str, default)) if isinstance(default, list) else repr(default)
        if kind is float:
            default = float(default)  # as an option's text gives it: equal settings, equal bytes
        group.add_argument(
            f"--{name.replace('_', '-')}",
            type=kind,
            default=default,
            choices=key.get("enum"),
            metavar=None if "enum" in key else kind.__name__.upper(),
            help=f"{key['description']} [{shown}]".replace("%", "%%"),
        )


def settings_of(arguments: argparse.Namespace, stage: str) -> dict:
    """The stage's settings among the arguments, checked against the schema."""
    values = {name: getattr(arguments, name) for name in config.keys(stage)}
    return config.SECTIONS[stage].parse(values, stage).model_dump()


class Commands:
    """The parser, filled by one function per command."""

    def __init__(self):
        self.parser = argparse.ArgumentParser(prog="ssmtl", description=__doc__)
        self.parser.add_argument("--version", action="version", version=f"ssmtl {__version__}")
        self.parser.add_argument("--verbose", action="store_true", help="show debug messages")
        self.commands = self.parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(self, name: str, help: str, run: Callable, stage: str | None = None, **options) -> None:
        """A command; `options` are argparse keywords per argument, by the argument's name."""
        parser = self.commands.add_parser(name, help=help, description=help)
        for option, keywords in options.items():
            if keywords.pop("positional", False):
                parser.add_argument(option, **keywords)
            else:
                parser.add_argument(f"--{option.replace('_', '-')}", **keywords)
        if stage:
            add_settings(parser, stage)
        parser.set_defaults(run=run, stage=stage, parser=parser)


def output(help: str) -> dict:
    return {"positional": True, "type": Path, "help": help}


def file(help: str, **more) -> dict:
    return {"type": Path, "required": True, "help": help} | more


def files(help: str, **more) -> dict:
    return {"type": Path, "required": True, "nargs": "+", "help": help} | more


def names(help: str) -> dict:
    return {"nargs": "+", "help": help}


MAYBE = {"required": False, "nargs": "?"}
OPTIONAL = {"required": False, "nargs": "*", "default": []}
PROTOCOLS = ["one_vs_all", "out_of_distribution", "presentation_attack"]
SPLIT = {"choices": ["train", "test"], "required": True, "help": "split of the data set"}


def scenes(a) -> None:
    from ssmtl.demo import dataset as demo

    demo.render(
        a.folder,
        seed=a.seed,
        split_role=a.split_role,
        train_clips=a.train_clips,
        test_clips=a.test_clips,
        train_frames=a.train_frames,
        test_frames=a.test_frames,
        jobs=a.jobs,
    )


def train_detector(a) -> None:
    from ssmtl.demo import detector_training as demo_training

    demo_training.train(
        a.output,
        seed=a.seed,
        scenes=a.scenes,
        frames_per_scene=a.frames_per_scene,
        epochs=a.epochs,
        image_size=a.image_size,
        jobs=a.jobs,
    )


def fetch(a) -> None:
    from ssmtl.core import download, store
    from ssmtl.datasets import video as datasets

    about = datasets.reader(a.reader).ABOUT
    if not about.downloads:
        raise InputError(
            f"{about.title} may not be fetched automatically; get it from {about.homepage} and "
            f"unpack it into {a.output.parent}, see docs/data.md"
        )
    for item in about.downloads:
        archive = a.output.parent / item.url.rsplit("/", 1)[-1]
        download.download(item.url, item.sha256, archive)
        download.unpack(archive, a.output.parent / archive.name.split(".")[0])
        archive.unlink()
    with store.replacing(a.output) as path:
        path.write_text(json.dumps([vars(item) for item in about.downloads], indent=1) + "\n")


def manifest(a) -> None:
    from ssmtl.stages.manifest import build_manifest, write_clips

    common = {
        "dataset": a.dataset,
        "reader": a.reader,
        "root": a.path,
        "options": a.options,
        "exclude": a.exclude,
        "fps": a.fps,
    }
    shards = {"train": a.train_shards, "test": a.test_shards}
    if a.split:
        write_clips(a.output, split=a.split, shard=a.shard, count=shards[a.split], **common)
        return
    build_manifest(
        a.output,
        shards=shards,
        expected_frames=a.expected_frames,
        allow_partial=a.allow_partial,
        splits=a.splits,
        **common,
    )


def frames(a) -> None:
    from ssmtl.stages.frames import extract_frames

    extract_frames(
        a.output,
        manifest=a.manifest,
        split=a.split,
        shard=a.shard,
        settings=a.settings,
        code=a.code,
    )


def detect(a) -> None:
    from ssmtl.stages.detect import detect_objects

    detect_objects(a.output, frames=a.frames, boxes=a.boxes, settings=a.settings, code=a.code)


def cubes(a) -> None:
    from ssmtl.stages.cubes import make_cubes

    make_cubes(
        a.output,
        frames=a.frames,
        detections=a.detections,
        split=a.split,
        settings=a.settings,
        code=a.code,
    )


def teachers(a) -> None:
    from ssmtl.stages.teachers import write_teachers

    write_teachers(
        a.output,
        frames=a.frames,
        detections=a.detections,
        cubes=a.cubes,
        split=a.split,
        settings=a.settings,
        code=a.code,
    )


def images(a) -> None:
    from ssmtl.stages.images import make_images

    make_images(
        a.output,
        dataset=a.dataset or a.reader,
        reader=a.reader,
        path=a.path,
        options=a.options,
        split=a.split,
        settings=a.settings,
    )


def train(a) -> None:
    from ssmtl.learning.training import train_model

    train_model(
        a.output,
        cubes=a.cubes,
        teachers=a.teachers,
        state=a.state or a.output / ".state",
        seed=a.seed,
        settings=a.settings,
        code=a.code,
        name=a.model_name,
        groups=a.groups,
    )


def release(a) -> None:
    from ssmtl.formats.released import CARD
    from ssmtl.learning.released import release
    from ssmtl.reporting.model_card import write_card

    card = release(a.output, run=a.run_folder)
    write_card(
        a.output / CARD,
        card=card,
        metrics=a.metrics,
        reader=a.reader,
        config=a.config,
        command=a.made_by,
        megabytes=(a.output / "model.safetensors").stat().st_size / 1e6,
    )


def use_released(a) -> None:
    from ssmtl.learning.released import use_released

    use_released(a.output, released=a.released, seed=a.seed, name=a.model_name)


def calibrate(a) -> None:
    from ssmtl.scoring.calibration import calibrate

    calibrate(
        a.output,
        weights=a.model,
        cubes=a.cubes,
        teachers=a.teachers,
        settings=a.settings,
        groups=a.groups,
    )


def score(a) -> None:
    from ssmtl.scoring.stage import score_frames, score_objects

    fusion = a.settings["fusion"]
    if fusion != "mean" and a.calibration is None:
        raise InputError(f"score: --fusion {fusion} needs --calibration, made by `ssmtl calibrate`")
    given = {"weights": a.model, "calibration": a.calibration, "settings": a.settings}
    if a.frames:
        if a.detections is None or a.cubes or a.teachers:
            raise InputError(
                "score: --frames needs --detections, and neither --cubes nor --teachers"
            )
        stages = {name: getattr(a, f"{name}_settings") for name in ("cubes", "teachers")}
        stages = {n: config.SECTIONS[n].parse(v, n).model_dump() for n, v in stages.items()}
        score_frames(a.output, frames=a.frames, detections=a.detections, **stages, **given)
        return
    if a.cubes is None:
        raise InputError("score: give --cubes and --teachers, or --frames and --detections")
    score_objects(a.output, cubes=a.cubes, teachers=a.teachers, **given)


def evaluate(a) -> None:
    from ssmtl.evaluation import evaluate as evaluation

    evaluation.evaluate(
        a.output,
        a.table,
        manifest=a.manifest,
        scores=a.scores,
        dataset=a.dataset,
        model=a.model_name,
        settings=a.settings,
    )
    show(argparse.Namespace(metrics=[a.output], borders=False))


def history(a) -> None:
    import pandas as pd

    from ssmtl.reporting import plots

    plots.save(plots.history_figure(pd.read_csv(a.history)), a.output)


def report(a) -> None:
    from ssmtl.reporting.pages.report import write_report

    write_report(
        a.output,
        dataset=a.dataset,
        config=a.config,
        manifest=a.manifest,
        frames=a.frames,
        detections=a.detections,
        cubes=a.cubes,
        teachers=a.teachers,
        runs=a.runs,
        videos=a.videos,
        benchmarks=a.benchmarks,
    )


def figures(a) -> None:
    from ssmtl.reporting.paper_figures import write_figures

    write_figures(a.outputs, run=a.run_folder)


def summary(a) -> None:
    from ssmtl.reporting.pages.summary import write_summary

    write_summary(
        a.page, a.csv, a.tex, [a.svg, a.pdf], metrics=a.metrics, published_results=a.published
    )


def videos(a) -> None:
    from ssmtl.reporting.annotated_videos import write_videos

    write_videos(
        a.output, frames=a.frames, scores=a.scores, table=a.table, calibration=a.calibration
    )


def watcher(a) -> None:
    from ssmtl.watching.folder import make_watcher

    make_watcher(
        a.output, weights=a.model, calibration=a.calibration, frames=a.frames, config=a.config
    )


def learn(a) -> None:
    from ssmtl.watching.learn import learn

    learn(
        a.folder,
        a.output,
        detect=a.settings,
        changes=a.config,
        ignore=a.ignore,
        fps=a.fps,
        cores=a.cores,
    )


def watch(a) -> None:
    from ssmtl.watching.watch import watch

    watch(a.source, model=a.model, output=a.output, scores=a.scores, settings=a.settings)


def ablation(a) -> None:
    from ssmtl.reporting.pages.ablation import write_ablation

    write_ablation(
        a.page,
        a.summary,
        a.runs,
        a.figure,
        dataset=a.dataset,
        plan=a.plan,
        metrics=a.metrics,
        cards=a.cards,
    )


def sensitivity(a) -> None:
    from ssmtl.evaluation.sensitivity import write_sensitivity

    write_sensitivity(
        a.output,
        manifest=a.manifest,
        scores=a.scores,
        calibration=a.calibration,
        configured=a.configured,
        settings=a.settings,
        model=a.model_name,
        smoothing=a.smoothing,
    )


def sensitivity_page(a) -> None:
    from ssmtl.reporting.pages.sensitivity import write_page

    write_page(a.page, a.combined, dataset=a.dataset, tables=a.tables, about=a.about)


def pixel_baseline(a) -> None:
    from ssmtl.scoring.pixel_baselines import write_pixel_baselines

    write_pixel_baselines(a.output, train=a.train, groups=a.groups, test=a.test)


def protocol(a) -> None:
    from ssmtl.reporting.pages.protocol import write_protocol

    write_protocol(
        a.page,
        a.summary,
        a.runs,
        a.figure,
        protocol=a.protocol,
        dataset=a.dataset,
        plan=a.plan,
        scores=a.scores,
        images=a.images,
    )
    show_protocol(argparse.Namespace(summaries=[a.summary]))


def show_protocol(a) -> None:
    from ssmtl.evaluation.protocols import read_summary, summary_text

    for path in a.summaries:
        print(summary_text(read_summary(path)))


def show(a) -> None:
    from ssmtl.evaluation.evaluate import borders_text, metrics_text
    from ssmtl.formats.tables import read_json

    runs = [read_json(path) for path in a.metrics]
    if a.borders:
        print(borders_text(runs))
        return
    for metrics in runs:
        print(f"{metrics['dataset']}, model {metrics['model']}, seed {metrics['seed']}")
        print(metrics_text(metrics))


def run_pipeline(a) -> None:
    from ssmtl.cli.run import run

    if status := run(a.words):
        sys.exit(status)


def measure_scores(a) -> None:
    from ssmtl.cli.measure import measure

    others = ("command", "verbose", "run", "stage", "parser")
    measure(**{name: value for name, value in vars(a).items() if name not in others})


def commands() -> argparse.ArgumentParser:
    """The parser with all commands."""
    c = Commands()
    integer = {"type": int, "required": True}
    c.add(
        "scenes",
        "Render the demo's scenes.",
        scenes,
        folder=output("folder to write"),
        seed=integer | {"help": "seed of the scenes"},
        split_role={"choices": ["test", "dev"], "default": "test", "help": "which test scenes"},
        train_clips=integer | {"help": "normal training clips"},
        test_clips=integer | {"help": "test clips"},
        train_frames=integer | {"help": "frames of a training clip"},
        test_frames=integer | {"help": "frames of a test clip"},
        jobs={"type": int, "default": 1, "help": "processes"},
    )
    c.add(
        "train-detector",
        "Train the demo's small detector on scenes of its own.",
        train_detector,
        output=output("weights to write (.pt)"),
        seed={"type": int, "default": 0, "help": "seed of scenes and training"},
        scenes={"type": int, "default": 400, "help": "scenes rendered"},
        frames_per_scene={"type": int, "default": 12, "help": "pictures taken of each"},
        epochs={"type": int, "default": 4, "help": "passes over the pictures"},
        image_size={"type": int, "default": 320, "help": "input side in pixels"},
        jobs={"type": int, "default": 2, "help": "processes"},
    )
    c.add(
        "fetch",
        "Download a data set that may be fetched automatically.",
        fetch,
        output=output("file that says what was fetched"),
        reader={"required": True, "help": "reader of the data set"},
    )
    c.add(
        "manifest",
        "List the clips of a data set, with frames, sizes and labels.",
        manifest,
        output=output("manifest to write (.csv)"),
        dataset={"required": True, "help": "name of the data set"},
        reader={"required": True, "help": "reader of its layout"},
        path=file("folder of the data set"),
        options={"type": json.loads, "default": {}, "help": "reader options, JSON"},
        exclude={"type": text_list, "default": [], "help": "clips to leave out, comma-separated"},
        train_shards={"type": int, "default": 1, "help": "shards of the training split"},
        test_shards={"type": int, "default": 1, "help": "shards of the test split"},
        expected_frames={"type": json.loads, "default": None, "help": "frames per split, JSON"},
        allow_partial={"type": parse_bool, "default": False, "help": "accept other frame counts"},
        fps={"type": float, "default": 25.0, "help": "of clips that are folders of images"},
        splits={"type": text_list, "default": ["train", "test"], "help": "splits that count"},
        split={"choices": ["train", "test"], "help": "list one shard of this split only"},
        shard={"type": int, "default": 0, "help": "the shard that --split means"},
    )
    c.add(
        "frames",
        "Extract every frame of a shard's clips to HDF5.",
        frames,
        "frames",
        output=output("frames.h5"),
        manifest=file("manifest.csv"),
        split=dict(SPLIT),
        shard={"type": int, "default": 0, "help": "shard of the split"},
    )
    c.add(
        "detect",
        "Detect the objects of every frame.",
        detect,
        "detect",
        output=output("detections.h5"),
        frames=file("frames.h5"),
        boxes=file("CSV of boxes for the imported back end", required=False),
    )
    c.add(
        "cubes",
        "Crop an object-centric cube for every detection.",
        cubes,
        "cubes",
        output=output("cubes.h5"),
        frames=file("frames.h5"),
        detections=file("detections.h5"),
        split=dict(SPLIT),
    )
    c.add(
        "teachers",
        "Teacher targets: ResNet-50 outputs and class probabilities.",
        teachers,
        "teachers",
        output=output("teachers.h5"),
        frames=file("frames.h5"),
        detections=file("detections.h5"),
        cubes=file("cubes.h5"),
        split=dict(SPLIT),
    )
    c.add(
        "images",
        "The pictures of an image data set at one size, as cubes of one frame.",
        images,
        "images",
        output=output("images.h5"),
        dataset={"help": "name of the data set, if not its reader's"},
        reader={"required": True, "help": "reader of the data set's layout"},
        path={"type": Path, "default": Path("."), "help": "folder of the data set [.]"},
        options={"type": json.loads, "default": {}, "help": "reader options, JSON"},
        split=dict(SPLIT),
    )
    c.add(
        "train",
        "Train all proxy tasks jointly on normal video or pictures.",
        train,
        "train",
        output=output("folder for model.safetensors, model.json and history.csv"),
        cubes=files("cubes.h5 of the training shards, or images.h5"),
        teachers=files("teachers.h5 of the same shards", **OPTIONAL),
        groups=names("classes of pictures to learn [all]"),
        state=file("folder of the resumable state [OUTPUT/.state]", required=False),
        seed={"type": int, "default": 0, "help": "seed of weights, order and views"},
        model_name={"default": "model", "help": "name of the model"},
    )
    c.add(
        "release",
        "Make a folder to share from a trained and evaluated model.",
        release,
        output=output("folder to write"),
        run_folder=file("folder of the run"),
        metrics=file("metrics.json of the run"),
        reader={"required": True, "help": "reader of the data set"},
        config={"type": json.loads, "default": {}, "help": "configuration to show, JSON"},
        made_by={"required": True, "help": "command that makes the model again"},
    )
    c.add(
        "use-released",
        "Take a released model in place of training.",
        use_released,
        output=output("folder of the run"),
        released=file("folder of the released model"),
        seed={"type": int, "default": 0, "help": "seed of the run"},
        model_name={"default": "model", "help": "name of the model in the run"},
    )
    c.add(
        "calibrate",
        "Distribution of normal scores on the held-out training clips or pictures.",
        calibrate,
        "score",
        output=output("calibration.h5"),
        model=file("model.safetensors"),
        cubes=files("cubes.h5 of the training shards, or images.h5"),
        teachers=files("teachers.h5 of the same shards", **OPTIONAL),
        groups=names("classes of pictures that were learnt [all]"),
    )
    c.add(
        "score",
        "Anomaly scores of every object or picture.",
        score,
        "score",
        output=output("scores file (.h5)"),
        model=file("model.safetensors"),
        calibration=file("calibration.h5, for --fusion ecdf and fisher", **MAYBE),
        cubes=file("cubes.h5, or images.h5", **MAYBE),
        teachers=file("teachers.h5 of the same shard", **MAYBE),
        frames=file("frames.h5, to score without cubes and teachers", **MAYBE),
        detections=file("detections.h5 of the same shard", **MAYBE),
        cubes_settings={"type": json.loads, "default": {}, "help": "with --frames: cubes, JSON"},
        teachers_settings={"type": json.loads, "default": {}, "help": "teachers, JSON"},
    )
    c.add(
        "evaluate",
        "Frame scores, Gaussian smoothing, and AUC, RBDC and TBDC where there is ground truth.",
        evaluate,
        "evaluate",
        output=output("metrics.json"),
        table=output("frame_scores.csv"),
        manifest=file("manifest.csv"),
        scores=files("scores of all test shards"),
        dataset={"required": True, "help": "name of the data set"},
        model_name={"help": "name of the model, if not that of the scores"},
    )
    c.add(
        "history",
        "Plot a training history.",
        history,
        output=output("figure to write (.svg)"),
        history=file("history.csv"),
    )
    c.add(
        "report",
        "Write the HTML report of a data set.",
        report,
        output=output("report.html"),
        dataset={"required": True, "help": "name of the data set"},
        config={"type": json.loads, "default": {}, "help": "configuration to show, JSON"},
        manifest=file("manifest.csv"),
        frames=files("frames.h5 of all shards"),
        detections=files("detections.h5 of all shards"),
        cubes=files("cubes.h5 of all shards that have one", **OPTIONAL),
        teachers=files("teachers.h5 of all shards that have one", **OPTIONAL),
        runs=files("model folders with metrics.json"),
        videos=files("folders {model}/seed{seed} of annotated videos", **OPTIONAL),
        benchmarks=file("folder of Snakemake's benchmarks", required=False),
    )
    c.add(
        "figures",
        "Draw a run's figures for papers.",
        figures,
        outputs=output("roc or timelines, .svg or .pdf") | {"nargs": "+"},
        run_folder=file("folder of the run"),
    )
    c.add(
        "summary",
        "Compare data sets, models and seeds: page, tables and figure.",
        summary,
        page=output("summary.html"),
        csv=output("table to write, one row per run and score (.csv)"),
        tex=output("table to write, one row per model (.tex)"),
        svg=output("figure to write (.svg)"),
        pdf=output("figure to write (.pdf)"),
        metrics=files("metrics.json of all runs"),
        published={
            "type": json.loads,
            "default": {},
            "help": "published results of each data set, by their name, JSON",
        },
    )
    c.add(
        "videos",
        "Draw objects, scores and ground truth into the test clips, as H.264 video.",
        videos,
        output=output("folder to write {clip}.mp4 to"),
        frames=files("frames.h5 of the test shards"),
        scores=files("scores of the same shards, in the same order"),
        table=file("frame_scores.csv"),
        calibration=file("calibration.h5, for scores combined by one", **MAYBE),
    )
    c.add(
        "watcher",
        "Put all that `watch` needs into one folder.",
        watcher,
        output=output("folder to write"),
        model=file("model.safetensors"),
        calibration=file("calibration.h5 of that model"),
        frames=files("frames.h5 of the training shards"),
        config={"type": json.loads, "required": True, "help": "settings of all stages, JSON"},
    )
    c.add(
        "learn",
        "Learn from a folder of normal video, and write a watcher.",
        learn,
        "detect",
        folder={"positional": True, "type": Path, "help": "videos, or folders of images"},
        output=file("folder to write, which `watch` takes as its model"),
        config=file("YAML with sections of the config to change", required=False),
        ignore={
            "default": "",
            "help": "polygons to ignore, 10,20 90,20 90,60; ..., or a JSON file",
        },
        fps={"type": float, "default": 25.0, "help": "of folders of images [25]"},
        cores={"default": "all", "help": "CPU cores to use [all]"},
    )
    c.add(
        "watch",
        "Watch a video file, a folder, a stream's URL or a camera device, and write its events.",
        watch,
        "watch",
        source={"positional": True, "help": "what to watch"},
        model=file("folder that `learn` wrote"),
        output=file(
            "folder for the events, new or empty [events]", required=False, default=Path("events")
        ),
        scores={"action": "store_true", "help": "write every object's and frame's score too"},
    )
    c.add(
        "ablation",
        "Compare the variants of a model: page, tables and figure.",
        ablation,
        page=output("ablation.html"),
        summary=output("CSV to write, one row per variant"),
        runs=output("CSV to write, one row per variant and seed"),
        figure=output("figure to write (.svg)"),
        dataset={"required": True, "help": "name of the data set"},
        plan={"type": json.loads, "required": True, "help": "what is compared, JSON"},
        metrics=files("metrics.json of all variants and seeds"),
        cards=files("model.json that each of these was scored with, in the same order"),
    )
    c.add(
        "sensitivity",
        "Frame metrics of a scored model over fusion, map, smoothing and border rule.",
        sensitivity,
        "sensitivity",
        output=output("CSV to write, one row per point of the grid"),
        manifest=file("manifest.csv"),
        scores=files("scores of all test shards"),
        calibration=file("calibration.h5"),
        configured={
            "type": json.loads,
            "required": True,
            "help": "the values in use of fusion, cell, filter_size, sigma and border, JSON",
        },
        model_name={"help": "name of the model, if not that of the scores"},
        smoothing={"default": "gaussian", "help": "evaluate.smoothing in use [gaussian]"},
    )
    c.add(
        "sensitivity-page",
        "Write the page of a data set's sensitivity.",
        sensitivity_page,
        page=output("sensitivity.html"),
        combined=output("CSV to write, all tables in one"),
        dataset={"required": True, "help": "name of the data set"},
        tables=files("CSVs of `ssmtl sensitivity`"),
        about={"type": json.loads, "default": {}, "help": "notes to show and teachers, JSON"},
    )
    c.add(
        "pixel-baseline",
        "Anomaly scores of pictures by their pixels alone: PCA and the nearest training picture.",
        pixel_baseline,
        output=output("scores file (.h5)"),
        train=file("images.h5 of the training split"),
        groups=names("classes of training pictures that are normal [all]"),
        test=file("images.h5 of the pictures to score"),
    )
    c.add(
        "protocol",
        "Measure a protocol of the image system: page, tables and figure.",
        protocol,
        page=output("page to write (.html)"),
        summary=output("CSV to write, one row per case and score"),
        runs=output("CSV to write, one row per case, score and seed"),
        figure=output("figure to write (.svg)"),
        protocol={"choices": PROTOCOLS, "required": True, "help": "protocol"},
        dataset={"required": True, "help": "name of the data set"},
        plan={"type": json.loads, "required": True, "help": "references, notes, settings, JSON"},
        images=files("images.h5 of the test pictures of every data set"),
        scores=files("scores, of the method first; each lies in a folder within that of its run"),
    )
    c.add(
        "run",
        "Run the pipeline in this folder: a data set's name or a file, then Snakemake's options.",
        run_pipeline,
        words={"positional": True, "nargs": argparse.REMAINDER, "help": "demo --cores 4"},
    )
    c.add(
        "measure",
        "Measure anomaly scores of any method; docs/measure.md has the layouts.",
        measure_scores,
        scores={
            "positional": True,
            "type": Path,
            "nargs": "?",
            "help": "folder of .npy per clip, .npy, .npz, .mat, or CSV of clip,frame,score",
        },
        labels=file("labels: a folder, CSV, .mat, .m, .npy or .npz"),
        lengths={"help": "frames of every clip, 180,200, or a file, for clips end to end"},
        boxes=file("CSV of clip,frame,x1,y1,x2,y2,score", required=False),
        tracks=file("folder of ground-truth tracks, for RBDC and TBDC", required=False),
        masks=file("folder of ground-truth masks, for the pixel AUC", required=False),
        maps=file("folder of score maps, .npy (T, H, W) per clip", required=False),
        normalise={"choices": ["clip", "all"], "help": "min-max to 0 to 1 [as they are]"},
        smoothing={"choices": ["gaussian", "causal"], "help": "of frame scores in time [none]"},
        sigma={"type": float, "help": "of the smoothing, frames"},
        border={
            "choices": ["zero", "replicate"],
            "default": "zero",
            "help": "what smoothing sees beyond a clip's ends [zero]",
        },
        threshold={"type": float, "help": "count alarms above this frame score"},
        fps={"type": float, "help": "frames per second, for alarms per hour"},
        pause={"type": float, "default": 3.0, "help": "seconds below that end an alarm [3]"},
        output=file("JSON to write too", required=False),
    )
    c.add(
        "show-protocol",
        "Print the tables of a protocol.",
        show_protocol,
        summaries={
            "positional": True,
            "type": Path,
            "nargs": "+",
            "help": "CSVs of `ssmtl protocol`, such as one_vs_all.csv",
        },
    )
    c.add(
        "show",
        "Print the metrics table of evaluated models.",
        show,
        metrics={"positional": True, "type": Path, "nargs": "+", "help": "metrics.json"},
        borders={"action": "store_true", "help": "the combined score under both border rules"},
    )
    return c.parser


def main(arguments: list[str] | None = None) -> None:
    """Runs one command; exits with 2 and one line where the input is bad."""
    a = commands().parse_args(arguments)
    keep_memory()
    logging.basicConfig(
        level=logging.DEBUG if a.verbose else logging.INFO, format="%(message)s", stream=sys.stderr
    )
    for noisy in ("matplotlib", "PIL", "h5py", "fontTools"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    try:
        if a.stage:
            a.settings = settings_of(a, a.stage)
            if a.command in STAGES:
                a.code = stage_code(a.command, {a.stage: a.settings})
        start = time.monotonic()
        a.run(a)
        if a.command not in SHOWING:
            log.info("%s: done in %s", a.command, clock(time.monotonic() - start))
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
