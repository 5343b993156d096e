# Config validation, wildcard constraints, the GPU limit and what reruns a stage. No rules.
import json
import math
import shlex
import sys
import time
from functools import cache
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.resources import Resource
from snakemake.settings.types import DeploymentMethod

# A checkout has the package beside this folder; an installed package has this folder in it.
CHECKOUT = Path(workflow.basedir) / "workflow"
if (CHECKOUT / "ssmtl").is_dir():
    sys.path.insert(0, str(CHECKOUT))

from ssmtl import config as settings_tree
from ssmtl.datasets import video as readers
from ssmtl.datasets.clips import labels_digest, listing_digest, shards_of, source_size
from ssmtl.datasets import images as image_readers
from ssmtl.core import store
from ssmtl.datasets.ground_truth import truth_digest
from ssmtl.core.errors import InputError
from ssmtl.core.machine import has_gpu
from ssmtl.core.progress import stage_times
from ssmtl.formats.released import FILES as RELEASED_FILES, released_seed
from ssmtl.planning.code import stage_code
from ssmtl.planning.registry import STAGES

PACKAGE = Path(settings_tree.__file__).parents[2]

try:
    settings_tree.check(config)
    config = settings_tree.seeded(config)
except InputError as error:
    raise WorkflowError(str(error))

RUN = settings_tree.run(config)
STARTED = time.time()
SHARD = "results/{dataset}/data/{split}/{shard}"
TEST_SHARD = "results/{dataset}/data/test/{shard}"
RUN_FOLDER = "results/{dataset}/models/{model}/seed{seed}"
IMAGE_RUN = "results/{imageset}/models/{normal}/{model}/seed{seed}"
RELEASE = "results/{dataset}/release/{model}/seed{seed}"

# Data sets whose models are taken as released, and those whose models are trained.
TAKING = "|".join(n for n, d in config["datasets"].items() if d.get("released")) or "(?!)"
TRAINING = "|".join(n for n, d in config["datasets"].items() if not d.get("released")) or "(?!)"
# Data sets whose test clips are scored straight from their frames, and those whose cubes are stored.
FROM_FRAMES = "|".join(n for n, d in config["datasets"].items() if d.get("from_frames")) or "(?!)"
STORING = "|".join(n for n, d in config["datasets"].items() if not d.get("from_frames")) or "(?!)"


wildcard_constraints:
    dataset="|".join(config["datasets"]),
    split="train|test",
    shard=r"\d+",
    # A model, or a variant of it as the ablation makes them.
    model=f"(?:{'|'.join(config.get('models', {'paper': {}}))})" r"(?:\.[A-Za-z0-9_-]+)?",
    seed=r"\d+",
    # An image data set, the one that its pictures come from, and the class trained on, or `all`.
    imageset="|".join(config.get("image_datasets", {})) or "(?!)",
    source="|".join(config.get("image_datasets", {})) or "(?!)",
    normal="[A-Za-z0-9_.-]+",


# Where there is a GPU, one job at a time uses it unless the user allows more: gpu=1 in a rule alone
# does not serialise local jobs. Profiles for clusters set their own limit, and within a job of a
# cluster it would cut down what the job has been given.
if workflow.is_main_process and "gpu" not in workflow.global_resources and has_gpu():
    workflow.register_resource("gpu", Resource("gpu", 1))

# Jobs use this very interpreter, unless conda gives each its own; the package is found either way.
ENVIRONMENT = f"export PYTHONPATH={str(PACKAGE)!r}; "
if DeploymentMethod.CONDA not in workflow.deployment_settings.deployment_method:
    ENVIRONMENT += f"export PATH={str(Path(sys.executable).parent)!r}:$PATH; "
shell.prefix(f"set -euo pipefail; {ENVIRONMENT}")


@cache
def dataset(name):
    return settings_tree.dataset(config, name)


def settings(stage, wildcards):
    """A stage's settings for the wildcards of a job."""
    model = getattr(wildcards, "model", None)
    name = getattr(wildcards, "dataset", None) or wildcards.imageset
    return settings_tree.settings(config, stage, name, model)


