"""The registry, the rules and the command line know the same stages."""

import ast
import re

import pytest

from ssmtl import config
from ssmtl.cli.program import app
from ssmtl.core.digest import ROOT
from ssmtl.planning.registry import STAGES, TIMED

RULES = {path.name: path.read_text() for path in (ROOT.parents[1] / "rules").glob("*.smk")}
TEXT = "\n".join(RULES.values())


def test_every_stage_has_its_rule_and_every_rule_its_stage():
    assert set(re.findall(r'jobs\.code\("(\w+)"\)', TEXT)) == set(STAGES)
    asked = re.findall(r'jobs\.(?:options|limits|picture_options)\("(\w+)"\)', TEXT)
    assert asked and set(asked) <= set(STAGES)
    for name in set(STAGES) - {"scenes"}:
        assert re.search(rf"^(?:use )?rule (?:\w+ as )?{name}\b", TEXT, re.M), name


def test_every_command_of_a_rule_is_one_of_the_program():
    called = set(re.findall(r"-m ssmtl ([\w-]+)", TEXT))
    assert len(called) > 20 and called <= set(app)


def test_code_settings_and_formats_of_a_stage_are_there():
    for name, stage in STAGES.items():
        for code in stage.code:
            module, function = code.split(":")
            tree = ast.parse((ROOT.parent / f"{module.replace('.', '/')}.py").read_text())
            found = [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == function]
            assert found, code
        assert stage.settings is None or stage.settings in config.SECTIONS, name
        for format_ in stage.writes:
            assert (ROOT / "formats" / f"{format_}.py").is_file(), format_
        assert not stage.template or (ROOT / "reporting/templates" / stage.template).is_file()
    assert all(f"/benchmarks/{name}_" in TEXT for name in TIMED)


def test_a_module_that_is_imported_by_name_is_named_by_settings():
    """An import that the code does not show must be registered, or its edits rerun nothing."""
    named = {code.partition(".{}")[0] for stage in STAGES.values() for code in stage.named.values()}
    found = set()
    for path in ROOT.rglob("*.py"):
        folder = path.relative_to(ROOT).parent
        if "import_module(" in path.read_text() and folder.parts and folder.parts[0] != "cli":
            found.add(".".join(("ssmtl", *folder.parts)))
    assert found == named


UNQUOTED = {"{params.options}", "{params.boxes}", "{params.source}", "{threads}", "{resources.gpu}"}
UNQUOTED |= {"{params.cubes}", "{params.teachers}", "{params.features}"}  # of `flags`, which quotes
UNQUOTED |= {"{params.configured}", "{params.seen}"}  # as well


@pytest.mark.parametrize("name", RULES)
def test_every_value_of_a_shell_line_is_quoted(name):
    for block in re.findall(r"    shell:\n((?: {8}.*\n?)+)", RULES[name]):
        values = re.findall(r"\{[^{}]*\}", block)
        assert values
        bad = [value for value in values if not value.endswith(":q}") and value not in UNQUOTED]
        assert not bad, (name, bad)
