"""The documentation: every link, path, command and setting in it is there."""

import ast
import os
import re
import shlex
import subprocess
import sys
from functools import cache
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from offline import faults

from ssmtl import __version__, config
from ssmtl.stages.settings import DETECTORS
from ssmtl.watching.settings import Detector

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "workflow" / "ssmtl"
PAGES = sorted(
    [path for path in ROOT.glob("*.md") if path.name != "CLAUDE.md"]
    + list((ROOT / "docs").rglob("*.md"))
)
NAMES = [str(path.relative_to(ROOT)) for path in PAGES]
ARCHITECTURE = ROOT / "docs" / "architecture.md"


def without_code(text: str) -> str:
    """A page without its code blocks and code spans."""
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S))


def anchors(path: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and MkDocs make them."""
    headings = re.findall(
        r"^#+ (.*)$", re.sub(r"^```.*?^```", "", path.read_text(), flags=re.M | re.S), re.M
    )
    plain = (re.sub(r"[^\w\s-]", "", heading.lower()).strip() for heading in headings)
    return {re.sub(r"[\s-]+", "-", heading) for heading in plain}


def blocks(path: Path) -> list[tuple[str, str]]:
    """The code blocks of a page: language and text."""
    return re.findall(r"^```([\w-]*)[^\n]*\n(.*?)^```", path.read_text(), flags=re.M | re.S)


@pytest.mark.parametrize("path", PAGES, ids=NAMES)
def test_every_internal_link_leads_somewhere(path):
    broken = []
    for address in re.findall(r"\]\(([^)\s]+)\)", without_code(path.read_text())):
        parts = urlsplit(address)
        if parts.scheme:
            continue
        target = path.parent / unquote(parts.path) if parts.path else path
        if not target.exists() or (
            target.suffix == ".md" and parts.fragment not in {"", *anchors(target)}
        ):
            broken.append(address)
    assert not broken


@pytest.mark.parametrize("path", PAGES, ids=NAMES)
def test_every_path_in_the_text_is_there(path):
    """`stages/cubes.py`, `rules/train.smk`, `tests/...`: below the package, the root or beside."""
    missing = []
    for text in re.findall(r"`([\w./-]+\.(?:py|smk|yaml|toml|j2|md|cfg|names))`", path.read_text()):
        if "/" not in text or text.startswith(
            ("data/", "results/", "/", "tasks/my_", "learning/tasks/my_")
        ):
            continue
        if not any((base / text).exists() for base in (ROOT, PACKAGE, ROOT / "docs")):
            missing.append(text)
    assert not missing


@cache
def help_of(*command: str) -> str:
    """The help of a command of ours; fails where there is no such command."""
    done = subprocess.run(
        [sys.executable, "-m", *command, "--help"],
        env=os.environ | {"COLUMNS": "200", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, (command, done.stderr)
    return done.stdout


def commands(path: Path) -> list[list[str]]:
    """The words of every command line in a page's blocks, continued lines joined."""
    found = []
    for language, text in blocks(path):
        if language in ("", "sh", "bash", "console"):
            for line in re.sub(r"\\\n\s*", " ", text).splitlines():
                if re.match(r"(ssmtl|snakemake|make|python|torchrun|source) ", line):
                    found += [shlex.split(part, comments=True) for part in line.split(" && ")]
    return found


def check_ssmtl(words: list[str]) -> None:
    described = help_of("ssmtl", words[1])
    for word in words[2:]:
        if word.startswith("--"):
            option, _, key = word.split("=")[0].partition(".")
            assert re.search(rf"{re.escape(option)}\b", described), (word, words)
            if option == "--backend-options":
                assert key in DETECTORS.options_class("darknet").model_fields, (word, words)


def check_snakemake(words: list[str], known: set[str]) -> None:
    for word in words:
        if match := re.match(r"results/([\w-]+)/", word):
            assert match[1] in known, (word, sorted(known))
        if word.startswith("workflow/"):
            assert (ROOT / word).exists(), word


def check_command(words: list[str], known: set[str]) -> None:
    """Fails where a line names a command, option, target, data set or file that is not there."""
    if words[0] == "ssmtl":
        check_ssmtl(words)
    elif words[0] == "snakemake":
        check_snakemake(words, known)
    elif words[0] == "make":
        targets = set(re.findall(r"^([\w./$()-]+):", (ROOT / "Makefile").read_text(), re.M))
        targets |= {target.replace("$(BIN)", ".venv/bin") for target in targets}
        assert {word for word in words[1:] if "=" not in word} <= targets, words
    elif words[0] == "python":
        for before, word in pairwise(words):
            if before == "-m" and word not in ("pytest", "pip", "http.server"):
                help_of(word)
            if word.endswith(".py"):
                assert (ROOT / word).exists(), word


def given_names(path: Path) -> set[str]:
    """The data sets of config.yaml, and those that the page's own YAML adds to it."""
    trees = [yaml.safe_load(text) for language, text in blocks(path) if language == "yaml"]
    trees.append(yaml.safe_load((ROOT / "config.yaml").read_text()))
    sections = ("datasets", "image_datasets")
    return {
        n for tree in trees if isinstance(tree, dict) for s in sections for n in tree.get(s) or ()
    }


@pytest.mark.parametrize("path", PAGES, ids=NAMES)
def test_every_command_is_one(path):
    # What the tutorial and the README do before: a data set of that name in the quick start.
    known = given_names(path) | {"yard"}
    for words in commands(path):
        check_command(words, known)


@pytest.mark.parametrize("path", PAGES, ids=NAMES)
def test_every_block_of_yaml_is_a_config_or_a_profile(path):
    whole = yaml.safe_load((ROOT / "config.yaml").read_text())
    for language, text in blocks(path):
        if language != "yaml":
            continue
        tree = yaml.safe_load(text)
        assert isinstance(tree, dict), text
        if not {"executor", "jobs"} & set(tree):  # a profile of Snakemake's is not ours to check
            named = {
                key: (whole.get(key) or {}) | tree[key]
                for key in ("datasets", "models")
                if key in tree
            }
            config.check(whole | tree | named)


@pytest.mark.parametrize("path", PAGES, ids=NAMES)
def test_every_block_of_python_compiles_and_imports_what_is_there(path):
    for language, text in blocks(path):
        if language != "python":
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] == "ssmtl":
                module = PACKAGE.joinpath(*node.module.split(".")[1:])
                assert module.with_suffix(".py").exists() or module.is_dir(), node.module