def options(stage):
    """A params function: the stage's settings as command-line options."""
    return lambda wildcards: settings_tree.flags(settings(stage, wildcards))


def code(stage):
    """A params function: the digest of the stage's code, so that editing it reruns the stage."""

    def digest(wildcards):
        sections = {place.partition(".")[0] for place in STAGES[stage].named}
        known = sections & {*settings_tree.STAGES}
        return stage_code(stage, {section: settings(section, wildcards) for section in known})

    return digest


def limits(rule):
    """A rule's memory in MB and time in minutes, by input size and attempt, for a cluster."""

    def doubling(start, per_gb):
        def value(wildcards, input, attempt):
            size = footage(wildcards) if rule == "frames" else input.size
            return math.ceil((start + per_gb * size / 1e9) * 2 ** (attempt - 1))

        return value

    memory, time = STAGES[rule].memory, STAGES[rule].time
    return {
        "mem_mb": doubling(1000 * memory.start, 1000 * memory.per_gb),
        "runtime": doubling(time.start, time.per_gb),
    }


def footage(wildcards):
    """Bytes of a shard's clips; scenes that the project renders are small."""
    if is_rendered(wildcards.dataset):
        return 0
    clips = included(wildcards.dataset, shard_clips(wildcards))
    return sum(source_size(Path(clip.source))[1] for clip in clips)


@cache
def image_dataset(name):
    return settings_tree.image_dataset(config, name)


def read_images(function, name, *arguments):
    """What a function of an image data set's reader returns."""
    data = image_dataset(name)
    try:
        reader = image_readers.reader(data["reader"], data["options"])
        return getattr(reader, function)(Path(data["path"]), *arguments, **data["options"])
    except InputError as error:
        raise WorkflowError(str(error))


@cache
def image_classes(name, split="train"):
    """The classes of an image data set's split, sorted."""
    return read_images("classes", name, split)


@cache
def image_listing(name, split):
    """What changes when a split's files change."""
    return read_images("listing", name, split)


def normal_classes(name):
    """The classes that are the normal one in turn: those of the config, or all."""
    chosen, known = image_dataset(name)["classes"], image_classes(name)
    if len(tested := image_classes(name, "test")) < 2:
        raise WorkflowError(
            f"image data set {name}: one-vs-all needs test pictures of at least two classes, and "
            f"there is {tested[0]} alone; add a folder with another one"
        )
    if unknown := [text for text in chosen if text not in known]:
        raise WorkflowError(
            f"config: image_datasets.{name}.classes names '{unknown[0]}', which cannot be trained "
            f"on; there are {', '.join(known)}"
        )
    if untested := [text for text in chosen or known if text not in tested]:
        raise WorkflowError(
            f"image data set {name}: class {untested[0]} has no test pictures, so that it cannot be "
            f"the normal one; add some, or leave it out in image_datasets.{name}.classes"
        )
    return chosen or known


@cache
def listing(name):
    """All clips of a data set, from its folder's listing."""
    data = dataset(name)
    try:
        return readers.reader(data["reader"]).list_clips(Path(data["path"]), **data["options"])
    except InputError as error:
        raise WorkflowError(str(error))


def excluded(name, clips):
    """The entries of a data set's `exclude` that name one of the clips."""
    names = {text for clip in clips for text in (clip.name, f"{clip.split}/{clip.name}")}
    return [text for text in dataset(name)["exclude"] if text in names]


def included(name, clips):
    return [c for c in clips if c.split in splits(name) and not excluded(name, [c])]


def shard_clips(wildcards):
    """All clips of a shard, the excluded ones among them."""
    count = dataset(wildcards.dataset)["shards"][wildcards.split]
    clips = [clip for clip in listing(wildcards.dataset) if clip.split == wildcards.split]
    places = shards_of((clip.name for clip in clips), count)
    return [clip for clip in clips if places[clip.name] == int(wildcards.shard)]


def splits(name):
    """The splits that a data set needs: released models are not trained."""
    return ["test"] if dataset(name)["released"] else dataset(name)["splits"]


def is_rendered(name):
    """Whether the project makes this data set itself."""
    return dataset(name)["reader"] == "demo"


