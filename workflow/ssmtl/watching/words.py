"""What an operator reads: tasks in plain words, sentences, times of day."""

from datetime import UTC, datetime

# What a task that scores high says of an object.
TASKS = {
    "arrow_of_time": "moving unusually",
    "motion_irregularity": "moving jerkily or at an unusual speed",
    "middle_box": "changing unexpectedly",
    "velocity": "moving at an unusual speed or in an unusual direction",
    "distillation": "looking unusual",
    "appearance": "looking unusual",
}
OTHERWISE = "unusual"


def of_task(task: str | None) -> str:
    """A task in an operator's words."""
    return TASKS.get(task or "", OTHERWISE)


def sentence(event: dict, camera: str | None = None) -> str:
    """An event as a sentence: `a bicycle, moving unusually, 14:03:12, gate`.

    event: as its line in events.jsonl; camera: what the source is called, else by its own name.
    """
    when = of_day(event["start_clock"]) or in_recording(event["start"])
    return f"{what(event)}, {when}, {camera or event['source']}"


def what(event: dict) -> str:
    """What was seen: `a bicycle, moving unusually`."""
    name = event.get("class")
    seen = f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}" if name else "something"
    return f"{seen}, {event.get('words') or of_task(event.get('task'))}"


def in_recording(seconds: float) -> str:
    """Seconds from the start of a recording as 1:02:03.4, minutes where there are no hours."""
    minutes, rest = divmod(round(seconds, 1), 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02d}:{rest:04.1f}" if hours else f"{minutes}:{rest:04.1f}"


def of_day(iso: str | None, layout: str = "%H:%M:%S") -> str | None:
    """A time of an event's line as the clock on this machine's wall has it."""
    return iso and datetime.fromisoformat(iso).astimezone().strftime(layout)


def time_of_day(clock: float | None) -> str | None:
    """Seconds since the epoch as ISO 8601, UTC."""
    if clock is None:
        return None
    return datetime.fromtimestamp(clock, UTC).isoformat(timespec="milliseconds")


def shown_time(seconds: float, clock: float | None) -> str:
    """What stands in a picture: date and time of a live source, else the place in a recording."""
    if clock is None:
        return in_recording(seconds)
    return datetime.fromtimestamp(clock).astimezone().strftime("%Y-%m-%d %H:%M:%S")
