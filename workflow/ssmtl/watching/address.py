"""Addresses of cameras: what may be shown of them, and what FFmpeg may open for them.

An address holds passwords and tokens, in any of its parts and often in a form that no standard
allows. Scheme and host are all that is ever shown, and where a host cannot be told from a
password, the scheme alone.
"""

import logging
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, unquote

from ssmtl.core.errors import InputError

log = logging.getLogger(__name__)

_HTTP = "http,https,tcp,tls,crypto"
_RTSP = "rtsp,rtsps,rtp,srtp,udp,tcp,tls"
# What FFmpeg may open for each scheme, redirections and playlists included; never a file.
PROTOCOLS = {
    "http": _HTTP,
    "https": _HTTP,
    "rtsp": _RTSP,
    "rtsps": _RTSP,
    "rtmp": "rtmp,tcp",
    "rtmps": "rtmps,rtmp,tls,tcp",
    "srt": "srt",
    "udp": "udp",
    "tcp": "tcp",
}
AUTHORITY_END = re.compile(r"[/?#\\]")
HOST = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[\w.-]+)(?::\d*)?")


@dataclass(frozen=True)
class Address:
    """Where a live source is. url is for FFmpeg only; name is what may be shown."""

    url: str = field(repr=False)
    name: str
    protocols: str
    format: str | None = None


def address(source: str, listed: bool = True) -> Address | Path:
    """What a source names: a path, or an address, given as such, or as `env:NAME` or `file:PATH`,
    which hide it from whoever lists the processes of the machine.

    listed: whether it stands on a command line, which is warned of. Raises InputError for what is
    neither.
    """
    if there(source):
        return local(Path(source))
    kind, _, rest = source.partition(":")
    if kind == "env":
        return of_text(from_environment(rest), f"the environment variable {rest}")
    if kind == "file" and not rest.startswith("//"):
        return of_text(from_file(Path(rest)), rest)
    if listed and "://" in source and ("@" in source or "?" in source):
        warn_of_listing(shown(source))
    return of_text(source, "")


def secret(text: str, option: str | None) -> str:
    """An address that is no camera's, given as such, or as `env:NAME` or `file:PATH`.

    option: of the command line that it was given to, for the warning of one whose parts may be
    secret.
    """
    kind, _, rest = text.partition(":")
    if kind == "env":
        return from_environment(rest)
    if kind == "file" and not rest.startswith("//"):
        return from_file(Path(rest))
    if option and re.search(
        r"[@?]|://[^/]*/.", text
    ):  # many services have their tokens in the path
        warn_of_listing(option)
    return text


def warn_of_listing(what: str) -> None:
    log.warning(
        "%s: whoever lists this machine's processes reads the whole address; give it as "
        "env:NAME, the name of an environment variable, or as file:PATH",
        what,
    )


def of_text(text: str, where: str) -> Address | Path:
    """The address or path in a text; where: what held it, in place of a text not to be shown."""
    scheme, separator, _ = text.partition("://")
    if separator and re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*", scheme):
        if (scheme := scheme.lower()) not in PROTOCOLS:
            raise InputError(
                f"{scheme}://: no such way to a camera; known are {', '.join(PROTOCOLS)}, and "
                "files by their path"
            )
        return Address(usable(text), shown(text), PROTOCOLS[scheme])
    if not there(text):
        raise InputError(
            f"{where or text}: no such file, folder or device{', nor an address' * bool(where)}; "
            "check the path or URL"
        )
    return local(Path(text))


def local(path: Path) -> Address | Path:
    """A path, or the address of a camera device or of a playlist that still grows."""
    if path.is_char_device():
        return Address(str(path), str(path), "file", "v4l2")
    if path.suffix.lower() in (".m3u8", ".m3u") and path.is_file():
        return Address(f"file:{path}", path.name, "file", "hls")
    return path


def from_environment(name: str) -> str:
    if not os.environ.get(name, "").strip():
        raise InputError(f"env:{name}: no such environment variable, or an empty one; set it")
    return os.environ[name].strip()


def from_file(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no text"
        raise InputError(f"file:{path}: cannot be read ({reason}); put the URL into it") from error
    if not text or "\n" in text:
        raise InputError(f"file:{path}: not one line with a URL; put it in")
    return text


def split(url: str) -> tuple[str, str | None, str]:
    """Scheme, credentials and the rest of a URL, whatever characters the credentials have.

    Credentials are None where there are none, or where nobody can say which part they are.
    """
    scheme, _, rest = url.partition("://")
    authority = AUTHORITY_END.split(rest, 1)[0]
    if "@" in authority and "@" not in rest[len(authority) :]:
        credentials, _, _ = authority.rpartition("@")
        return scheme, credentials, rest[len(credentials) + 1 :]
    # A port is a number: `name:pass/word@host` can only be credentials with a slash in them.
    if rest.count("@") == 1 and ":" in authority and not HOST.fullmatch(authority):
        credentials, _, behind = rest.partition("@")
        return scheme, credentials, behind
    return scheme, None, rest


def shown(url: str) -> str:
    """What may be shown of a URL: scheme and host, or the scheme alone."""
    scheme, credentials, rest = split(url)
    authority = AUTHORITY_END.split(rest, 1)[0]
    found = HOST.fullmatch(authority)
    if found is None or (credentials is None and "@" in rest):
        return f"{scheme}://..."
    return f"{scheme}://{found['host']}"


def usable(url: str) -> str:
    """The URL with its credentials written as FFmpeg reads them."""
    scheme, credentials, rest = split(url)
    if credentials is None:
        return url
    user, colon, password = credentials.partition(":")
    user, password = (quote(unquote(part), safe="") for part in (user, password))
    return f"{scheme}://{user}{colon}{password}@{rest}"


def there(text: str) -> bool:
    """Whether a text is the path of something; one that no file system takes is not."""
    try:
        return Path(text).exists()
    except (OSError, ValueError):
        return False