def sources(wildcards):
    """What a shard's clips are made of: it changes with a clip added, replaced or removed."""
    name = wildcards.dataset
    clips = included(name, shard_clips(wildcards))
    if not is_rendered(name):
        return listing_digest(clips)
    scenes = {k: v for k, v in dataset(name)["options"].items() if not k.endswith("_clips")}
    names = [clip.name for clip in clips]
    return store.digest(names, scenes, stage_code("scenes", {}))


def scenes_file(wildcards):
    """What says that a data set of the project's own making is rendered."""
    return f"data/{wildcards.dataset}/scenes.json" if is_rendered(wildcards.dataset) else []


def labels(wildcards):
    """What the manifest is made of beside its settings: the clips and their labels."""
    if is_rendered(wildcards.dataset):
        return ""
    clips = included(wildcards.dataset, listing(wildcards.dataset))
    return store.digest(listing_digest(clips), labels_digest(clips))


def truth(wildcards):
    """What evaluate reads beside the manifest: it changes with the clips' tracks and masks."""
    if is_rendered(wildcards.dataset):
        return ""
    return truth_digest(included(wildcards.dataset, listing(wildcards.dataset)))


def manifest_code(wildcards):
    return stage_code("manifest", {"dataset": dataset(wildcards.dataset)})


def clips_code(wildcards):
    return stage_code("clips", {"dataset": dataset(wildcards.dataset)})


def image_source(wildcards):
    """The options of `ssmtl images` that say where the pictures come from."""
    data = image_dataset(wildcards.source)
    values = {
        "reader": data["reader"],
        "path": data["path"],
        "options": json.dumps(data["options"], sort_keys=True),
    }
    return settings_tree.flags(values)


def images_code(wildcards):
    return stage_code("images", {"image_dataset": image_dataset(wildcards.source)})


def reader_options(data):
    return {
        "reader": data["reader"],
        "path": data["path"],
        "options": json.dumps(data["options"], sort_keys=True),
        "fps": data["fps"],
    }


def manifest_options(wildcards):
    data = dataset(wildcards.dataset)
    values = reader_options(data) | {
        "exclude": data["exclude"],
        "train_shards": data["shards"]["train"],
        "test_shards": data["shards"]["test"],
        "allow_partial": data["allow_partial"],
        "splits": splits(wildcards.dataset),
    }
    if "expected_frames" in data:
        values["expected_frames"] = json.dumps(data["expected_frames"], sort_keys=True)
    return settings_tree.flags(values)


def clips_options(wildcards):
    """Options for one shard's rows: nothing in them may change with another shard's clips."""
    data = dataset(wildcards.dataset)
    values = reader_options(data) | {
        "exclude": excluded(wildcards.dataset, shard_clips(wildcards)),
        f"{wildcards.split}_shards": data["shards"][wildcards.split],
        "splits": splits(wildcards.dataset),
    }
    return settings_tree.flags(values)


def imported_boxes(wildcards):
    """The CSV of boxes, for the imported detector only."""
    if settings("detect", wildcards)["backend"] != "imported":
        return []
    boxes = dataset(wildcards.dataset).get("boxes", {})
    if wildcards.split not in boxes:
        raise WorkflowError(
            f"config: datasets.{wildcards.dataset}.boxes.{wildcards.split} must name a CSV of "
            "boxes, since detect.backend is imported"
        )
    return boxes[wildcards.split]


def model_files(stage, wildcards):
    """The files of a stage's networks: given by path, as bare names are fetched by the stage."""
    values = settings(stage, wildcards)
    # A detector of its own has the detect stage, or else, for imported boxes, the teachers stage.
    imported = settings("detect", wildcards)["backend"] == "imported"
    keys = ["weights", "cfg", "names"] if imported == (stage == "teachers") else []
    keys += ["resnet"] if stage == "teachers" else []
    return [values[key] for key in keys if "/" in values[key]]


def shards(name, split):
    return range(dataset(name)["shards"][split])


