"""What the rules ask: inputs, parameters and limits of a job, as functions of its wildcards."""

import shlex
from collections.abc import Callable
from functools import wraps
from typing import Any, Protocol

from ssmtl import config as tree
from ssmtl.core.errors import InputError
from ssmtl.evaluation.settings import Point
from ssmtl.planning import paths, shown
from ssmtl.planning.code import stage_code
from ssmtl.planning.limits import demanded
from ssmtl.planning.pictures import ImageDataset
from ssmtl.planning.registry import STAGES
from ssmtl.planning.tasks import measured
from ssmtl.planning.video import VideoDataset
from ssmtl.scoring.settings import PLAIN


class Wildcards(Protocol):
    """The wildcards of a job: `wildcards.dataset` and the like."""

    def __getattr__(self, name: str, /) -> str: ...


class Asked:
    """The functions of an object, which raise another error where they would raise InputError.

    Snakemake prints only errors of its own as one line.
    """

    def __init__(self, jobs: Any, error: type[Exception]):
        self.jobs, self.error = jobs, error

    def __getattr__(self, name: str) -> Any:
        return self.translated(getattr(self.jobs, name))

    def translated(self, value: Any) -> Any:
        """A function that raises the other error, as do functions that it returns."""
        if not callable(value):
            return value

        @wraps(value)
        def function(*arguments, **named):
            try:
                return self.translated(value(*arguments, **named))
            except InputError as error:
                raise self.error(str(error)) from None

        return function


