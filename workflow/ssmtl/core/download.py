"""Fetching and unpacking of published archives, each of them checked."""

import hashlib
import logging
import lzma
import tarfile
import time
import zipfile
import zlib
from http.client import HTTPException
from pathlib import Path, PurePosixPath
from urllib.request import urlopen

from ssmtl.core.errors import InputError
from ssmtl.core.store import replacing

log = logging.getLogger(__name__)

CHUNK = 1 << 20
TIMEOUT = 60  # seconds without a byte

DAMAGED = (tarfile.ReadError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError)


def download(url: str, sha256: str, output: Path, retries: int = 3, wait: float = 2.0) -> None:
    """Fetches `url` into `output`, which must then have the given SHA-256.

    A file that is there already is kept if it has it, so that one fetched by hand serves as
    well. A failed transfer starts anew, up to `retries` times, after `wait` seconds and twice as
    long each further time. Raises InputError when that fails too, or for a wrong checksum.
    """
    output = Path(output)
    if output.exists():
        check(file_sha256(output), sha256, str(output))
        return
    for attempt in range(retries + 1):
        try:
            with replacing(output) as temporary:
                check(fetch(url, temporary), sha256, url)
            return
        except (OSError, HTTPException, ValueError) as error:
            if attempt == retries:
                raise InputError(
                    f"{url}: cannot be fetched ({error}); fetch it by other means "
                    f"and put it at {output}"
                ) from error
            log.warning("%s: %s; trying again", url, error)
            time.sleep(wait * 2**attempt)


def fetch(url: str, path: Path) -> str:
    """Streams `url` into a file and returns its SHA-256; OSError for an incomplete transfer."""
    state, size = hashlib.sha256(), 0
    with urlopen(url, timeout=TIMEOUT) as response, open(path, "wb") as file:
        stated = response.headers.get("Content-Length")
        log.info("%s: fetching %s bytes", url, stated or "an unknown number of")
        while chunk := response.read(CHUNK):
            file.write(chunk)
            state.update(chunk)
            size += len(chunk)
    if stated and size != int(stated):
        raise OSError(f"{size} of {stated} bytes received")
    return state.hexdigest()


def file_sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check(found: str, expected: str, where: str) -> None:
    if found != expected.lower():
        raise InputError(
            f"{where}: SHA-256 is {found}, expected {expected}; the file is damaged or another "
            "version: delete any copy, and fetch it again or correct the checksum"
        )


def unpack(archive: Path, folder: Path) -> None:
    """Unpacks a tar (of any compression) or zip file into a folder that is not there yet.

    The folder appears when it is complete. Raises InputError for an archive that is missing,
    damaged, or has members that would land outside the folder.
    """
    archive, folder = Path(archive), Path(folder)
    if not archive.is_file():
        raise InputError(f"{archive}: no such file")
    if folder.is_dir() and any(folder.iterdir()):
        raise InputError(f"{folder}: not empty; delete it to unpack {archive} again")
    try:
        with replacing(folder) as temporary:
            temporary.mkdir()
            extract(archive, temporary)
    except DAMAGED as error:
        raise InputError(f"{archive}: damaged archive ({error}); fetch it again") from error
    except tarfile.FilterError as error:
        raise InputError(f"{archive}: unsafe archive ({error}); do not use it") from error
    except OSError as error:
        # gzip reports a damaged stream as an OSError, without an error number.
        if error.errno is not None:
            raise
        raise InputError(f"{archive}: damaged archive ({error}); fetch it again") from error


def extract(archive: Path, folder: Path) -> None:
    if tarfile.is_tarfile(archive):
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
    elif zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as bundle:
            for name in bundle.namelist():
                # zipfile would rename such a member silently.
                if ".." in PurePosixPath(name).parts or name.startswith(("/", "\\")):
                    raise InputError(f"{archive}: unsafe archive ({name}); do not use it")
            bundle.extractall(folder)
    else:
        raise InputError(f"{archive}: neither a tar nor a zip archive; fetch it again")
