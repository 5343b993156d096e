"""The one exception a user is meant to read, and what the system's own errors say to a user."""

import errno
import os

FULL = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)
REMEDIES = {
    errno.EACCES: "permission denied; give this user the right to read it, or to write there",
    errno.EPERM: "not permitted; give this user the right to read it, or to write there",
    errno.EROFS: "the file system is read-only; choose another folder",
    errno.EIO: "input or output error; see whether the disk or network is well, then run again",
    errno.ESTALE: "the network file system lost it; mount that again, then run again",
    errno.EMFILE: "too many open files; raise the limit (ulimit -n) and run again",
    errno.ENFILE: "too many open files on this machine; close some and run again",
    errno.ENAMETOOLONG: "the name is too long for this file system; choose a shorter one",
    errno.ELOOP: "symbolic links that lead to one another; mend them",
    errno.ENOENT: "no such file or folder; check the path",
    errno.ENOTDIR: "a part of this path is a file and no folder; check the path",
    errno.EISDIR: "a folder where a file is needed; check the path",
    errno.EEXIST: "something of this name is there already; move it or choose another name",
    errno.ENXIO: "no such device; check the path",
    errno.ENODEV: "no such device; check the path",
    **dict.fromkeys(FULL, "the disk or quota is full; free some space and run again"),
}


class InputError(Exception):
    """Bad input: one line that says what is wrong, where, and what to do.

    The command line prints it as `error: <message>` and exits with status 2; every other
    exception is a bug and keeps its traceback.
    """


def environment(error: OSError, path: str | os.PathLike | None = None) -> InputError | None:
    """What an error of the operating system means to a user; None where it may be a bug.

    It names `path`, or else the file that the error names. A file that may not be read is not
    damaged: what is wrong is the machine, and that is what the line says.
    """
    name = path if path is not None else error.filename
    if error.errno not in REMEDIES or name is None:
        return None
    if isinstance(name, bytes):
        name = os.fsdecode(name)
    return InputError(f"{name}: {REMEDIES[error.errno]}")