QUESTIONS = (
    "How is a crop cut?",
    "How is a task added?",
    "Where does smoothing happen?",
    "Which jobs does a new clip cause?",
    "What is in scores.h5?",
    "How does a stream reconnect?",
)


def defined(path: Path) -> set[str]:
    """The functions, classes and constants that a module defines."""
    kinds = (ast.FunctionDef, ast.ClassDef)
    nodes = list(ast.walk(ast.parse(path.read_text())))
    names = {
        target.id
        for n in nodes
        if isinstance(n, ast.Assign | ast.AnnAssign)
        for target in (n.targets if isinstance(n, ast.Assign) else [n.target])
        if isinstance(target, ast.Name)
    }
    return names | {node.name for node in nodes if isinstance(node, kinds)}


def answers() -> dict[str, str]:
    """The rows of the table "Where do I change what": question -> answer."""
    text = ARCHITECTURE.read_text()
    table = text[text.index("## Where do I change what") :].split("\n## ")[0]
    return dict(re.findall(r"^\| ([^|]+\?) \| (.+) \|$", table, re.M))


def test_a_strangers_questions_have_answers():
    assert set(QUESTIONS) <= set(answers())
    for question in QUESTIONS:
        assert re.search(r"`[\w/]+\.(py|smk)`", answers()[question]), question


@pytest.mark.parametrize("question", list(answers()))
def test_what_an_answer_names_is_there(question):
    """Files, and the functions and classes named after a file and a colon."""
    answer = answers()[question]
    files = re.findall(r"`([\w/<>]+(?:\.py|\.smk|/))`", answer)
    assert files
    for name in files:
        if "<" not in name:
            assert any((base / name).exists() for base in (ROOT, PACKAGE)), name
    for name, rest in re.findall(r"`([\w/]+\.py)`: (`[^;.]*)", answer):
        members = re.findall(r"`(\w+)`", rest)
        path = next(base / name for base in (ROOT, PACKAGE) if (base / name).exists())
        assert set(members) & defined(path), (name, members)
        if question in QUESTIONS[:1] + QUESTIONS[2:3]:
            assert set(members) <= defined(path), (name, members)


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 160


def test_six_clips_of_ped2_stand_beside_no_published_figure():
    """Published figures are of all twelve test clips: a row with fewer says so itself."""
    for path in PAGES:
        for table in re.findall(r"(?:^\|.*\n)+", path.read_text(), re.M):
            if re.search(r"published", table, re.I) and "97.5" in table:
                rows = [row for row in table.splitlines() if re.search(r"\b9[78]\.\d\b", row)]
                for row in rows:
                    assert re.search(r"publish|0\.1|twelve|six|01 to 06|full size", row, re.I), row


def test_the_citation_is_complete():
    found = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "title", "authors", "license", "version"} <= set(found)


def test_every_place_states_the_version_of_the_package():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    latest = re.search(r"^## (\S+), (\S+)$", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert citation["version"] == latest[1] == __version__
    assert str(citation["date-released"]) == latest[2]
    pages = "".join(page.read_text() for page in PAGES)
    assert set(re.findall(r"ssmtl-([\d.]+)-py3", pages)) == {__version__}


def test_the_navigation_has_every_page():
    text = (ROOT / "mkdocs.yml").read_text()
    listed = set(re.findall(r": ([\w/-]+\.md)$", text, re.M))
    assert listed == {
        str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md")
    }


def test_faults_of_a_site_are_found(tmp_path):
    (tmp_path / "b.html").write_text("<h1 id=there>b</h1>")
    (tmp_path / "a.html").write_text(
        "<script src='https://cdn.example/x.js'></script><img src='//cdn.example/x.png'>"
        "<link rel=stylesheet href='http://cdn.example/x.css'><a href='https://free.example'>x</a>"
        "<a href='b.html#there'>b</a><a href='b.html#gone'>b</a><a href='c.html'>c</a>"
        "<script src='x.js'></script>"
    )
    (tmp_path / "x.css").write_text("a { background: url('https://cdn.example/y.png') }")
    assert faults(tmp_path) == [
        "a.html: loads https://cdn.example/x.js",
        "a.html: loads //cdn.example/x.png",
        "a.html: loads http://cdn.example/x.css",
        "a.html: b.html#gone: no such anchor",
        "a.html: c.html leads nowhere",
        "x.css: loads https://cdn.example/y.png",
    ]


def test_the_table_of_weights_has_every_checksum():
    source = (ROOT / "workflow/ssmtl/detection/ultralytics.py").read_text()
    known = dict(re.findall(r'"(\S+\.pt)": "([0-9a-f]{64})"', source))
    page = (ROOT / "docs/data.md").read_text()
    assert Detector.parse({}).weights in known  # what learn fetches is checked
    for name, digest in known.items():
        assert f"| `{name}` |" in page and f"`{digest}` |" in page