class Jobs:
    """The workflow of a configuration, which must have been checked.

    Functions with a stage give the function of the wildcards that a rule takes; all others are
    functions of the wildcards. They raise InputError.
    """

    def __init__(self, config: dict):
        self.config = config
        self.chosen = tree.run(config)
        self.videos: dict[str, VideoDataset] = {}
        self.images: dict[str, ImageDataset] = {}

    def video(self, name: str) -> VideoDataset:
        """A data set of video, listed once."""
        if name not in self.videos:
            self.videos[name] = VideoDataset(self.config, name)
        return self.videos[name]

    def pictures(self, name: str) -> ImageDataset:
        """A data set of pictures, listed once."""
        if name not in self.images:
            self.images[name] = ImageDataset(self.config, name)
        return self.images[name]

    def data(self, wildcards: Wildcards) -> VideoDataset | ImageDataset:
        """The data set that a job is of."""
        name = getattr(wildcards, "dataset", None)
        return self.video(name) if name else self.pictures(wildcards.imageset)

    def settings(self, section: str, wildcards: Wildcards) -> dict:
        """The settings of a section for a job."""
        return self.data(wildcards).settings(section, getattr(wildcards, "model", None))

    # ------------------------------------------------------------ of every stage

    def options(self, stage: str) -> Callable:
        """The stage's settings as command-line options."""
        section = STAGES[stage].settings or stage
        return lambda wildcards: tree.flags(self.settings(section, wildcards))

    def code(self, stage: str) -> Callable:
        """The digest of the stage's code, so that editing it runs the stage again."""
        sections = {place.partition(".")[0] for place in STAGES[stage].named}

        def digest(wildcards: Wildcards) -> str:
            return stage_code(stage, {name: self.section(name, wildcards) for name in sections})

        return digest

    def section(self, name: str, wildcards: Wildcards) -> dict:
        """A section of the configuration for a job: a stage's settings, or its data set's entry."""
        if name == "dataset":
            return self.video(wildcards.dataset).data
        if name == "image_dataset":
            return self.pictures(wildcards.source).data
        return self.settings(name, wildcards)

    def limits(self, stage: str) -> dict[str, Callable]:
        """Memory in MB and time in minutes of the stage's jobs, as resources of a rule."""

        def limit(demand, unit):
            def value(wildcards, input, attempt):
                return demanded(demand, self.input_size(stage, wildcards, input), attempt, unit)

            return value

        memory, time = STAGES[stage].memory, STAGES[stage].time
        return {"mem_mb": limit(memory, 1000), "runtime": limit(time, 1)}

    def input_size(self, stage: str, wildcards: Wildcards, files) -> int:
        """Bytes that a job reads; frames are made from the clips, which are no input."""
        if stage != "frames":
            return files.size
        return self.video(wildcards.dataset).footage(wildcards.split, int(wildcards.shard))

    # ------------------------------------------------------------ data and clips

    def scenes_file(self, wildcards: Wildcards) -> str | list:
        """What says that a data set of the project's own making is rendered."""
        name = wildcards.dataset
        return f"data/{name}/scenes.json" if self.video(name).is_rendered else []

    def scenes_options(self, wildcards: Wildcards) -> str:
        """The options of a rendered data set are those of the command."""
        return tree.flags(self.video(wildcards.dataset).data["options"])

    def reader(self, wildcards: Wildcards) -> str:
        """The name of the data set's reader."""
        return self.video(wildcards.dataset).data["reader"]

    def sources(self, wildcards: Wildcards) -> str:
        """What a shard's clips are made of."""
        return self.video(wildcards.dataset).sources(wildcards.split, int(wildcards.shard))

    def labels(self, wildcards: Wildcards) -> str:
        """What the manifest is made of beside its settings."""
        return self.video(wildcards.dataset).labels()

    def truth(self, wildcards: Wildcards) -> str:
        """What evaluate reads beside the manifest."""
        return self.video(wildcards.dataset).truth()

    def manifest_options(self, wildcards: Wildcards) -> str:
        """The options of the manifest of all clips."""
        return tree.flags(self.video(wildcards.dataset).manifest_options())

    def clips_options(self, wildcards: Wildcards) -> str:
        """The options of one shard's rows."""
        data = self.video(wildcards.dataset)
        return tree.flags(data.clips_options(wildcards.split, int(wildcards.shard)))

    # ------------------------------------------------------------ stages of one shard

    def boxes(self, wildcards: Wildcards) -> str | list:
        """The CSV of boxes, for the imported detector only."""
        return self.video(wildcards.dataset).boxes(wildcards.split) or []

    def boxes_option(self, wildcards: Wildcards, input) -> str:
        """That file as an option of the command."""
        return f"--boxes {shlex.quote(str(input.boxes))}" if input.boxes else ""

    def network_files(self, stage: str) -> Callable:
        """The files of a stage's networks."""
        return lambda wildcards: self.video(wildcards.dataset).network_files(stage)

    def files(self, stage: str, *splits: str) -> Callable:
        """A stage's files of all shards of the splits, by default of all that are needed."""

        def found(wildcards: Wildcards) -> list[str]:
            data = self.video(wildcards.dataset)
            return data.files(stage, splits or data.splits)

        return found

    def stored(self, stage: str, *splits: str) -> Callable:
        """A stage's files of the splits, by default of all that are needed, without those of clips
        that are scored straight from their frames."""

        def found(wildcards: Wildcards) -> list[str]:
            data = self.video(wildcards.dataset)
            return data.files(stage, [s for s in data.stored_splits() if s in (splits or [s])])

        return found

    def features(self, split: str) -> Callable:
        """features.h5 of a split's shards, or of the job's, where a task of the model needs it."""

        def found(wildcards: Wildcards) -> list[str]:
            tasks = self.settings("train", wildcards)["tasks"]
            if not any(measured(task) for task in tasks):
                return []
            if split == "train":
                return self.video(wildcards.dataset).files("features", [split])
            shard = {"dataset": wildcards.dataset, "shard": wildcards.shard}
            return [f"{paths.TEST_SHARD}/features.h5".format(**shard)]

        return found

    # ------------------------------------------------------------ models and their scores

    def weights(self, wildcards: Wildcards) -> str:
        """The model that a run scores with; a variant may share that of another one."""
        return f"{self.run('train', wildcards)}/model.safetensors"

    def calibration(self, wildcards: Wildcards) -> str:
        """The calibration that a run's scores were made with."""
        return f"{self.run('score', wildcards)}/calibration.h5"

    def scores(self, wildcards: Wildcards) -> list[str]:
        """The scores of all test shards of a run."""
        shards = range(self.video(wildcards.dataset).shards["test"])
        return [f"{self.run('score', wildcards)}/scores/{shard}.h5" for shard in shards]

    def run(self, stage: str, wildcards: Wildcards) -> str:
        """The folder with a stage's output for a run."""
        return self.video(wildcards.dataset).run(wildcards.model, wildcards.seed, stage)

    def scored_from(self, section: str) -> Callable:
        """The settings of a stage that scoring from frames does by itself, as options."""
        return lambda wildcards: tree.flags(self.settings(section, wildcards), f"{section}_")

    def seen_by(self, wildcards: Wildcards) -> str:
        """The settings of the teachers, for objects whose class probabilities are not stored."""
        return tree.flags(self.settings("teachers", wildcards), "seen_")

    def released(self, wildcards: Wildcards) -> str:
        """The folder of the released model that is used for a run."""
        return self.video(wildcards.dataset).released(wildcards.model)

    def released_files(self, wildcards: Wildcards) -> list[str]:
        """The files of that model."""
        return self.video(wildcards.dataset).released_files(wildcards.model)

    # ------------------------------------------------------------ pages

    def runs(self, wildcards: Wildcards) -> list[str]:
        """The folders of all runs of a data set."""
        return self.run_files("", wildcards.dataset)

    def each_run(self, file: str) -> Callable:
        """A file of every run of a data set."""
        return lambda wildcards: self.run_files(f"/{file}", wildcards.dataset)

    def run_files(self, file: str, *names: str) -> list[str]:
        """A file of every run of some data sets; "" for the folders."""
        seeds = self.chosen["seeds"]
        return [
            self.video(name).run(model, seed) + file
            for name in names
            for model, seed in self.video(name).runs(seeds)
        ]

    def first_files(self, pattern: str, *names: str) -> list[str]:
        """A path of the first run of every model of some data sets."""
        seeds = self.chosen["seeds"]
        return [
            pattern.format(dataset=name, model=model, seed=seed)
            for name in names
            for model, seed in self.video(name).first_runs(seeds)
        ]

    def first_explained(self, wildcards: Wildcards) -> list[str]:
        """What the model of every first run makes of its events, which the report shows."""
        return self.first_files(paths.EXPLAINED, wildcards.dataset)

    def first_videos(self, wildcards: Wildcards) -> list[str]:
        """The annotated videos of every first run."""
        return self.first_files(paths.VIDEOS, wildcards.dataset)

    def compared(self) -> list[str]:
        """The data sets of the comparison page."""
        return list(dict.fromkeys([*self.chosen["datasets"], *self.chosen["compared"]]))

    def compared_metrics(self, wildcards: Wildcards) -> list[str]:
        """The metrics of all compared runs."""
        return self.run_files("/metrics.json", *self.compared())

    def compared_figures(self, wildcards: Wildcards) -> list[str]:
        """The figures of all compared models, of their first runs."""
        return [
            f"{folder}/{name}"
            for folder in self.first_files(paths.FIGURES, *self.compared())
            for name in paths.DRAWN
        ]

    def compared_reports(self, wildcards: Wildcards) -> list[str]:
        """The reports that the comparison links to."""
        return [f"results/{name}/report.html" for name in self.compared()]

    def published(self, wildcards: Wildcards) -> str:
        """The published results of the compared data sets, JSON."""
        return shown.published(map(self.video, self.compared()))

    def ablation_files(self, stage: str, file: str) -> Callable:
        """One file per run of a data set's ablation."""
        return lambda wildcards: self.video(wildcards.dataset).ablation_files(stage, file)

    def ablation_plan(self, wildcards: Wildcards) -> str:
        """What the page of an ablation shows, JSON."""
        return shown.as_json(tree.ablation_plan(self.config, wildcards.dataset))

    def run_config(self, wildcards: Wildcards) -> str:
        """All settings of one model, JSON."""
        return shown.run_config(self.video(wildcards.dataset), wildcards.model)

    def report_config(self, wildcards: Wildcards) -> str:
        """The settings that the report shows, JSON."""
        return shown.report_config(self.video(wildcards.dataset))

    def notes(self, wildcards: Wildcards) -> str:
        """The data set's notes, JSON."""
        return shown.notes(self.video(wildcards.dataset))

    def configured_point(self, wildcards: Wildcards) -> str:
        """Where in the grids of the sensitivity the configuration lies, as options."""
        values = self.settings("evaluate", wildcards) | self.settings("score", wildcards)
        point = {name: values[name] for name in Point.model_fields}
        return tree.flags(point, "configured_")

    # ------------------------------------------------------------ pictures

    def image_source(self, wildcards: Wildcards) -> str:
        """The options of `ssmtl images` that say where the pictures come from."""
        return tree.flags(self.pictures(wildcards.source).source_options())

    def image_listing(self, wildcards: Wildcards) -> str:
        """What changes with a split's pictures."""
        return self.pictures(wildcards.source).listing(wildcards.split)

    def picture_options(self, stage: str) -> Callable:
        """The stage's settings, and the class whose pictures are normal."""
        settings = self.options(stage)
        return lambda wildcards: f"{settings(wildcards)} {self.normal_option(wildcards)}"

    def normal_option(self, wildcards: Wildcards) -> str:
        """The class whose pictures are normal, as an option; all where it is `all`."""
        return "" if wildcards.normal == "all" else f"--groups {shlex.quote(wildcards.normal)}"

    def seen_options(self, wildcards: Wildcards) -> str:
        """The options of the pictures that a frozen network sees, which are of its own size."""
        size = self.settings("features", wildcards)["size"]
        return tree.flags(self.settings("images", wildcards) | {"size": size})

    def image_networks(self, wildcards: Wildcards) -> list[str]:
        """The file of the network of a data set of pictures, where it is one."""
        return self.pictures(wildcards.imageset).network_files()

    def image_features(self, split: str) -> Callable:
        """features.h5 of a split's pictures, where a task of the model needs it."""

        def found(wildcards: Wildcards) -> list[str]:
            tasks = self.settings("train", wildcards)["tasks"]
            if not any(measured(task) for task in tasks):
                return []
            source = getattr(wildcards, "source", wildcards.imageset)
            place = {"imageset": wildcards.imageset, "source": source, "split": split}
            return [paths.IMAGE_FEATURES.format(**place)]

        return found

    def image_calibration(self, wildcards: Wildcards) -> str | list:
        """The calibration of a model of pictures, where its scores are combined by one."""
        if self.settings("score", wildcards)["fusion"] in PLAIN:
            return []
        folder = paths.IMAGE_RUN.format(
            imageset=wildcards.imageset,
            normal=wildcards.normal,
            model=wildcards.model,
            seed=wildcards.seed,
        )
        return f"{folder}/calibration.h5"

    def protocol_images(self, wildcards: Wildcards) -> list[str]:
        """The pictures that a protocol scores."""
        return self.pictures(wildcards.imageset).pictures(wildcards.protocol)

    def protocol_scores(self, wildcards: Wildcards) -> list[str]:
        """The scores of a protocol."""
        return self.pictures(wildcards.imageset).scores(wildcards.protocol)

    def protocol_files(self, wildcards: Wildcards) -> list[str]:
        """What else a protocol reads of its runs."""
        return self.pictures(wildcards.imageset).run_files(wildcards.protocol)

    def protocol_plan(self, wildcards: Wildcards) -> str:
        """What the page of a protocol shows, JSON."""
        return shown.protocol_plan(self.pictures(wildcards.imageset))
