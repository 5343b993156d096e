"""Settings as options of the command line."""

import shlex


def flags(values: dict) -> str:
    """Settings as command-line options, in a fixed order: `--batch 16 --iou 0.45`."""
    words = []
    for name, value in sorted(values.items()):
        text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
        words += [f"--{name.replace('_', '-')}", shlex.quote(text)]
    return " ".join(words)
