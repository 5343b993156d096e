"""The program, and how a function becomes one of its commands."""

import functools
import importlib
import inspect
import itertools
import logging
import sys
import time
from collections.abc import Callable
from typing import Annotated, Any

from cyclopts import App, CycloptsError, Group, Parameter

from ssmtl import __version__
from ssmtl.cli.ending import ending
from ssmtl.cli.values import FLAG, is_single
from ssmtl.core.errors import InputError
from ssmtl.core.machine import keep_memory

log = logging.getLogger(__name__)

WATCHING = Group("Watch cameras and files", sort_key=1)
RUNNING = Group("Run the pipeline", sort_key=2)
STAGES = Group("Stages of the pipeline", sort_key=3)
REPORTS = Group("Results", sort_key=4)
DATA = Group("Data and settings", sort_key=5)
GENERAL = Group("General", sort_key=99)

ORDER = itertools.count()  # of the commands in the help, as they are defined

# What makes a command of a function once it is called or its help is asked for, by the command's
# name: only then are its settings imported, and with them pydantic.
MAKERS: dict[str, Callable[[], Callable]] = {}

NOISY = ("matplotlib", "PIL", "h5py", "fontTools")

app = App(
    name="ssmtl",
    help="Anomaly detection in video and pictures, learnt from what is normal. "
    "`ssmtl COMMAND --help` tells a command's options.",
    version=f"ssmtl {__version__}",
    help_format="plaintext",
    result_action="return_value",
    default_parameter=Parameter(consume_multiple=True, negative_iterable=()),
)
for flag in ("--help", "--version"):
    app[flag].group = GENERAL


def command(
    group: Group, calls: str | None = None, *, name: str | None = None, quiet: bool = False
) -> Callable:
    """Makes a function a command; its signature tells the options, its docstring their meaning.

    A parameter that is a section of settings becomes an option for each of its keys; of a second
    and third section the options begin with the parameter's name.

    calls: "module:function" to import and call with the same arguments in place of the function,
    which then has no body; where that takes `code`, it gets the digest of the stage's code.
    quiet: a command that only prints, and does not say how long it took.
    """

    def register(function: Callable) -> Callable:
        title = name or function.__name__.replace("_", "-")
        MAKERS[title] = functools.partial(made, function, calls, title, quiet)
        about = (inspect.getdoc(function) or "").partition("\n\nArgs:")[0]
        path = f"{__name__}:{title}"
        app.command(path, name=title, group=group, sort_key=next(ORDER), help=about)
        return function

    return register


def __getattr__(title: str) -> Callable:
    """A command by its name, for cyclopts, which imports it when it is called."""
    if title not in MAKERS:
        raise AttributeError(title)
    return MAKERS[title]()


def made(function: Callable, calls: str | None, title: str, quiet: bool) -> Callable:
    """The command that a function tells of: its options are the function's and its sections'."""
    from ssmtl.cli.options import expanded, gathered

    signature, sections = expanded(function)
    parameters = signature.parameters

    @functools.wraps(function)
    def run(*positional: Any, **given: Any) -> None:
        start = time.monotonic()
        bound = signature.bind(*positional, **given)
        bound.apply_defaults()
        arguments = {
            key: next(iter(value), None) if is_single(parameters[key].annotation) else value
            for key, value in bound.arguments.items()
        }
        arguments = gathered(arguments, sections)
        invoke(imported(calls) if calls else function, title, arguments)
        if not quiet:
            from ssmtl.core.progress import clock

            log.info("%s: done in %s", title, clock(time.monotonic() - start))

    vars(run).update(__signature__=signature, calls=calls)
    run.__annotations__ = {key: each.annotation for key, each in parameters.items()}
    return run


def imported(target: str) -> Callable:
    """The function of "module:function"."""
    module, name = target.split(":")
    return getattr(importlib.import_module(module), name)


def invoke(function: Callable, title: str, arguments: dict[str, Any]) -> None:
    """Calls a function by its parameters' names."""
    parameters = inspect.signature(function).parameters
    if "code" in parameters:
        from ssmtl.planning.code import stage_code
        from ssmtl.planning.registry import STAGES as REGISTERED

        stage = title.replace("-", "_")
        section = REGISTERED[stage].settings
        given = {section: arguments["settings"].model_dump()} if section else {}
        arguments = arguments | {"code": stage_code(stage, given)}
    kinds = (inspect.Parameter.POSITIONAL_ONLY,)
    first = [key for key, p in parameters.items() if p.kind in kinds and key in arguments]
    several = [key for key, p in parameters.items() if p.kind is inspect.Parameter.VAR_POSITIONAL]
    rest = {key: value for key, value in arguments.items() if key not in (*first, *several)}
    words = [word for key in several for word in arguments.get(key, ())]
    function(*(arguments[key] for key in first), *words, **rest)


@app.meta.default
def launch(
    *words: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    verbose: Annotated[bool, FLAG, Parameter(group=GENERAL, help="Show debug messages.")] = False,
) -> None:
    """Runs a command, and says on standard error what it does."""
    logging.raiseExceptions = False  # a full disk loses lines of the log, without a traceback
    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.INFO, format="%(message)s", stream=sys.stderr
    )
    keep_memory()
    for noisy in NOISY:
        logging.getLogger(noisy).setLevel(logging.WARNING)
    app(words, exit_on_error=False, print_error=False)


def main(arguments: list[str] | None = None) -> None:
    """Runs one command; exits with 2 and one line where the input is bad."""
    with ending():
        try:
            app.meta(arguments, exit_on_error=False, print_error=False)
        except CycloptsError as error:
            raise InputError(str(error)) from error
