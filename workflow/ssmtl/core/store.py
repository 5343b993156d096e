"""The HDF5 files between the stages: one writer each, and either complete or absent.

Every file has a `kind` (the stage's name), the tool's version and the stage's settings as
attributes, and one group per clip. Files hold no times and no host names, so equal input gives
equal bytes.
"""

import errno
import fcntl
import hashlib
import io
import json
import logging
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ssmtl import __version__
from ssmtl.core.errors import FULL, REMEDIES, InputError, environment
from ssmtl.core.settings import Settings

log = logging.getLogger(__name__)

FORMAT = 2  # of our HDF5 files; version 0.1 wrote the first, and did not say so
NAMELESS = (errno.EIO, errno.EROFS, errno.ESTALE)  # of writes to an open file
PLAIN = (h5py.h5t.INTEGER, h5py.h5t.FLOAT, h5py.h5t.STRING)
NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its name if the block ends without an error.

    Raises InputError where the disk is full or the file may not be written; nothing is left behind
    then.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        os.replace(temporary, path)
    except Exception as error:
        if is_disk_full(error):
            raise InputError(
                f"{path}: the disk or quota is full; free some space and run again, "
                "what is finished is kept"
            ) from error
        if failure := own_failure(error, (temporary, path, *path.parents)):
            raise environment(failure, path) or error from error
        raise
    finally:
        with suppress(PermissionError, NotADirectoryError):  # then it was never made
            if temporary.is_dir():
                shutil.rmtree(temporary)
            else:
                temporary.unlink(missing_ok=True)


def own_failure(error: BaseException | None, paths: tuple[Path, ...]) -> OSError | None:
    """What the system said of one of these paths, among an error and what caused it.

    A write that fails names no file, and is taken to be one of theirs.
    """
    while error is not None:
        if isinstance(error, OSError) and error.errno in REMEDIES:
            named = error.filename
            if Path(os.fsdecode(named)) in paths if named else error.errno in NAMELESS:
                return error
        error = error.__cause__ or error.__context__
    return None


def is_disk_full(error: BaseException | None) -> bool:
    """Whether an error, or what caused it, says that a file could not grow."""
    while error is not None:
        if getattr(error, "errno", None) in FULL:
            return True
        error = error.__cause__ or error.__context__
    return False


class Disk(io.FileIO):
    """A new file for HDF5 to write, which reports a failed write at the next flush only.

    HDF5 crashes where it cannot write what it still holds while it closes a dataset. So what
    comes after a failed write is dropped, and the failure is raised where HDF5 can bear it.
    """

    def __init__(self, path: Path):
        super().__init__(path, "w+")
        self.failed = False
        self.failure: OSError | None = None

    def write(self, data) -> int:
        left = memoryview(data).cast("B")
        size = len(left)
        while left and not self.failed:
            try:
                left = left[super().write(left) :]
            except OSError as error:
                self.failed, self.failure = True, error
        return size

    def truncate(self, size: int | None = None) -> int:
        try:
            return (size or 0) if self.failed else super().truncate(size)
        except OSError as error:
            self.failed, self.failure = True, error
            return size or 0

    def flush(self) -> None:
        failure, self.failure = self.failure, None
        if failure:
            raise failure


@contextmanager
def create(
    path: Path, kind: str, settings: Settings | dict | None = None, **attributes
) -> Iterator[h5py.File]:
    """An HDF5 file of `kind` open for writing, which becomes `path` when complete."""
    with (
        replacing(path) as temporary,
        Disk(temporary) as disk,
        # From this version of the format on, HDF5 has checksums in all of its own structures.
        h5py.File(disk, "w", libver="v110") as file,
    ):
        set_attributes(file, kind=kind, format=FORMAT, ssmtl=__version__)
        set_attributes(file, settings=as_json(settings or {}))
        set_attributes(file, **attributes)
        yield file
        file.flush()


@contextmanager
def read(path: Path, kind: str) -> Iterator[h5py.File]:
    """The HDF5 file of `kind` at `path`, open for reading.

    Raises InputError for a file that is missing, not HDF5, truncated, of another program or of
    another stage.
    """
    path = Path(path)
    with opened(path, kind) as file:
        try:
            version = attribute(file, "format", 1) if "kind" in file.attrs else FORMAT
            found = attribute(file, "kind") if version == FORMAT else kind
        except Exception as error:  # damage raises nearly anything in the library
            raise unreadable(path) from error
        if version != FORMAT:
            raise InputError(
                f"{path}: in format {version}, this version of ssmtl reads format {FORMAT}; "
                "delete it and run the stage that makes it again"
            )
        if not isinstance(found, str) or found != kind:
            raise InputError(
                f"{path}: expected an ssmtl file of kind '{kind}', found "
                f"{repr(str(found)) if found is not None else 'a foreign HDF5 file'}; "
                "check the path, or delete it and run again"
            )
        yield file


