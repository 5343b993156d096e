"""Training samples: cubes and teacher rows of many clips, on the device or streamed.

The order of samples depends on seed and epoch alone, never on how much memory there is, and the
draws of a sample on seed, epoch, task and sample: a resumed run, and one on a larger machine,
sees the same batches. Of each batch a process gets its part.
"""

import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from itertools import chain, zip_longest
from pathlib import Path

import h5py
import numpy as np
import torch

from ssmtl.core import store
from ssmtl.core.device import free_memory
from ssmtl.core.errors import InputError
from ssmtl.core.threads import prefetched
from ssmtl.formats.cubes import open_cubes, read_cubes
from ssmtl.formats.features import read_features
from ssmtl.formats.images import read_images
from ssmtl.formats.teachers import read_teachers
from ssmtl.learning import distributed
from ssmtl.learning.tasks.base import Batch

log = logging.getLogger(__name__)

BLOCK = 32  # neighbouring rows read at once
POOL = 4096  # rows shuffled together
BATCHES_AHEAD = 2  # of a streamed epoch, ready before they are used
VALIDATION = 2**31  # an epoch number that training never reaches


class Samples:
    """Rows of all clips in `cubes.h5` files and the teachers' rows beside them.

    Or the pictures of all classes in files of pictures, which are cubes of one frame and have no
    teachers. Use as a context manager. `len(samples)` rows; `clip` int (N,) is each row's clip,
    by its place in `clips`; groups: the classes of pictures to take, all where not given;
    features: what the tasks without training have measured, `features.h5` of the same shards.
    """

    def __init__(
        self,
        cubes: list[Path],
        teachers: Sequence[Path] = (),
        groups: list[str] | None = None,
        features: Sequence[Path] = (),
    ):
        if teachers and len(cubes) != len(teachers):
            raise InputError(
                f"{len(cubes)} files of cubes and {len(teachers)} of teachers; give one of each "
                "for every shard, in the same order"
            )
        self.stack = ExitStack()
        self.pictures = not teachers
        self.classes: list[str] | None = None if teachers else []
        self.clips: list[str] = []
        self.pairs: list[tuple[h5py.Group, h5py.Group]] = []  # cubes and teachers of each clip
        for paths in zip_longest(cubes, teachers):
            self._open(*paths, groups)
        counts = [len(group["frame"]) for group, _ in self.pairs]
        self.offsets = np.cumsum([0, *counts])
        if not self.offsets[-1]:
            remedy = "lower detect.confidence, switch off the box filters or add clips"
            raise InputError(
                f"{', '.join(map(str, cubes)) or 'no cubes'}: no training object at all; "
                f"{'add pictures' if self.pictures else remedy}"
            )
        self.clip = np.repeat(np.arange(len(counts)), counts)
        valid = np.concatenate([group["valid"][:] for group, _ in self.pairs])
        self.valid = torch.from_numpy(valid.astype(np.int64))
        self.targets = {
            name: torch.from_numpy(np.concatenate([teacher[name][:] for _, teacher in self.pairs]))
            for name in self.pairs[0][1] or ()
        }
        self.measured = self.opened(features)
        digests = ["".join(digest_of(g) for g in pair if g is not None) for pair in self.pairs]
        self.digest = store.digest(digests, *map(digest_of, self.measured))
        self.cubes = [open_cubes(group) for group, _ in self.pairs]
        self.shape = self.cubes[0].shape[1:]

    def _open(self, cubes: Path, teachers: Path | None, groups: list[str] | None) -> None:
        """Adds the clips of one shard; InputError where its files do not fit to the others."""
        kind = "images" if self.pictures else "cubes"
        file = self.stack.enter_context(read_samples(cubes, kind, groups))
        if not self.pictures and store.attribute(file, "split") != "train":
            raise InputError(f"{cubes}: cubes of the test split; train on the training split")
        self.settings = store.settings_of(file)
        teacher = None
        if teachers is not None:
            teacher = self.stack.enter_context(read_teachers(teachers))
            classes = json.loads(store.attribute(teacher, "classes"))
            self.classes = classes if self.classes is None else self.classes
            if classes != self.classes:
                raise InputError(
                    f"{teachers}: {len(classes)} classes, not the {len(self.classes)} of the "
                    "shards before; make all shards with one detector"
                )
        for clip in chosen(file, groups):
            self.clips.append(clip)
            self.pairs.append((file[clip], matching(teacher, clip, file[clip])))

    def __enter__(self) -> "Samples":
        return self

    def __exit__(self, *_) -> None:
        self.stack.close()

    def __len__(self) -> int:
        return int(self.offsets[-1])

    def opened(self, features: Sequence[Path]) -> list[h5py.Group]:
        """Each clip's group of `features.h5`; none without such files."""
        if not features:
            return []
        files = [self.stack.enter_context(read_features(path)) for path in features]
        place = {clip: file for file in files for clip in file}
        return [
            matching(place.get(clip, files[0]), clip, cubes, "features")
            for clip, (cubes, _) in zip(self.clips, self.pairs, strict=True)
        ]

    def rows_of(self, name: str, rows: np.ndarray) -> torch.Tensor:
        """What is measured of the given rows, ascending, float32 (len(rows), D)."""
        parts = [
            group[name][:][rows[self.clip[rows] == clip] - self.offsets[clip]]
            for clip, group in enumerate(self.measured)
            if (self.clip[rows] == clip).any()
        ]
        return torch.from_numpy(np.concatenate(parts))

    def persons(self) -> np.ndarray:
        """The person in every picture, (N,) of str; empty where the files do not know them."""
        if not all("subject" in group for group, _ in self.pairs):
            return np.zeros(0, str)
        return np.concatenate([group["subject"].asstr()[:] for group, _ in self.pairs])

    def read(self, rows: np.ndarray) -> torch.Tensor:
        """Cubes of the given rows, uint8 (len(rows), L, S, S, 3); neighbours in one HDF5 read."""
        out = np.empty((len(rows), *self.shape), np.uint8)
        breaks = (np.diff(rows) != 1) | (np.diff(self.clip[rows]) != 0)
        for run in np.split(np.arange(len(rows)), np.flatnonzero(breaks) + 1):
            if len(run):
                clip = self.clip[rows[run[0]]]
                first = rows[run[0]] - self.offsets[clip]
                out[run[0] : run[-1] + 1] = self.cubes[clip][first : first + len(run)]
        return torch.from_numpy(out)


