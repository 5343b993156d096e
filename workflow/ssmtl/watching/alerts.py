"""What is told of an event."""

import json
from dataclasses import dataclass
from pathlib import Path

BEGIN, END = "begin", "end"


@dataclass(frozen=True)
class Alert:
    """What is told of an event.

    clip: its path; when the event begins, where it will be.
    """

    kind: str  # BEGIN or END
    event: dict  # as its line in events.jsonl; what is not known yet is None
    sentence: str
    snapshot: bytes  # JPEG
    clip: Path | None = None

    def text(self) -> str:
        """All but the snapshot, JSON."""
        about = {"kind": self.kind, "sentence": self.sentence, "clip": str(self.clip or "")}
        return json.dumps(about | {"event": self.event})
