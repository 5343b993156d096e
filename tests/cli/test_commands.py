"""The command line: what help says, how long it takes, and one line where something is wrong."""

import inspect
import resource
import subprocess
import sys
from typing import Annotated, get_args, get_origin

import pytest

from ssmtl import cli, config
from ssmtl.cli import program
from ssmtl.core.errors import InputError
from ssmtl.core.settings import Settings

HEAVY = ("torch", "numpy", "h5py", "pandas", "cv2", "av", "snakemake", "matplotlib", "yaml")


def commands() -> dict:
    """The functions of all commands, by name."""
    names = [name for name in cli.app if not name.startswith("-")]
    return {name: cli.app[name].default_command for name in names}


def said(words: list[str], capsys) -> str:
    """What a call prints, without line breaks and frames."""
    cli.main(words)
    return " ".join(word for word in capsys.readouterr().out.split() if word != "│")


def wrong(words: list[str], capsys) -> str:
    """The one line of a call that is refused."""
    with pytest.raises(SystemExit) as stop:
        cli.main(words)
    text = capsys.readouterr().err
    assert stop.value.code == 2
    assert text.startswith("error: ") and text.count("\n") == 1
    return text


def test_help_takes_less_than_half_a_second_and_imports_nothing_heavy():
    code = f"""
import sys
from ssmtl.cli import main
try:
    main(sys.argv[1:])
except SystemExit:
    pass
heavy = [name for name in {HEAVY} if name in sys.modules]
assert not heavy, heavy
asked = sys.argv[1].startswith("-")
assert not asked or "pydantic" not in sys.modules, "settings of commands that nobody asked for"
"""
    for words in (["--help"], ["train", "--help"], ["watch", "--help"], ["--version"]):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert done.returncode == 0, done.stderr
        # Processor time, twice the bound: the tests run beside each other.
        assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1


def test_groups_stand_in_order_and_hold_every_command(capsys):
    text = said(["--help"], capsys)
    groups = (
        "Watch cameras",
        "Run the pipeline",
        "Stages of the pipeline",
        "Results",
        "Data and settings",
    )
    places = [text.index(group) for group in groups]
    assert places == sorted(places)
    for name in commands():
        assert f" {name} " in text
    assert text.index("learn") < text.index(" detect ") < text.index(" train ")


@pytest.mark.parametrize("name", commands())
def test_every_command_and_option_says_what_it_is(name):
    run = commands()[name]
    assert inspect.getdoc(run).strip().split("\n")[0].endswith(".")
    for argument in cli.app[name].assemble_argument_collection(parse_docstring=True):
        if argument.children:
            continue
        assert argument.parameter.help and argument.parameter.help.endswith("."), argument.name


@pytest.mark.parametrize("stage", ["detect", "cubes", "train", "score", "evaluate", "watch"])
def test_help_holds_every_key_with_its_description_and_default(stage, capsys):
    text = said([stage, "--help"], capsys).replace("- ", "-")
    for name, field in config.SECTIONS[stage].model_fields.items():
        assert f"--{name.replace('_', '-')}" in text
        words = field.description.replace("- ", "-").split()
        assert all(word in text for word in words if len(word) < 30), name


def plain(annotation):
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


@pytest.mark.parametrize("name", commands())
def test_a_command_has_the_options_and_defaults_of_what_it_calls(name):
    """A thing has one default: where both say one, it is the same."""
    run = commands()[name]
    if not (target := run.calls):
        return
    ours = inspect.signature(run.__wrapped__).parameters
    theirs = dict(inspect.signature(program.imported(target)).parameters)
    theirs.pop("code", None)
    assert set(ours) == set(theirs)
    for key, parameter in theirs.items():
        if parameter.default is not inspect.Parameter.empty:
            assert (ours[key].default or None) == (parameter.default or None), key


def test_settings_are_the_only_home_of_their_defaults():
    for name, run in commands().items():
        sections = [
            p.annotation
            for p in inspect.signature(run.__wrapped__).parameters.values()
            if isinstance(p.annotation, type) and issubclass(p.annotation, Settings)
        ]
        options = inspect.signature(run).parameters
        for section in sections[:1]:
            for key, field in section.model_fields.items():
                default = field.get_default(call_default_factory=True, validated_data={})
                assert options[key].default == default, (name, key)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["frames", "o", "--manifest", "m", "--split", "test", "--qualty", "9"], "--qualty"),
        (["detct"], 'Unknown command "detct". Did you mean "detect"?'),
        (["detect", "o"], "--frames"),
        (["detect"], "OUTPUT"),
        (["cubes", "o", "--frames", "f", "--detections", "d", "--split", "tset"], '"tset"'),
        (["detect", "o", "--frames", "f", "--confidence", "2"], "detect.confidence: 2 is greater"),
        (["detect", "o", "--frames", "f", "--batch", "many"], "'many' is not a whole number"),
        (["train", "o", "--cubes", "c", "--batch", "16.5"], "16.5 is not a whole number"),
        (["evaluate", "o", "t", "--manifest", "m", "--scores", "s", "--dataset", "d",
          "--filter-size", "4"], "evaluate.filter_size: 4 must be odd"),
        (["report", "o", "--dataset", "d", "--config", "{"], "--config: no readable JSON"),
        (["score", "o", "--model", "m", "--cubes", "c", "--teachers", "a", "b"], "--teachers"),
        (["score", "o", "--model", "m", "--cubes", "c", "--fusion", "ecdf"], "--calibration"),
        (["score", "o", "--model", "m", "--cubes", "c", "--frames", "f"], "--frames"),
        (["manifest", "o", "--dataset", "d", "--reader", "uscd", "--path", "p"], "'uscd'"),
    ],
)  # fmt: skip
def test_mistakes_end_with_one_line_and_status_2(words, message, capsys):
    assert message in wrong(words, capsys)


def test_options_without_a_file_are_as_good_as_none(monkeypatch):
    """Rules give `--calibration` and `--teachers` without a value where there is none."""
    words = [
        "score",
        "o",
        "--model",
        "m",
        "--calibration",
        "--cubes",
        "c",
        "--teachers",
        "--fusion",
        "mean",
    ]
    _, bound, _ = cli.app.parse_args(words, exit_on_error=False, print_error=False)
    assert not bound.arguments["calibration"] and not bound.arguments["teachers"]
    words = ["train", "o", "--cubes", "a", "b", "--teachers", "--groups", "3", "5", "--seed", "2"]
    _, bound, _ = cli.app.parse_args(words, exit_on_error=False, print_error=False)
    assert list(map(str, bound.arguments["cubes"])) == ["a", "b"]
    assert not bound.arguments["teachers"] and bound.arguments["groups"] == ["3", "5"]


def test_input_errors_of_a_stage_are_one_line(monkeypatch, capsys):
    def fail(*_):
        raise InputError("clips/07.avi: broken,\nfetch it again")

    monkeypatch.setattr(program, "imported", fail)
    assert "07.avi: broken, fetch it again" in wrong(
        ["use-released", "o", "--released", "r"], capsys
    )


def test_verbose_stands_before_or_behind_the_command(capsys):
    import logging

    for words in (["--verbose", "settings"], ["settings", "--verbose"]):
        logging.getLogger().handlers.clear()
        cli.main(words)
        assert logging.getLogger().level == logging.DEBUG
        logging.getLogger().handlers.clear()
        logging.getLogger().setLevel(logging.WARNING)
    assert "# Settings" in capsys.readouterr().out
