"""Pages of HTML: templates that several folders share, and how they are filled."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

SHARED = Path(__file__).with_name("templates")


def share(value: float) -> str:
    """A share of normal objects that score lower, 0.98765 as '98.8 %', and '> 99.9 %' beyond."""
    return "> 99.9 %" if value > 0.999 else f"{100 * value:.1f} %"


def environment(folder: Path) -> Environment:
    """The Jinja environment of a folder's templates and of the shared ones, with autoescape."""
    env = Environment(
        loader=FileSystemLoader([folder, SHARED]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters["share"] = share
    return env
