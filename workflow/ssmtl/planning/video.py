"""A data set of video as the workflow sees it: its clips, their shards, its models' folders."""

import json
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from ssmtl import config as tree
from ssmtl.core import store
from ssmtl.core.errors import InputError
from ssmtl.datasets import video as readers
from ssmtl.datasets.clips import Clip, labels_digest, listing_digest, shards_of, source_size
from ssmtl.datasets.ground_truth import truth_digest
from ssmtl.formats.released import FILES, released_seed
from ssmtl.planning import paths
from ssmtl.planning.code import stage_code
from ssmtl.stages.settings import Detect, Detecting, Teachers

SPLITS = ("train", "test")


class VideoDataset:
    """A data set of the configuration, with the listing of its folder.

    Raises InputError wherever the configuration or the folder is wrong.
    """

    def __init__(self, config: dict, name: str):
        self.config, self.name = config, name
        self.data = tree.dataset(config, name)
        self.shards: dict[str, int] = self.data["shards"]

    def settings(self, stage: str, model: str | None = None) -> dict:
        """A stage's settings, for a model where they may differ between models."""
        return tree.settings(self.config, stage, self.name, model)

    # ------------------------------------------------------------ clips

    @cached_property
    def clips(self) -> list[Clip]:
        """All clips, from the listing of the folder."""
        reader = readers.reader(self.data["reader"])
        return reader.list_clips(Path(self.data["path"]), **self.data["options"])

    @property
    def is_rendered(self) -> bool:
        """Whether the project makes this data set itself."""
        return self.data["reader"] == "demo"

    @property
    def splits(self) -> list[str]:
        """The splits that are needed: released models are not trained."""
        return ["test"] if self.data["released"] else self.data["splits"]

    @cached_property
    def shard_of(self) -> dict[tuple[str, str], int]:
        """The shard of every clip, by split and name; the excluded ones have one too."""
        found: dict[tuple[str, str], int] = {}
        for split in SPLITS:
            names = (clip.name for clip in self.clips if clip.split == split)
            numbers = shards_of(names, self.shards[split])
            found |= {(split, name): number for name, number in numbers.items()}
        return found

    def shard_clips(self, split: str, shard: int) -> list[Clip]:
        """All clips of a shard, the excluded ones among them."""
        here = (clip for clip in self.clips if clip.split == split)
        return [clip for clip in here if self.shard_of[split, clip.name] == shard]

    def excluded(self, clips: Iterable[Clip]) -> list[str]:
        """The entries of the data set's `exclude` that name one of the clips."""
        names = {text for clip in clips for text in (clip.name, f"{clip.split}/{clip.name}")}
        return [text for text in self.data["exclude"] if text in names]

    def included(self, clips: Iterable[Clip]) -> list[Clip]:
        """The clips that count."""
        return [c for c in clips if c.split in self.splits and not self.excluded([c])]

    def footage(self, split: str, shard: int) -> int:
        """Bytes of a shard's clips; scenes that the project renders are small."""
        if self.is_rendered:
            return 0
        clips = self.included(self.shard_clips(split, shard))
        return sum(source_size(Path(clip.source))[1] for clip in clips)

    # ------------------------------------------------------------ what changes with files

    def sources(self, split: str, shard: int) -> str:
        """What a shard's clips are made of: it changes with one added, replaced or removed."""
        clips = self.included(self.shard_clips(split, shard))
        if not self.is_rendered:
            return listing_digest(clips)
        options = self.data["options"].items()
        scenes = {key: value for key, value in options if not key.endswith("_clips")}
        return store.digest([clip.name for clip in clips], scenes, stage_code("scenes", {}))

    def labels(self) -> str:
        """What the manifest is made of beside its settings: the clips and their labels."""
        if self.is_rendered:
            return ""
        clips = self.included(self.clips)
        return store.digest(listing_digest(clips), labels_digest(clips))

    def truth(self) -> str:
        """What evaluate reads beside the manifest: it changes with the clips' tracks and masks."""
        return "" if self.is_rendered else truth_digest(self.included(self.clips))

    # ------------------------------------------------------------ options of commands

    def reader_options(self) -> dict:
        """What the reader of the data set is told."""
        return {
            "reader": self.data["reader"],
            "path": self.data["path"],
            "options": json.dumps(self.data["options"], sort_keys=True),
            "fps": self.data["fps"],
        }

    def manifest_options(self) -> dict:
        """Options of `ssmtl manifest` for the whole data set."""
        values = self.reader_options() | {
            "exclude": self.data["exclude"],
            "train_shards": self.shards["train"],
            "test_shards": self.shards["test"],
            "allow_partial": self.data["allow_partial"],
            "splits": self.splits,
        }
        if "expected_frames" in self.data:
            frames = json.dumps(self.data["expected_frames"], sort_keys=True)
            values["expected_frames"] = frames
        if boxes := {split: path for split in self.splits if (path := self.boxes(split))}:
            values["boxes"] = json.dumps(boxes, sort_keys=True)
        return values

    def clips_options(self, split: str, shard: int) -> dict:
        """Options for one shard's rows: nothing in them changes with another shard's clips."""
        return self.reader_options() | {
            "exclude": self.excluded(self.shard_clips(split, shard)),
            f"{split}_shards": self.shards[split],
            "splits": self.splits,
        }

    def boxes(self, split: str) -> str | None:
        """The CSV of boxes, for the imported detector only."""
        if self.settings("detect")["backend"] != "imported":
            return None
        boxes = self.data.get("boxes", {})
        if split not in boxes:
            raise InputError(
                f"config: datasets.{self.name}.boxes.{split} must name a CSV of boxes, since "
                "detect.backend is imported"
            )
        return boxes[split]

    def network_files(self, stage: str) -> list[str]:
        """The files of a stage's networks: given by path; the stage fetches those it knows."""
        values = self.settings(stage)
        if stage == "features":
            return [values["network"]] if "/" in values["network"] else []
        # A detector of its own has the detect stage, or else, for imported boxes, the teachers.
        imported = self.settings("detect")["backend"] == "imported"
        section: type[Detecting] = Teachers if stage == "teachers" else Detect
        own = section.parse(values, stage).files if imported == (section is Teachers) else []
        resnet = [values["resnet"]] if section is Teachers else []
        return [name for name in (*own, *resnet) if "/" in name]

    # ------------------------------------------------------------ files and folders

    def files(self, stage: str, splits: Iterable[str]) -> list[str]:
        """A stage's files of all shards of some splits."""
        return [
            f"{paths.SHARD}/{stage}.h5".format(dataset=self.name, split=split, shard=shard)
            for split in splits
            for shard in range(self.shards[split])
        ]

    def stored_splits(self) -> list[str]:
        """The splits whose cubes are stored: test clips may be scored from their frames."""
        return [s for s in self.splits if s == "train" or not self.data["from_frames"]]

    def run(self, model: str, seed: int | str, stage: str = "") -> str:
        """The folder of a run, or of the run whose output of a stage is the same as this one's."""
        maker = tree.shared(self.config, stage, self.name, model) if stage else model
        return paths.RUN.format(dataset=self.name, model=maker, seed=seed)

    def runs(self, seeds: list[int]) -> list[tuple[str, int]]:
        """All models and seeds; released models have their own seed."""
        released = self.data["released"]
        return [
            (model, seed)
            for model in self.data["models"]
            for seed in ([released_seed(Path(released[model]))] if released else seeds)
        ]

    def first_runs(self, seeds: list[int]) -> list[tuple[str, int]]:
        """Every model with its first seed."""
        firsts: dict[str, int] = {}
        for model, seed in self.runs(seeds):
            firsts.setdefault(model, seed)
        return list(firsts.items())

    def released(self, model: str) -> str:
        """The folder of the released model that is used for a model."""
        folders = self.data["released"]
        if model not in folders:
            raise InputError(
                f"config: datasets.{self.name} takes released models ({', '.join(folders)}), and "
                f"'{model}' is none of them; ask for it on the data set that it can be trained on"
            )
        return folders[model]

    def released_files(self, model: str) -> list[str]:
        """The files of that model."""
        return [f"{self.released(model)}/{name}" for name in FILES]

    def ablation_files(self, stage: str, file: str) -> list[str]:
        """One file per run of the ablation, from where the stage's output lies."""
        if self.data["released"]:
            raise InputError(
                f"config: datasets.{self.name} takes released models, whose variants cannot be "
                "trained; ask for the ablation of the data set that they were trained on"
            )
        models = dict.fromkeys(row["model"] for row in tree.ablation(self.config, self.name))
        seeds = self.settings("ablation")["seeds"]
        return [f"{self.run(model, seed, stage)}/{file}" for model in models for seed in seeds]