def shard_files(stage, *wanted):
    """An input function: a stage's files of all shards of the splits, by default all it needs."""

    def paths(wildcards):
        return [
            f"{SHARD}/{stage}.h5".format(dataset=wildcards.dataset, split=split, shard=shard)
            for split in wanted or splits(wildcards.dataset)
            for shard in shards(wildcards.dataset, split)
        ]

    return paths


def stored_files(stage, wildcards):
    """A stage's files, without those of test clips that are scored straight from their frames."""
    name = wildcards.dataset
    from_frames = dataset(name)["from_frames"]
    kept = [split for split in splits(name) if split == "train" or not from_frames]
    return shard_files(stage, *kept)(wildcards) if kept else []


def run_of(stage, wildcards):
    """The folder with a stage's output for a model: a variant may share that of another one."""
    model = settings_tree.shared(config, stage, wildcards.dataset, wildcards.model)
    return RUN_FOLDER.format(dataset=wildcards.dataset, model=model, seed=wildcards.seed)


def configured_point(wildcards):
    """Where in the grids of the sensitivity the configuration lies, JSON."""
    values = settings("evaluate", wildcards) | settings("score", wildcards)
    names = settings_tree.keys("sensitivity")
    return json.dumps({name: values[name] for name in names}, sort_keys=True)


def ablation_files(stage, file, name):
    """One file per run of a data set's ablation, from where the stage's output lies."""
    if dataset(name)["released"]:
        raise WorkflowError(
            f"config: datasets.{name} takes released models, whose variants cannot be trained; "
            "ask for the ablation of the data set that they were trained on"
        )
    models = dict.fromkeys(row["model"] for row in settings_tree.ablation(config, name))
    return [
        f"{RUN_FOLDER}/{file}".format(
            dataset=name, model=settings_tree.shared(config, stage, name, model), seed=seed
        )
        for model in models
        for seed in settings_tree.settings(config, "ablation", name)["seeds"]
    ]


def released_files(wildcards):
    """The files of the released model that is taken for a run."""
    return [f"{released_folder(wildcards)}/{name}" for name in RELEASED_FILES]


def released_folder(wildcards):
    folders = dataset(wildcards.dataset)["released"]
    if wildcards.model not in folders:
        raise WorkflowError(
            f"config: datasets.{wildcards.dataset} takes released models "
            f"({', '.join(folders)}), and '{wildcards.model}' is none of them; ask for it on the "
            "data set that it can be trained on"
        )
    return folders[wildcards.model]


def run_folders(name):
    """The folders of all models and seeds of a data set; released models have their own seed."""
    data = dataset(name)
    return [
        RUN_FOLDER.format(dataset=name, model=model, seed=seed)
        for model in data["models"]
        for seed in (released_seeds(data["released"][model]) if data["released"] else RUN["seeds"])
    ]


def first_folders(kind, name):
    """A folder per model, of its first seed: of the run (`models`), or of its `videos`."""
    runs = {}
    for run in map(Path, run_folders(name)):
        runs.setdefault(run.parent.name, run)
    return [f"results/{name}/{kind}/{model}/{run.name}" for model, run in runs.items()]


def compared():
    """The data sets of the comparison page."""
    return [*RUN["datasets"], *(name for name in RUN["compared"] if name not in RUN["datasets"])]


def released_seeds(folder):
    try:
        return [released_seed(Path(folder))]
    except InputError as error:
        raise WorkflowError(str(error))


def run_config(wildcards):
    """All settings of one model, JSON: what a released model's card shows."""
    stages = settings_tree.STAGES
    return json.dumps({stage: settings(stage, wildcards) for stage in stages}, sort_keys=True)


def shown_notes(wildcards):
    """The data set's notes and what others follow from, JSON."""
    teachers = {"resnet": settings("teachers", wildcards)["resnet"]}
    notes = dataset(wildcards.dataset)["notes"]
    return json.dumps({"notes": notes, "teachers": teachers}, sort_keys=True)