def opened(path: Path, kind: str) -> h5py.File:
    """Any HDF5 file, open for reading; InputError where that cannot be."""
    try:
        # Before the library does, which would wait for a pipe, and takes what it may not read for
        # damaged.
        with open(path, "rb", opener=at_once) as plain:
            if not stat.S_ISREG(os.fstat(plain.fileno()).st_mode):
                raise InputError(f"{path}: no ordinary file; check the path")
    except FileNotFoundError as error:
        raise InputError(
            f"{path}: no such file; run the stage that makes it ({kind}) first"
        ) from error
    except OSError as error:
        raise environment(error, path) or error from error
    try:
        return h5py.File(path, "r")
    except OSError as error:
        if error.errno in NO_LOCKS:  # a file of ours appears when it is complete, so none is needed
            return h5py.File(path, "r", locking=False)
        if error.errno == errno.EAGAIN:
            raise InputError(
                f"{path}: another process is writing it; wait for it to end"
            ) from error
        if error.errno in REMEDIES:
            raise environment(error, path) or error from error
        raise unreadable(path) from error


def unreadable(path: Path) -> InputError:
    return InputError(
        f"{path}: not a readable HDF5 file (truncated, corrupt or of another format); "
        "delete it and run again"
    )


def at_once(path: str, flags: int) -> int:
    """Opens without waiting for the other end of a pipe."""
    return os.open(path, flags | os.O_NONBLOCK)


def kind_of(path: Path) -> str | None:
    """The kind of an ssmtl file, None for any other, or none."""
    try:
        with opened(path, "") as file:
            kind = attribute(file, "kind")
            return kind if isinstance(kind, str) else None
    except (InputError, OSError, ValueError):
        return None


def settings_of(file: h5py.File) -> dict:
    """The stage settings that a file was made with."""
    try:
        settings = json.loads(attribute(file, "settings"))
    except (KeyError, TypeError, ValueError):
        settings = None
    if not isinstance(settings, dict):
        raise InputError(
            f"{file.filename}: does not say with which settings it was made; delete it and run "
            "the stage that makes it again"
        )
    return settings


def set_attributes(place: h5py.Group | h5py.Dataset, **values: str | float | np.ndarray) -> None:
    """Writes attributes; text in a fixed length.

    Text of variable length lies in a heap without checksums, where damage may hang the library.
    """
    for name, value in values.items():
        if isinstance(value, str):
            place.attrs.create(name, encoded(value), dtype=text_type([value]))
        else:
            place.attrs[name] = value


def attribute(place: h5py.Group | h5py.Dataset, name: str, default=None):
    """The value of an attribute, `default` where it is missing; text is str.

    Raises ValueError for a value that lies outside of what has checksums.
    """
    if name not in place.attrs:
        return default
    kind = place.attrs.get_id(name).get_type()
    text = kind.get_class() == h5py.h5t.STRING
    if kind.get_class() not in PLAIN or (text and kind.is_variable_str()):
        raise ValueError(f"the attribute '{name}' is not of a fixed length")
    value = place.attrs[name]
    return value.decode(errors="surrogateescape") if isinstance(value, bytes) else value


def encoded(text: str) -> bytes:
    return text.encode(errors="surrogateescape")


def text_type(values: list[str]) -> np.dtype:
    """The type of text, UTF-8, of the length of the longest value."""
    return h5py.string_dtype("utf-8", max([1, *(len(encoded(value)) for value in values)]))


