"""MNIST, Fashion-MNIST, CIFAR-10, CIFAR-100 and SVHN as torchvision has them, fetched if missing.

The names of the classes stand here, so that the workflow need not import torchvision to know its
jobs. They are those of the data sets in the order of their labels, with '/', ' ' and capitals
replaced. SVHN and MNIST share theirs.
"""

import socket
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ssmtl.core.errors import InputError
from ssmtl.core.store import locked
from ssmtl.datasets.images import Picture

__all__ = ["classes", "listing", "pictures"]

DIGITS = "0 1 2 3 4 5 6 7 8 9"
CLASSES = {
    "MNIST": DIGITS,
    "FashionMNIST": "t-shirt_top trouser pullover dress coat sandal shirt sneaker bag ankle_boot",
    "CIFAR10": "airplane automobile bird cat deer dog frog horse ship truck",
    "CIFAR100": (
        "apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus "
        "butterfly camel can castle caterpillar cattle chair chimpanzee clock cloud cockroach "
        "couch crab crocodile cup dinosaur dolphin elephant flatfish forest fox girl hamster "
        "house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree "
        "motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear "
        "pickup_truck pine_tree plain plate poppy porcupine possum rabbit raccoon ray road rocket "
        "rose sea seal shark shrew skunk skyscraper snail snake spider squirrel streetcar "
        "sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip "
        "turtle wardrobe whale willow_tree wolf woman worm"
    ),
    "SVHN": DIGITS,
}
PATIENCE = 60  # seconds without an answer of the server


def classes(path: Path, split: str, name: str) -> list[str]:
    """The classes of the data set called `name`, sorted."""
    return sorted(labels_of(name))


def labels_of(name: str) -> list[str]:
    """The classes in the order of their labels; InputError for an unknown data set."""
    if not isinstance(name, str) or name not in CLASSES:
        raise InputError(
            f"image reader 'torchvision': no data set '{name}'; there are {', '.join(CLASSES)}"
        )
    return CLASSES[name].split()


def pictures(path: Path, split: str, name: str) -> Iterator[Picture]:
    """The pictures of a split, uint8 (H, W, 3), in the data set's order within a class.

    Raises InputError where they are not in `path` and cannot be fetched.
    """
    names = labels_of(name)
    pixels, labels = arrays(fetched(path, split, name))
    for label in sorted(range(len(names)), key=lambda label: names[label]):
        for row in np.flatnonzero(labels == label):
            yield Picture(names[label], f"{split} {row}", rgb(pixels[row]))


def fetched(path: Path, split: str, name: str):
    """The torchvision data set of a split, downloaded into `path` where it is not there."""
    from torchvision import datasets

    which = {"split": split} if name == "SVHN" else {"train": split == "train"}
    usual = socket.getdefaulttimeout()
    socket.setdefaulttimeout(PATIENCE)  # torchvision itself waits for ever
    try:
        with locked(path):  # both splits may be wanted at once
            return getattr(datasets, name)(path, download=True, **which)
    except (OSError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"{path}: {name} is not here in full and could not be fetched ({reason}); run once "
            "with a network, or copy torchvision's files of it into this folder"
        ) from error
    finally:
        socket.setdefaulttimeout(usual)


def arrays(data) -> tuple[np.ndarray, np.ndarray]:
    """Pixels, uint8 (N, H, W) or (N, H, W, 3), and labels (N,), of a torchvision data set."""
    pixels = np.asarray(data.data)
    if pixels.shape[1] == 3:  # SVHN has the channels first
        pixels = pixels.transpose(0, 2, 3, 1)
    return pixels, np.asarray(data.labels if hasattr(data, "labels") else data.targets)


def rgb(picture: np.ndarray) -> np.ndarray:
    """A grey picture, (H, W), as RGB; others as they are."""
    return np.repeat(picture[:, :, None], 3, axis=2) if picture.ndim == 2 else picture


def listing(path: Path, split: str, name: str) -> str:
    """Nothing: the published files never change, and may not be there yet."""
    return ""
