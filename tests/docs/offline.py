"""Whether a built site needs no network, and whether its links lead somewhere.

`python tests/docs/offline.py site` prints every fault in a line and exits with 1 if there is one.
Standard library only: it runs in the environment that builds the site.
"""

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# What a browser fetches by itself, by tag and attribute; links for the reader to follow are free.
LOADS = {
    ("script", "src"), ("img", "src"), ("img", "srcset"), ("iframe", "src"), ("source", "src"),
    ("video", "src"), ("audio", "src"), ("embed", "src"), ("object", "data"),
}  # fmt: skip
LINKS_THAT_LOAD = {"stylesheet", "icon", "preload", "preconnect", "modulepreload", "manifest"}


class Page(HTMLParser):
    """The addresses that a page loads and leads to, and its anchors."""

    def __init__(self, text: str):
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def has(self, fragment: str) -> bool:
        return not fragment or fragment in self.anchors

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attributes}
        self.anchors |= {values[name] for name in ("id", "name") if values.get(name)}
        self.loads += [value for name, value in values.items() if (tag, name) in LOADS]
        if tag == "link" and LINKS_THAT_LOAD & set(values.get("rel", "").split()):
            self.loads.append(values.get("href", ""))
        if tag == "a" and values.get("href"):
            self.links.append(values["href"])
        self.loads += re.findall(r"url\(['\"]?([^'\")]+)", values.get("style", ""))


def is_foreign(address: str) -> bool:
    parts = urlsplit(address)
    return parts.scheme in ("http", "https", "ws", "wss") or (
        not parts.scheme and bool(parts.netloc)
    )


def faults(site: Path) -> list[str]:
    """A line for every load from the network and every link within the site that leads nowhere."""
    pages = {path.resolve(): Page(path.read_text("utf-8")) for path in site.rglob("*.html")}
    found = [f"{site}: no page"] if not pages else []
    for path, page in sorted(pages.items()):
        where = path.relative_to(site.resolve())
        found += [f"{where}: loads {address}" for address in page.loads if is_foreign(address)]
        if where.name == "404.html":  # its addresses are those of the site's root on a server
            continue
        for address in page.links:
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.exists():
                found.append(f"{where}: {address} leads nowhere")
            elif target in pages and not pages[target].has(unquote(parts.fragment)):
                found.append(f"{where}: {address}: no such anchor")
    for path in sorted(site.rglob("*.css")):
        for address in re.findall(r"url\(['\"]?([^'\")]+)", path.read_text("utf-8")):
            if is_foreign(address):
                found.append(f"{path.relative_to(site)}: loads {address}")
    return found


if __name__ == "__main__":
    lines = faults(Path(sys.argv[1]))
    print(
        "\n".join(lines)
        or f"{sys.argv[1]}: loads nothing from the network; every link leads somewhere"
    )
    sys.exit(bool(lines))
