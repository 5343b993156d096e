"""What a configuration must be: its keys and values, and names that fit each other."""

from collections.abc import Iterable

from ssmtl.config import variants
from ssmtl.config.sections import Config
from ssmtl.core.errors import InputError


def check(config: dict) -> None:
    """InputError with one line for the first mistake in a configuration."""
    try:
        tree = Config.parse(config)
    except InputError as error:
        raise InputError(f"config: {error}") from None
    for name, data in tree.datasets.items():
        place = f"datasets.{name}"
        known(f"{place}.models", data.models, "models", tree.models)
        check_options(config, name, data.models)
        if data.released and (left := [m for m in data.models if m not in data.released]):
            raise InputError(
                f"config: {place}.models names '{left[0]}', which has no folder under "
                f"{place}.released; add it, or make a data set of its own for it"
            )
    known("run.datasets", tree.run.datasets, "datasets", tree.datasets)
    known("run.compared", tree.run.compared, "datasets", tree.datasets)
    for name in tree.datasets:
        model = variants.ablated_model(config, name)
        known("ablation.model", [model], "models", tree.models)
        variants.variants(config, name, model)
    for name in tree.image_datasets:
        check_image_dataset(tree, name)
        check_options(config, name, tree.image_datasets[name].models)


def check_options(config: dict, dataset: str, models: Iterable[str]) -> None:
    """InputError for options of tasks or the encoder that there are not, of a data set's models."""
    for model in models:
        for stage in ("train", "score"):
            try:
                variants.settings(config, stage, dataset, model)
            except InputError as error:
                raise InputError(f"config: {dataset}, model {model}: {error}") from None


def known(place: str, names: Iterable[str], section: str, there: Iterable[str]) -> None:
    """InputError for a name that is not a key of the section it refers to."""
    if unknown := [name for name in names if name not in there]:
        raise InputError(
            f"config: {place} names '{unknown[0]}', which is not under {section} "
            f"({', '.join(there)})"
        )


def check_image_dataset(tree: Config, name: str) -> None:
    """InputError for a name that a data set of video has, or that is unknown."""
    place, data = f"image_datasets.{name}", tree.image_datasets[name]
    if name in tree.datasets:
        raise InputError(f"config: {place} has the name of one of datasets; rename one of the two")
    known(f"{place}.models", data.models, "models", tree.models)
    known(f"{place}.others", data.others, "image_datasets", tree.image_datasets)
    if "pixel" in data.models:
        raise InputError(
            f"config: {place}.models: 'pixel' names the baselines; give the model another name"
        )
    if name in data.others:
        raise InputError(f"config: {place}.others names itself; its pictures are the normal ones")