def shown_config(wildcards):
    """The settings that the report shows, JSON: the data set's entry and every stage's."""
    name, data = wildcards.dataset, dataset(wildcards.dataset)
    stages = settings_tree.STAGES
    shown = {
        "dataset": {k: v for k, v in data.items() if k not in (*stages, "ablation", "sensitivity")},
        **{stage: settings_tree.settings(config, stage, name) for stage in stages[:4]},
        "models": {
            # How a released model was trained stands in its card.
            model: {
                s: settings_tree.settings(config, s, name, model)
                for s in stages[5 if data["released"] else 4 :]
            }
            for model in data["models"]
        },
        "notes": data["notes"],
    }
    if "published" in data:
        shown["published"] = data["published"]
    return json.dumps(shown, sort_keys=True)


def own_images(split):
    """The file of an image data set's own pictures."""
    return f"results/{{imageset}}/data/{{imageset}}/{split}/images.h5"


def picture_options(stage):
    """A params function: the stage's settings, and the class whose pictures are normal."""

    def given(wildcards):
        return f"{options(stage)(wildcards)} {normal_option(wildcards)}"

    return given


def image_calibration(wildcards):
    """The calibration of a model of pictures, where its scores are combined by one."""
    if settings("score", wildcards)["fusion"] == "mean":
        return []
    return f"{IMAGE_RUN}/calibration.h5".format(**wildcards)


def normal_option(wildcards):
    """The class whose pictures are normal, as a command-line option; all where it is `all`."""
    return "" if wildcards.normal == "all" else f"--groups {shlex.quote(wildcards.normal)}"


def protocol_normals(wildcards):
    """What models of a protocol are trained on, one after the other."""
    if wildcards.protocol == "out_of_distribution":
        return ["all"]
    if wildcards.protocol == "one_vs_all":
        return normal_classes(wildcards.imageset)
    if image_dataset(wildcards.imageset)["reader"] != "presentation_attack":
        raise WorkflowError(
            f"config: image_datasets.{wildcards.imageset} has no attacks; presentation_attack needs "
            "the reader presentation_attack"
        )
    return image_classes(wildcards.imageset)


def protocol_sources(wildcards):
    """The data sets whose test pictures a protocol scores, the one trained on first."""
    if wildcards.protocol != "out_of_distribution":
        return [wildcards.imageset]
    others = image_dataset(wildcards.imageset)["others"]
    if not others:
        raise WorkflowError(
            f"config: image_datasets.{wildcards.imageset}.others is empty; name the data sets whose "
            "pictures are anomalous"
        )
    return [wildcards.imageset, *others]


def protocol_runs(wildcards):
    """The folders of all trained runs of a protocol, those of the method first."""
    data = image_dataset(wildcards.imageset)
    return [
        IMAGE_RUN.format(imageset=wildcards.imageset, normal=normal, model=model, seed=seed)
        for model in data["models"]
        for normal in protocol_normals(wildcards)
        for seed in data["seeds"]
    ]


def protocol_scores(wildcards):
    """The scores of all runs of a protocol and of the pixel baselines."""
    folders = protocol_runs(wildcards) + [
        f"results/{wildcards.imageset}/models/{normal}/pixel"
        for normal in protocol_normals(wildcards)
    ]
    return [f"{f}/scores/{source}.h5" for f in folders for source in protocol_sources(wildcards)]


def protocol_files(wildcards):
    """What else a protocol reads of its runs."""
    names = ["model.json", "history.csv"]
    names += ["calibration.h5"] if wildcards.protocol == "presentation_attack" else []
    return [f"{folder}/{name}" for folder in protocol_runs(wildcards) for name in names]


def protocol_plan(wildcards):
    """What the page of a protocol shows beside its figures, JSON."""
    name, data = wildcards.imageset, image_dataset(wildcards.imageset)
    method, *references = data["models"]
    full = {s: settings_tree.settings(config, s, name, method) for s in ("train", "score")}
    changes = {
        model: {
            f"{stage}.{key}": value
            for stage, values in full.items()
            for key, value in settings_tree.settings(config, stage, name, model).items()
            if value != values[key]
        }
        for model in references
    }
    shown = {
        "dataset": {k: data[k] for k in ("reader", "path", "options")},
        "images": settings_tree.settings(config, "images", name),
        method: full,
        f"different from {method}": changes,
    }
    plan = {"references": references, "notes": data["notes"], "settings": shown}
    return json.dumps(plan, sort_keys=True)