def read_samples(
    path: Path, kind: str, groups: list[str] | None = None
) -> AbstractContextManager[h5py.File]:
    """The file of cubes or pictures; InputError where cubes come without their teachers."""
    if kind == "images" and store.kind_of(path) == "cubes":
        raise InputError(f"{path}: cubes of video need their teachers; give --teachers too")
    return read_images(path, groups) if kind == "images" else read_cubes(path, groups)


def digest_of(group: h5py.Group) -> str:
    return store.attribute(group, "digest")


def chosen(file: h5py.File, groups: list[str] | None) -> list[str]:
    """The classes of a file that are asked for, all by default; InputError for one it lacks."""
    for name in groups or ():
        if name not in file:
            raise InputError(
                f"{file.filename}: has no '{name}'; there are {', '.join(file) or 'none at all'}"
            )
    return list(file if groups is None else dict.fromkeys(groups))


def matching(
    file: h5py.File | None, clip: str, cubes: h5py.Group, stage: str = "teachers"
) -> h5py.Group | None:
    """A stage's rows of a clip, None without its file; InputError where they have other cubes."""
    if file is None:
        return None
    wanted = store.attribute(cubes, "digest")
    if clip not in file or store.attribute(file[clip], "cubes") != wanted:
        raise InputError(
            f"{file.filename}: clip {clip} does not belong to {cubes.file.filename}; "
            f"delete it and run the {stage} stage again"
        )
    return file[clip]


@dataclass(frozen=True)
class Split:
    """Rows for training, for choosing the weights, and for calibration, int (n,) each.

    Without a share for calibration its rows are those that choose the weights.
    """

    train: np.ndarray
    validation: np.ndarray
    calibration: np.ndarray


def held_out(samples: Samples, validation: float, calibration: float | None, seed: int) -> Split:
    """The split of the samples by the shares that validate and calibrate: whole clips, or pictures.

    calibration: None for no share of its own.
    """
    split = split_pictures if samples.pictures else split_clips
    return split(samples, validation, calibration or 0, seed)


def split_pictures(samples: Samples, validation: float, calibration: float, seed: int) -> Split:
    """A split by a seeded choice among all pictures.

    Where the persons in them are known, and there are several, by whole persons.
    """
    if len(samples) < 2:
        raise InputError(
            f"{samples.pairs[0][0].file.filename}: one picture only in "
            f"{', '.join(samples.clips)}; training and validation need one each"
        )
    persons = samples.persons()
    if len(np.unique(persons)) < 2:
        persons = np.arange(len(samples))
    return split_units(persons, np.unique(persons), validation, calibration, seed)


def split_clips(samples: Samples, validation: float, calibration: float, seed: int) -> Split:
    """A split by whole clips.

    With a single clip its last `validation` of rows validates and calibrates, with a warning.
    """
    filled = np.unique(samples.clip)
    if len(filled) == 1:
        log.warning("one training clip only: its last %.0f %% validates", 100 * validation)
        cut = max(1, round(len(samples) * (1 - validation)))
        last = np.arange(min(cut, len(samples) - 1), len(samples))
        return Split(np.arange(cut), last, last)
    # Ordered by name, so that the way clips fall into shards changes nothing.
    named = sorted(filled, key=lambda clip: samples.clips[clip])
    return split_units(samples.clip, named, validation, calibration, seed)


