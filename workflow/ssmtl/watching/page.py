"""events.html: the newest events of a camera as cards, beside its lines and pictures."""

import time
from collections.abc import Sequence
from pathlib import Path

from ssmtl.core import pages, store
from ssmtl.watching import words

PAGE = "events.html"
SHOWN = 200  # events on the page
PICTURES = ("snapshot", "crops", "middle", "clip")

TEMPLATE = pages.environment(Path(__file__).with_name("templates")).get_template("events.html.j2")


def write_page(folder: Path, camera: str, events: Sequence[dict], total: int) -> None:
    """Writes the page of some events, newest first; total: how many there are in all.

    events: as their lines in events.jsonl, one that goes on without `ended_by`.
    """
    cards = [card(folder, event) for event in events]
    written = time.strftime("%Y-%m-%d %H:%M:%S")
    with store.replacing(folder / PAGE) as path:
        text = TEMPLATE.render(camera=camera, events=cards, total=total, written=written)
        path.write_text(text, "utf-8")


def card(folder: Path, event: dict) -> dict:
    """What the page shows of an event; of lines of version 0.1 what they have."""
    start, end = (event.get(key) or 0.0 for key in ("start", "end"))
    when = words.of_day(event.get("start_clock"), "%Y-%m-%d %H:%M:%S")
    tasks, normal, shares = (event.get(key) or {} for key in ("tasks", "normal", "shares"))
    there = {key: event.get(key) for key in PICTURES}
    return {
        "event": event["event"],
        "what": words.what(event),
        "when": when or words.in_recording(start),
        "seconds": f"{end - start:.1f}",
        "score": event.get("score") or 0.0,
        "ended_by": event.get("ended_by", "calm"),
        "tasks": [
            {
                "name": name.replace("_", " "),
                "score": score,
                "share": shares.get(name),
                "normal": normal.get(name),
            }
            for name, score in tasks.items()
        ],
    } | {key: path if path and (folder / path).exists() else None for key, path in there.items()}
