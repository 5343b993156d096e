"""`ssmtl normal`: events that were normal after all; their objects become a watcher's memory."""

import json
import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from ssmtl.core import store
from ssmtl.core.errors import InputError
from ssmtl.learning import model as models
from ssmtl.watching import folder as watcher
from ssmtl.watching.likeness import Gathered, Objects, described, read_likeness
from ssmtl.watching.memory import ABOUT, FOLDER, LOOK, UNREADABLE, read_accepted
from ssmtl.watching.settings import Watch
from ssmtl.watching.threshold import choose, say

log = logging.getLogger(__name__)

OBJECTS = "objects"  # in a folder of events
MOST = 64  # objects kept of an event
CUBES, TARGET = "cubes", "target-"  # of the arrays in a file; a target's name follows the second


@dataclass(frozen=True)
class Accepted:
    """An event that was accepted. path: its file; about: what is known of it; count: objects."""

    path: Path
    about: dict
    count: int


def normal(output: Path, /, *events: int, model: Path | None, undo: bool, listed: bool) -> None:
    """Accepts events of a watcher's output as normal, undoes that, or lists what was accepted.

    model: the watcher's folder, where it is no longer the one that the events were found with.
    Raises InputError for an event that there is not, or that has no objects of this model.
    """
    if not events and not listed:
        raise InputError("normal: give the numbers of events, or --list")
    if undo and listed:
        raise InputError("normal: --list shows, --undo changes; give one of them")
    model = model or model_of(output)
    for number in events:
        path = model / FOLDER / f"{name_of(output, number)}.npz"
        if undo:
            if not path.is_file():
                raise InputError(f"{output}: event {number} was not accepted; see --list")
            path.unlink()
            log.info("event %d is unusual again", number)
        else:
            accept(path, output, number, model)
    if events:
        _, clips, asked = watcher.read_watcher(model)
        say(choose(clips, asked, Watch.parse({}).after))
    if listed:
        print(table(listing(model)))


def accept(path: Path, output: Path, number: int, model: Path) -> None:
    """Puts an event's objects among the normal ones of a watcher."""
    objects, about = read_objects(output, number)
    if about["mark"] != watcher.digest(model):
        raise InputError(
            f"{output}: event {number} was found with another model than {model}; accept what this "
            "one finds"
        )
    about |= {"accepted": datetime.now().astimezone().isoformat(timespec="seconds")}
    remember(path, objects, about, *model_of_watcher(model))
    log.info("event %d is normal: %d objects", number, len(objects))


def model_of_watcher(folder: Path) -> tuple[models.Model, dict]:
    """A watcher's network and its card; InputError where objects cannot be compared with it."""
    settings, *_ = watcher.read_watcher(folder)
    read_likeness(folder)
    return models.load(folder / "model.safetensors", settings.score.task_options)


def remember(path: Path, objects: Objects, about: dict, model: models.Model, card: dict) -> None:
    """Writes objects and their descriptions by a model; InputError where it sees others."""
    spec = card["spec"]
    fits = objects.cubes.shape[1:] == (2 * spec["radius"] + 1, spec["size"], spec["size"], 3)
    fits = fits and set(objects.targets) == {"class_probs", *model.measured}
    if not fits or objects.targets["class_probs"].shape[1] != len(spec["classes"]):
        raise InputError(f"{path}: objects of another kind than the model sees; accept them anew")
    arrays = {LOOK + name: values for name, values in described(model, objects).items()}
    arrays |= {TARGET + name: values for name, values in objects.targets.items()}
    write(path, about, arrays | {CUBES: objects.cubes})


def renew(folder: Path) -> None:
    """Describes what was accepted by a watcher's new model; what that cannot see is given up."""
    files = sorted((folder / FOLDER).glob("*.npz"))
    if not files:
        return
    model, card = model_of_watcher(folder)
    for path in files:
        objects, about = read_file(path)
        try:
            remember(path, objects, about | {"mark": watcher.digest(folder)}, model, card)
        except InputError as error:
            log.warning("%s; it is not accepted any more", error)
            path.unlink()


def write(path: Path, about: dict, arrays: dict[str, np.ndarray]) -> None:
    text = np.array(json.dumps(about))
    with store.replacing(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, **{ABOUT: text}, **arrays)  # type: ignore[arg-type]