def split_units(
    unit: np.ndarray, units: Sequence | np.ndarray, validation: float, calibration: float, seed: int
) -> Split:
    """Rows by a seeded choice of whole units; unit (N,): that of each row.

    At least one unit validates, one calibrates where a share is set and a third is there, and one
    is left for training.
    """
    count = min(len(units) - 1, max(1, round(validation * len(units))))
    more = min(len(units) - 1 - count, max(1, round(calibration * len(units))))
    rng = np.random.default_rng([seed, 15])
    chosen = rng.choice(units, count, replace=False)
    third = chosen
    if calibration and more:
        third = rng.choice(np.setdiff1d(units, chosen), more, replace=False)
    elif calibration:
        log.warning("too few clips or pictures for a split of their own for the calibration")
    left = ~np.isin(unit, np.concatenate((chosen, third)))
    return Split(*(np.flatnonzero(m) for m in (left, np.isin(unit, chosen), np.isin(unit, third))))


def epoch_order(rows: np.ndarray, seed: int, epoch: int) -> list[np.ndarray]:
    """The epoch's rows in pools of POOL rows, the last of what is left.

    Shuffled by block, so that most of a pool is read in long runs, and within each pool.
    """
    rng = np.random.default_rng([seed, epoch])
    blocks = [rows[start : start + BLOCK] for start in range(0, len(rows), BLOCK)]
    order = np.concatenate([blocks[b] for b in rng.permutation(len(blocks))])
    return [rng.permutation(pool) for pool in np.split(order, range(POOL, len(order), POOL))]


def draws(samples: int, seed: int, epoch: int, names: list[str]) -> dict[str, torch.Tensor]:
    """Per task one uniform number for every sample, float64 (N,)."""
    return {
        name: torch.from_numpy(
            np.random.default_rng([seed, epoch, store.seed_of(name)]).random(samples)
        )
        for name in names
    }


class Loader:
    """Batches of samples on a device, from memory where they fit and streamed where not."""

    def __init__(self, samples: Samples, device: torch.device, share: float = 0.5):
        self.samples, self.device = samples, device
        size = len(samples) * int(np.prod(samples.shape))
        self.resident = None
        # Every process of this machine has them in host memory once, on the way to its device.
        host = free_memory(torch.device("cpu")) / distributed.local_processes()
        if size <= share * min(free_memory(device), host):
            self.resident = samples.read(np.arange(len(samples))).to(device)
        # What goes with the cubes lies where they are.
        self.home = device if self.resident is not None else torch.device("cpu")
        self.valid = samples.valid.to(self.home)
        self.targets = {name: values.to(self.home) for name, values in samples.targets.items()}
        log.info(
            "%d samples, %.2f GB of cubes, %s",
            len(samples),
            size / 1e9,
            "kept on the device" if self.resident is not None else "streamed in shuffled blocks",
        )

    def batches(
        self, pools: list[np.ndarray], size: int, numbers: dict[str, torch.Tensor], skip: int = 0
    ) -> Iterator[Batch]:
        """This process's parts of an epoch's batches from number `skip` on.

        The whole batches are about equal in size within each pool; a part may be empty.
        """
        plan = [
            [distributed.part(rows) for rows in np.array_split(pool, steps(len(pool), size))]
            for pool in pools
        ]
        while plan and skip >= len(plan[0]):
            skip -= len(plan.pop(0))
        numbers = {name: values.to(self.home) for name, values in numbers.items()}
        if self.resident is not None:
            for rows in list(chain.from_iterable(plan))[skip:]:
                index = torch.from_numpy(rows).to(self.device)
                yield self.batch(index, self.resident[index], numbers)
            return
        for rows, cubes in prefetched(self.streamed(plan, skip), BATCHES_AHEAD):
            yield self.batch(rows, cubes.to(self.device, non_blocking=True), numbers)

    def streamed(self, plan: list[list[np.ndarray]], skip: int) -> Iterator[tuple]:
        """The batches of a plan from number `skip` on: rows, and their cubes in host memory.

        A pool is read while the one before it is in use.
        """
        pools = prefetched(map(self.pool, plan), 1)
        for batches, (order, cubes) in zip(plan, pools, strict=True):
            for rows in batches[skip:]:
                # By numpy, since torch would take the cores that the training step computes on.
                picked = torch.from_numpy(cubes.numpy()[np.searchsorted(order, rows)])
                # From pinned memory a GPU copies while it computes.
                pinned = picked.pin_memory() if self.device.type == "cuda" else picked
                yield torch.from_numpy(rows), pinned
            skip = 0

    def pool(self, batches: list[np.ndarray]) -> tuple[np.ndarray, torch.Tensor]:
        """A pool's rows in ascending order, and their cubes in host memory."""
        rows = np.sort(np.concatenate(batches))
        return rows, self.samples.read(rows)

    def batch(self, rows: torch.Tensor, cubes: torch.Tensor, numbers: dict) -> Batch:
        def picked(values: torch.Tensor) -> torch.Tensor:
            return values[rows].to(self.device, non_blocking=True)

        return Batch(
            cubes,
            picked(self.valid),
            {name: picked(values) for name, values in numbers.items()},
            {name: picked(values) for name, values in self.targets.items()},
        )


def steps(rows: int, size: int) -> int:
    """Batches that `rows` samples make."""
    return -(-rows // size)


def epoch_steps(rows: int, size: int) -> int:
    """Batches in an epoch of `rows` samples: pools are cut into batches one by one."""
    return rows // POOL * steps(POOL, size) + steps(rows % POOL, size)
