"""How objects look, move and are called, and which are alike.

An object is described by what the model's encoder makes of its middle crop (look) and of its cube
(movement), by its class probabilities, and by what else is measured of it. How far apart normal
objects are in each of these says what counts as alike [D].
"""

from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch

from ssmtl.core import store
from ssmtl.core.errors import InputError, environment
from ssmtl.learning.model import Model
from ssmtl.learning.tasks.base import Batch

Described = dict[str, np.ndarray]  # float32 (N, D) by what is described

NORMAL = "normal_objects.npz"
KEPT = 1000  # normal objects that are described, of all clips
OF_CLIP = 200  # of one clip
WITHIN = 0.95  # share of normal objects whose nearest other one is alike
CLASS, CLIP = "class", "clip"
# By how much alike objects may differ at least, of classes and of the rest; classes waver.
LEAST_CLASS, LEAST = 0.3, 0.2


@dataclass(frozen=True)
class Objects:
    """Objects as the model sees them.

    cubes uint8 (N, 2t+1, S, S, 3); targets: `class_probs` float32 (N, C), and what the tasks have
    measured, (N, D) each.
    """

    cubes: np.ndarray
    targets: dict[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.cubes)

    def __getitem__(self, rows) -> "Objects":
        return Objects(self.cubes[rows], {name: each[rows] for name, each in self.targets.items()})

    @staticmethod
    def joined(parts: list["Objects"]) -> "Objects":
        return Objects(
            np.concatenate([part.cubes for part in parts]),
            {
                name: np.concatenate([part.targets[name] for part in parts])
                for name in parts[0].targets
            },
        )


class Gathered:
    """Objects of frames that come one by one: evenly spaced ones, however many there are."""

    def __init__(self, most: int):
        """most: objects at the end."""
        self.most, self.stride, self.count = most, 1, 0
        self.parts: list[Objects] = []

    def add(self, objects: Objects | None) -> None:
        """Takes the objects of the next frame that has any."""
        if objects is None or not len(objects):
            return
        if self.count % self.stride == 0:
            self.parts.append(objects)
        self.count += 1
        if len(self.parts) > 2 * self.most:
            self.parts, self.stride = self.parts[::2], 2 * self.stride

    def objects(self) -> Objects | None:
        """What was gathered, None for nothing."""
        if not self.parts:
            return None
        every = Objects.joined(self.parts)
        return every[np.unique(np.linspace(0, len(every) - 1, self.most).astype(int))]


@torch.inference_mode()
def described(model: Model, objects: Objects) -> Described:
    """What objects look like, how they move, and the rest that is known of them."""
    cubes = torch.from_numpy(objects.cubes).to(next(model.parameters()).device)
    count, length = cubes.shape[:2]
    batch = Batch(cubes, torch.tensor([[0, length]]).expand(count, 2).to(cubes.device))
    views = {"look": lambda: batch.picture, "movement": lambda: batch.consecutive(length // 2)}
    features = model.features(views)
    found = {name: values.float().mean((2, 3)).cpu().numpy() for name, values in features.items()}
    targets = {n: torch.from_numpy(v).to(cubes.device) for n, v in objects.targets.items()}
    rest = {name: values.cpu().numpy() for name, values in model.judged(targets).items()}
    return found | {CLASS: objects.targets["class_probs"]} | rest


class Likeness:
    """Tells how alike objects are, by how alike normal ones are."""

    def __init__(self, normal: Described, clip: np.ndarray):
        """normal: of N objects; clip (N,): the clip that each is from, since those of one clip are
        often the same object again."""
        self.mean = {name: values.mean(0) for name, values in normal.items()}
        self.deviation = {
            name: np.where(values.std(0) > 1e-6, values.std(0), 1.0)
            for name, values in normal.items()
        }
        self.reach = {}
        for name, values in normal.items():
            placed = self.placed(name, values)
            apart = distances(placed, placed)
            apart[clip[:, None] == clip] = np.inf
            nearest = apart.min(1)
            nearest = nearest[np.isfinite(nearest)]
            usual = float(np.quantile(nearest, WITHIN)) if len(nearest) else 0.0
            self.reach[name] = max(usual, LEAST_CLASS if name == CLASS else LEAST)

    def placed(self, name: str, values: np.ndarray) -> np.ndarray:
        """Descriptions (N, D) where the distance between them means something: class probabilities
        as they are, of the others, standardised, the directions with logarithmic lengths, so that
        what is far from normal may differ by more."""
        if name == CLASS:
            return values
        standard = (values - self.mean[name]) / self.deviation[name]
        length = np.maximum(np.linalg.norm(standard, axis=1, keepdims=True), 1e-9)
        return standard * np.log1p(length) / length

    def between(self, ones: Described, others: Described) -> np.ndarray:
        """How far ones (N) are from others (M), (N, M): 1 is as far as normal objects may be apart.

        It is that of the description in which they differ most.
        """
        parts = [
            distances(self.placed(name, ones[name]), self.placed(name, others[name])) / reach
            for name, reach in self.reach.items()
        ]
        return np.max(parts, axis=0)


def distances(ones: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Euclidean, (N, D) and (M, D) -> (N, M)."""
    squares = (ones**2).sum(1)[:, None] + (others**2).sum(1) - 2 * ones @ others.T
    return np.sqrt(squares.clip(min=0))


def write_normal_objects(folder: Path, clips: list[Described]) -> None:
    """Keeps descriptions of normal objects, by clip, in a watcher's folder; of none it does not."""
    clips = [each for each in clips if each]
    if not clips:
        return
    normal = {name: np.concatenate([each[name] for each in clips]) for name in clips[0]}
    clip = np.repeat(np.arange(len(clips)), [len(each[CLASS]) for each in clips])
    rows = np.unique(np.linspace(0, len(clip) - 1, min(KEPT, len(clip))).astype(int))
    normal, clip = {name: values[rows] for name, values in normal.items()}, clip[rows]
    with store.replacing(folder / NORMAL) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, **normal, **{CLIP: clip})  # type: ignore[arg-type]


def read_likeness(folder: Path) -> Likeness:
    """The likeness of objects to a watcher; InputError for one that knows no normal objects."""
    try:
        with np.load(folder / NORMAL, allow_pickle=False) as file:
            normal = {name: file[name] for name in file.files}
        return Likeness({n: v for n, v in normal.items() if n != CLIP}, normal[CLIP])
    except FileNotFoundError:
        raise InputError(
            f"{folder}: no {NORMAL} here, by which objects are compared; learn again"
        ) from None
    except OSError as error:
        raise environment(error, folder / NORMAL) or error from error
    except (ValueError, KeyError, EOFError, BadZipFile) as error:
        raise InputError(f"{folder / NORMAL}: damaged ({error}); learn again") from error