def write_rows(
    group: h5py.Group, name: str, values: np.ndarray, chunk: int = 4096, **filters
) -> None:
    """Appends rows to a dataset of `group`, which is made with the first call.

    chunk: most rows that lie together, fewer where they would take more than 1 MiB; filters:
    h5py's, such as `compression`.
    """
    if name not in group:
        row = max(1, int(np.prod(values.shape[1:])) * values.dtype.itemsize)
        # HDF5 takes no 0 here, which is the length of the class vectors of boxes without classes.
        chunks = (max(1, min(chunk, (1 << 20) // row)), *(n or 1 for n in values.shape[1:]))
        limits = (None, *(n or None for n in values.shape[1:]))
        group.create_dataset(name, data=values, maxshape=limits, chunks=chunks, **filters)
        return
    dataset = group[name]
    start = len(dataset)
    dataset.resize(start + len(values), axis=0)
    dataset[start:] = values


def as_json(value: Any) -> str:
    """Settings or any other JSON-able value as text, the same for equal ones."""
    return json.dumps(value, sort_keys=True, default=Settings.model_dump)


def digest(*parts) -> str:
    """A short hash of strings, bytes, arrays, settings and JSON-able values."""
    state = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            state.update(f"{part.dtype.str}{part.shape}".encode())
            part = np.ascontiguousarray(part).tobytes()
        elif not isinstance(part, bytes):
            part = as_json(part).encode()
        state.update(part)
    return state.hexdigest()[:16]


def rows_digest(dataset: h5py.Dataset, rows: int = 1 << 14) -> str:
    """A short hash of a dataset's values, read `rows` at a time."""
    return digest([digest(dataset[start : start + rows]) for start in range(0, len(dataset), rows)])


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds a folder for this process; waits for another one that works in it.

    Some cluster file systems are mounted without locks: then it goes on with a warning.
    """
    folder = Path(folder)
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        with open(folder / "lock", "a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno in NO_LOCKS:
                    log.warning("%s: no locks on this file system; let one run work here", folder)
                else:
                    log.info("%s: another process is working here; waiting for it to end", folder)
                    fcntl.flock(lock, fcntl.LOCK_EX)
            # The other process may have finished and removed the folder while we waited.
            if not same_file(lock.fileno(), folder / "lock"):
                continue
            yield
            return


def same_file(descriptor: int, path: Path) -> bool:
    """Whether a path still leads to an open file."""
    return path.exists() and os.path.samestat(os.fstat(descriptor), path.stat())


def file_digest(path: Path | str | None) -> str:
    """A short hash of a file's bytes; "" for no file, and for a name that is none."""
    return digest(Path(path).read_bytes()) if path and Path(path).is_file() else ""


def seed_of(name: str) -> int:
    """A stable number for a name, to seed a generator with."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4])


class Parts:
    """Finished clips of one output file, kept beside it until all of them are there.

    A killed stage goes on after its last finished clip. The folder is locked while in use, so
    that an orphaned process and a rerun never write together. A clip, in a part or in the output
    that an orphan completed, is used again only if its fingerprint (settings, code and input of
    that clip) is the same.
    """

    def __init__(self, output: Path, kind: str, settings: Settings | dict):
        self.output = Path(output)
        self.kind = kind
        self.settings = settings
        self.folder = self.output.parent / ".parts" / self.output.name
        self.sources: dict[str, Path] = {}  # the file that holds each clip

    def __enter__(self) -> "Parts":
        self.lock = locked(self.folder)
        self.lock.__enter__()
        return self

    def __exit__(self, *error) -> None:
        self.lock.__exit__(*error)

    def path(self, clip: str) -> Path:
        return self.folder / f"{hashlib.sha256(clip.encode()).hexdigest()[:24]}.h5"

    def has(self, clip: str, fingerprint: str) -> bool:
        """Registers the clip, and tells whether it is finished already."""
        self.sources[clip] = self.path(clip)
        for path in (self.path(clip), self.output):
            if path.exists() and self.fingerprint(path, clip) == fingerprint:
                log.info("%s: clip %s is finished already", self.output, clip)
                self.sources[clip] = path
                return True
        return False

    def fingerprint(self, path: Path, clip: str) -> str | None:
        """What a finished clip in a file was made from; None where it is not usable."""
        try:
            with read(path, self.kind) as file:
                return attribute(file[clip], "fingerprint") if clip in file else None
        except (InputError, ValueError) as error:
            log.warning("%s; computing clip %s again", error, clip)
            return None

    @contextmanager
    def write(self, clip: str, fingerprint: str) -> Iterator[h5py.Group]:
        """The HDF5 group of one clip; it counts as finished when the block ends."""
        with create(self.path(clip), self.kind, self.settings) as file:
            group = file.create_group(clip)
            yield group
            set_attributes(group, fingerprint=fingerprint)

    def merge(self, **attributes) -> None:
        """Puts all registered clips, in order, into the output file and drops the parts.

        What the clips say of how they were `computed` the file says too, each thing once: which
        engine did it is known where it was done, not where clips are but put together.
        """
        # Within the folder, so that a kill leaves nothing behind once a later run ends.
        merged, computed = self.folder / self.output.name, dict[str, None]()
        with create(merged, self.kind, self.settings, **attributes) as out:
            for clip, path in self.sources.items():
                with read(path, self.kind) as part:
                    part.copy(part[clip], out, name=clip)
                    if said := attribute(part[clip], "computed", ""):
                        computed |= dict.fromkeys(said.split("; "))
                out.flush()
            if computed:
                set_attributes(out, computed="; ".join(computed))
        os.replace(merged, self.output)
        shutil.rmtree(self.folder)
        if not any(self.folder.parent.iterdir()):
            self.folder.parent.rmdir()