class Strange:
    """Gathers the objects of events as they go on, so that these can be accepted as normal."""

    def __init__(self, folder: Path | None, origin: dict, lag: int):
        """folder: of the events; origin: `model`, the watcher's folder, and `mark`, its digest;
        lag: frames by which an event may follow what it comes from."""
        self.folder, self.origin = folder, origin
        self.lately: deque[Objects | None] = deque(maxlen=max(lag, 1))
        self.gathered: Gathered | None = None

    def begin(self) -> None:
        """A new segment."""
        self.lately.clear()

    def add(self, objects: Objects | None) -> None:
        """The objects above the threshold in the next frame."""
        self.lately.append(objects)
        if self.gathered:
            self.gathered.add(objects)

    def open(self) -> None:
        """An event begins."""
        self.gathered = Gathered(MOST)
        for objects in self.lately:
            self.gathered.add(objects)

    def close(self, row: dict) -> None:
        """The event ends; row: what is written of it."""
        gathered, self.gathered = self.gathered, None
        objects = gathered.objects() if gathered else None
        if objects is None or self.folder is None or not self.origin:
            return
        about = {key: row[key] for key in ("event", "source", "start", "end", "start_clock")}
        about |= self.origin | {"output": str(self.folder.resolve())}
        try:
            write_objects(self.folder, row["event"], objects, about)
        except (OSError, InputError) as error:
            log.warning("event %d: its objects are not kept: %s", row["event"], error)


def write_objects(output: Path, number: int, objects: Objects, about: dict) -> None:
    """Keeps what `normal` needs of an event's objects.

    about: of the event; `mark` is the digest and `model` the folder of the watcher.
    """
    arrays = {TARGET + name: values for name, values in objects.targets.items()}
    write(objects_path(output, number), about, arrays | {CUBES: objects.cubes})


def objects_path(output: Path, number: int) -> Path:
    return output / OBJECTS / f"event_{number:04d}.npz"


def read_objects(output: Path, number: int) -> tuple[Objects, dict]:
    """The objects of an event and what is known of it; InputError where there are none."""
    path = objects_path(output, number)
    if not path.is_file():
        raise InputError(
            f"{output}: no objects of event {number} here; {output / 'events.csv'} lists the events"
        )
    return read_file(path)


def read_file(path: Path) -> tuple[Objects, dict]:
    """The objects of a file and what is known of their event."""
    try:
        with np.load(path, allow_pickle=False) as file:
            about = json.loads(str(file[ABOUT]))
            targets = {n.removeprefix(TARGET): file[n] for n in file.files if n.startswith(TARGET)}
            return Objects(file[CUBES], targets), about
    except UNREADABLE as error:
        raise InputError(f"{path}: damaged ({error}); watch again") from error


def name_of(output: Path, number: int) -> str:
    """What an event's file is called among those accepted; events of other folders differ."""
    return f"event_{number:04d}-{store.digest(str(output.resolve()))[:8]}"


def model_of(output: Path) -> Path:
    """The watcher that a folder's events were found with."""
    for path in sorted((output / OBJECTS).glob("event_*.npz")):
        _, about = read_objects(output, int(path.stem.removeprefix("event_")))
        if (folder := Path(about["model"])).is_dir():
            return folder
        raise InputError(f"{output}: the model {folder} is no longer there; give --model")
    raise InputError(f"{output}: no event with objects here; give --model, or another folder")


def listing(model: Path) -> list[Accepted]:
    """What was accepted, the earliest first."""
    found = []
    for path in (model / FOLDER).glob("*.npz"):
        described_, about = read_accepted(path)
        found.append(Accepted(path, about, len(next(iter(described_.values())))))
    return sorted(found, key=lambda each: each.about["accepted"])


def table(found: Sequence[Accepted]) -> str:
    """What was accepted, as text."""
    lines = [f"{'accepted':<26}{'event':>6}  {'objects':>7}  of"]
    for each in found:
        about = each.about
        lines.append(
            f"{about['accepted']:<26}{about['event']:>6}  {each.count:>7}  {about['output']}: "
            f"{about['source']}"
        )
    return "\n".join(lines) if found else "nothing was accepted"
