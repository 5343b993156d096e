"""What all pages share: reading the files that stages made, numbers as text, the templates."""

import json
import math
import statistics
from collections.abc import Iterable
from pathlib import Path
from typing import TypeGuard

import yaml
from jinja2 import Environment

from ssmtl.core import pages
from ssmtl.reporting import series


def is_known(value: float | None) -> TypeGuard[float]:
    """Whether a value is there: neither None nor NaN."""
    return value is not None and not math.isnan(value)


def known(values: Iterable[float | None]) -> list[float]:
    """The values that are there."""
    return [value for value in values if is_known(value)]


def mean(values: Iterable[float | None]) -> float | None:
    """The mean of the values that are there; None without any."""
    values = known(values)
    return statistics.fmean(values) if values else None


def percent(value: float | None) -> str:
    """0.9153 as '91.5'; a dash for what is not known."""
    return f"{100 * value:.1f}" if is_known(value) else series.UNKNOWN


def spread(values: Iterable[float | None]) -> str:
    """One value in per cent, or the mean ± standard deviation (n - 1) of several."""
    values = known(values)
    if len(values) < 2:
        return percent(mean(values))
    return f"{percent(mean(values))} ± {percent(statistics.stdev(values))}"


def count(value: float | None) -> str:
    """12345 as '12,345'; a dash for what is not known."""
    return f"{value:,.0f}" if value is not None else series.UNKNOWN


def file_size(size: float) -> str:
    """Bytes as '3.4 MB', in powers of 1000."""
    if size < 1000:
        return f"{size} bytes"
    power = min(3, int(math.log10(size) / 3))
    return f"{size / 1000**power:.1f} {('kB', 'MB', 'GB')[power - 1]}"


def heat(value: float | None) -> str:
    """Style of a table cell with an AUC: no colour at 0.5, strongest at 0 and 1."""
    return f"--heat:{abs(value - 0.5):.2f}" if is_known(value) else ""


def verdict(gap: float | None) -> str | None:
    """How a score compares with the baseline that it leads by `gap` percentage points."""
    if gap is None:
        return None
    if abs(gap) < 0.05:
        return "level with"
    return f"{abs(gap):.1f} points {'above' if gap > 0 else 'below'}"


def flat(values: dict) -> str:
    """A small dict in one line, lists as their lengths: `loss 0.4, step 120, clips 3`."""
    parts = []
    for name, value in values.items():
        if isinstance(value, list):
            value = len(value)
        if isinstance(value, float):
            value = f"{value:.4g}" if math.isfinite(value) else series.UNKNOWN
        parts.append(f"{str(name).replace('_', ' ')} {value}")
    return ", ".join(parts)


def as_yaml(config: dict) -> str:
    """The effective configuration as YAML, in the order of its keys."""
    plain = json.loads(json.dumps(config, default=str))
    return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=90)


def notes_of(config: dict) -> list[str]:
    """What a reader must know of the figures: the configured notes, and a random teacher."""
    notes = list(config.get("notes") or [])
    if config.get("teachers", {}).get("resnet") == "random":
        notes.append(
            "Random teacher: the ResNet-50 whose outputs the distillation task learns has seeded "
            "random weights, not weights trained on ImageNet."
        )
    return notes


def environment() -> Environment:
    """The Jinja environment of the page, with autoescape."""
    env = pages.environment(Path(__file__).with_name("templates"))
    env.filters.update(
        percent=percent,
        count=count,
        file_size=file_size,
        heat=heat,
        title=series.title,
        colour=lambda column: series.colour(column).replace(series.INK, "currentColor"),
        flat=flat,
    )
    return env
