"""A data set of pictures as the workflow sees it: its classes, its pictures, its protocols."""

import json
from functools import cached_property
from pathlib import Path

from ssmtl import config as tree
from ssmtl.core.errors import InputError
from ssmtl.datasets import images as readers
from ssmtl.planning import paths
from ssmtl.planning.tasks import measured


class ImageDataset:
    """An image data set of the configuration, with its classes.

    Raises InputError wherever the configuration or the folder is wrong.
    """

    def __init__(self, config: dict, name: str):
        self.config, self.name = config, name
        self.data = tree.image_dataset(config, name)

    def settings(self, stage: str, model: str | None = None) -> dict:
        """A stage's settings, for a model where they may differ between models."""
        return tree.settings(self.config, stage, self.name, model)

    def read(self, function: str, *arguments):
        """What a function of the data set's reader returns."""
        reader = readers.reader(self.data["reader"], self.data["options"])
        return getattr(reader, function)(
            Path(self.data["path"]), *arguments, **self.data["options"]
        )

    def listing(self, split: str) -> str:
        """What changes when a split's files change."""
        return self.read("listing", split)

    def source_options(self) -> dict:
        """The options of `ssmtl images` that say where the pictures come from."""
        return {
            "reader": self.data["reader"],
            "path": self.data["path"],
            "options": json.dumps(self.data["options"], sort_keys=True),
        }

    def network_files(self) -> list[str]:
        """The file of the frozen network, where it is given by a path."""
        network = self.settings("features")["network"]
        return [network] if "/" in network else []

    @cached_property
    def pretrained(self) -> dict[str, str]:
        """The network of each model that uses one which was trained on other pictures."""
        network = self.settings("features")["network"]
        return {
            model: network
            for model in self.data["models"]
            if network != "random"
            and any("embedding" in measured(t) for t in self.settings("train", model)["tasks"])
        }

    @cached_property
    def train_classes(self) -> list[str]:
        """The classes of the training pictures, sorted."""
        return self.read("classes", "train")

    @cached_property
    def normal_classes(self) -> list[str]:
        """The classes that are the normal one in turn: those of the config, or all."""
        chosen, known = self.data.get("classes", []), self.train_classes
        tested = self.read("classes", "test")
        if len(tested) < 2:
            raise InputError(
                f"image data set {self.name}: one-vs-all needs test pictures of at least two "
                f"classes, and there is {tested[0]} alone; add a folder with another one"
            )
        if unknown := [text for text in chosen if text not in known]:
            raise InputError(
                f"config: image_datasets.{self.name}.classes names '{unknown[0]}', which cannot be "
                f"trained on; there are {', '.join(known)}"
            )
        if untested := [text for text in chosen or known if text not in tested]:
            raise InputError(
                f"image data set {self.name}: class {untested[0]} has no test pictures, so that it "
                "cannot be the normal one; add some, or leave it out in "
                f"image_datasets.{self.name}.classes"
            )
        return chosen or known

    # ------------------------------------------------------------ protocols

    def normals(self, protocol: str) -> list[str]:
        """What models of a protocol are trained on, one after the other."""
        if protocol == "out_of_distribution":
            return ["all"]
        if protocol == "one_vs_all":
            return self.normal_classes
        if self.data["reader"] != "presentation_attack":
            raise InputError(
                f"config: image_datasets.{self.name} has no attacks; presentation_attack needs the "
                "reader presentation_attack"
            )
        return self.train_classes

    def sources(self, protocol: str) -> list[str]:
        """The data sets whose test pictures a protocol scores, the one trained on first."""
        if protocol != "out_of_distribution":
            return [self.name]
        others = self.data["others"]
        if not others:
            raise InputError(
                f"config: image_datasets.{self.name}.others is empty; name the data sets whose "
                "pictures are anomalous"
            )
        return [self.name, *others]

    def pictures(self, protocol: str) -> list[str]:
        """The files of the pictures that a protocol scores."""
        return [
            paths.IMAGES.format(imageset=self.name, source=source, split="test")
            for source in self.sources(protocol)
        ]

    def runs(self, protocol: str) -> list[str]:
        """The folders of all trained runs of a protocol, those of the method first."""
        return [
            paths.IMAGE_RUN.format(imageset=self.name, normal=normal, model=model, seed=seed)
            for model in self.data["models"]
            for normal in self.normals(protocol)
            for seed in self.data["seeds"]
        ]

    def scores(self, protocol: str) -> list[str]:
        """The scores of all runs of a protocol and of the pixel baselines."""
        baselines = [
            paths.PIXEL_RUN.format(imageset=self.name, normal=normal)
            for normal in self.normals(protocol)
        ]
        folders = self.runs(protocol) + baselines
        return [f"{f}/scores/{source}.h5" for f in folders for source in self.sources(protocol)]

    def run_files(self, protocol: str) -> list[str]:
        """What else a protocol reads of its runs."""
        names = ["model.json", "history.csv"]
        names += ["calibration.h5"] if protocol == "presentation_attack" else []
        return [f"{folder}/{name}" for folder in self.runs(protocol) for name in names]
