"""What an edit makes run again: a table of edits of the package, and the stages they touch."""

import ast
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ssmtl.core.digest import ROOT, Package
from ssmtl.planning.code import stage_code
from ssmtl.planning.registry import STAGES

SECTIONS = {
    "train": {"tasks": ["arrow_of_time", "middle_box"], "encoder": "cnn3d"},
    "detect": {"backend": "darknet"},
    "teachers": {"backend": "darknet"},
    "dataset": {"reader": "videos"},
    "image_dataset": {"reader": "image_folder"},
}

# These read what the others made, and share code with them.
PAGES = {"ablation", "figures", "protocol", "release", "report", "sensitivity", "sensitivity_page"}
PAGES |= {"summary", "videos", "watcher", "history"}
PIPELINE = set(STAGES) - PAGES
SCORING = {"calibrate", "score", "score_frames"}
LEARNT = {"train", *SCORING}
FRAMES = {"frames", "detect", "cubes", "teachers", "score_frames"}  # who writes and who reads them

Edit = Callable[[Path], None]


def codes(package: Package) -> dict[str, str]:
    return {stage: stage_code(stage, SECTIONS, package) for stage in STAGES}


@pytest.fixture(scope="module")
def unedited() -> Package:
    return Package()


@pytest.fixture(scope="module")
def before(unedited) -> dict[str, str]:
    return codes(unedited)


@pytest.fixture
def root(tmp_path) -> Path:
    """A copy of the package, to edit."""
    root = tmp_path / "ssmtl"
    shutil.copytree(ROOT, root, ignore=shutil.ignore_patterns("__pycache__"))
    return root


def copy_of(unedited: Package, root: Path) -> Package:
    """The edited package; what is known of the modules that are as they were is taken over."""
    package = Package(root)
    paths = {path.relative_to(root) for path in root.rglob("*.py")}
    same = {path for path in paths if (ROOT / path).read_bytes() == (root / path).read_bytes()}
    names = {name_of(path) for path in same}
    package.modules |= {key: code for key, code in unedited.modules.items() if key[0] in names}
    package.meanings |= {
        key: meaning for key, meaning in unedited.meanings.items() if key[0][0] in names
    }
    return package


def name_of(path: Path) -> str:
    parts = ("ssmtl", *path.with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


# ---------------------------------------------------------------- edits, by syntax and not by text


def rewrite(path: Path, change: Callable[[ast.Module], None]) -> None:
    """Writes a module anew from its changed syntax tree: the layout changes, and comments go."""
    tree = ast.parse(path.read_text())
    change(tree)
    path.write_text(ast.unparse(ast.fix_missing_locations(tree)))


def function(tree: ast.AST, name: str) -> ast.FunctionDef | ast.ClassDef:
    """A function, method (`Class.method`) or class by its name."""
    for part in name.split("."):
        kinds = ast.FunctionDef | ast.ClassDef
        (tree,) = (n for n in ast.walk(tree) if isinstance(n, kinds) and n.name == part)
    return tree


def module_of(root: Path, folder: str, name: str) -> Path:
    """The module below a folder that defines a name; there must be one."""
    first = name.partition(".")[0]
    texts = {path: path.read_text() for path in (root / folder).rglob("*.py")}
    found = [path for path, text in texts.items() if defines(ast.parse(text), first)]
    assert len(found) == 1, f"{name} is in {found}"
    return found[0]


def defines(tree: ast.Module, name: str) -> bool:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == name:
            return True
        if isinstance(node, ast.Assign) and any(ast.unparse(t) == name for t in node.targets):
            return True
    return False


def edited(folder: str, name: str, change: Callable[[ast.AST], None]) -> Edit:
    """An edit of what is called `name` in a module below a folder."""

    def edit(root: Path) -> None:
        rewrite(module_of(root, folder, name), lambda tree: change(function(tree, name)))

    return edit


def computes(folder: str, name: str) -> Edit:
    """A function computes something else: it has one more statement."""
    return edited(folder, name, lambda node: insert(node, "print()"))


def insert(node: ast.FunctionDef | ast.ClassDef, *statements: str) -> None:
    """Puts statements behind the docstring."""
    start = 1 if ast.get_docstring(node) is not None else 0
    node.body[start:start] = [part for text in statements for part in ast.parse(text).body]


def constant(folder: str, name: str, value: str) -> Edit:
    """A constant of a module has another value."""

    def change(tree: ast.Module) -> None:
        (node,) = (
            n
            for n in tree.body
            if isinstance(n, ast.Assign) and [ast.unparse(t) for t in n.targets] == [name]
        )
        assert ast.unparse(node.value) != value
        node.value = ast.parse(value, mode="eval").body

    return lambda root: rewrite(module_of(root, folder, name), change)


def everywhere(*changes: Callable[[ast.Module], int]) -> Edit:
    """Changes of every module of the package, each of which must find something to change."""

    def edit(root: Path) -> None:
        found = [0] * len(changes)

        def change(tree: ast.Module) -> None:
            for place, each in enumerate(changes):
                found[place] += each(tree)

        for path in root.rglob("*.py"):
            rewrite(path, change)
        assert min(found) > 20, f"{found}: nothing was changed"

    return edit


def within(folder: str, name: str, change: Callable[[ast.Module], int]) -> Edit:
    """A change of the module that defines a name."""

    def counted(tree: ast.Module) -> None:
        assert change(tree) > 0, "nothing was changed"

    return lambda root: rewrite(module_of(root, folder, name), counted)


def texts_within(kinds: tuple, *wanted: Callable[[ast.AST], bool]) -> Callable[[ast.Module], int]:
    """Rewords every text in the nodes of some kinds that look as wanted."""

    def change(tree: ast.Module) -> int:
        nodes = [n for n in ast.walk(tree) if isinstance(n, kinds) and all(w(n) for w in wanted)]
        constants = [
            c
            for node in nodes
            for c in ast.walk(node)
            if isinstance(c, ast.Constant) and isinstance(c.value, str)
        ]
        for each in constants:
            each.value += " in other words"
        return len(constants)

    return change


def is_log(node: ast.Call) -> bool:
    return ast.unparse(node.func).startswith("log.")


def is_input_error(node: ast.Call) -> bool:
    return ast.unparse(node.func) == "InputError"


TEXTS_OF_LOGS = texts_within((ast.Call,), is_log)
TEXTS_OF_ERRORS = texts_within((ast.Call,), is_input_error)


def reworded(node: ast.FunctionDef) -> None:
    assert ast.get_docstring(node)
    node.body[0].value.value = "Other words."


def docstrings(tree: ast.Module) -> int:
    kinds = ast.Module | ast.FunctionDef | ast.ClassDef
    found = [n for n in ast.walk(tree) if isinstance(n, kinds) and ast.get_docstring(n)]
    for node in found:
        reworded(node)
    return len(found)


def annotations(tree: ast.Module) -> int:
    """Every annotation of a function changes."""
    found = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)]
    for node in found:
        node.returns = OTHER
        for each in node.args.args + node.args.kwonlyargs:
            each.annotation = OTHER
    return len(found)


OTHER = ast.Name("Other", ast.Load())


def logging_lines(tree: ast.Module) -> int:
    """Every function that knows a logger says something more, also in a branch of its own."""
    if not defines(tree, "log"):
        return 0
    found = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)]
    for node in found:
        insert(node, "log.info('%s', len('x'))", "if 1 > 2:\n    log.warning('how odd')")
    return len(found)


def defaults_of_settings(tree: ast.Module) -> int:
    """Every setting gets another default and description."""
    classes = [n for n in ast.walk(tree) if isinstance(n, ast.ClassDef)]
    classes = [n for n in classes if [ast.unparse(b) for b in n.bases] == ["Settings"]]
    fields = [f for n in classes for f in n.body if isinstance(f, ast.AnnAssign) and f.value]
    for field in fields:
        field.value = ast.parse("Field(None, description='Other.')", mode="eval").body
    return len(fields)


def appended(name: str, text: str) -> Edit:
    def edit(root: Path) -> None:
        path = root / name
        path.write_text(path.read_text() + text)

    return edit


def prepended(name: str, text: str) -> Edit:
    def edit(root: Path) -> None:
        path = root / name
        path.write_text(text + path.read_text())

    return edit


def imported_for_types(root: Path) -> None:
    path = module_of(root, "stages", "crop")
    text = "if TYPE_CHECKING:\n    from ssmtl.reporting.plots import save\n"
    path.write_text(path.read_text() + f"\nfrom typing import TYPE_CHECKING\n\n{text}")


def another_import(root: Path) -> None:
    """A function gets what it calls from elsewhere; it reads as before."""
    path = module_of(root, "stages", "crop")

    def change(tree: ast.Module) -> None:
        insert(function(tree, "crop"), "floor(1)")
        tree.body[:0] = ast.parse("from math import ceil as floor").body

    rewrite(path, change)


def effect(root: Path) -> None:
    """A module does something when it is imported."""
    path = module_of(root, "media", "decode_image")
    path.write_text(path.read_text() + "\ncv2.setNumThreads(3)\n")


NOTHING: set[str] = set()

EDITS: list[tuple[str, Edit, set[str]]] = [
    # What is only said
    (
        "everything that is only said",
        everywhere(
            lambda tree: 1,  # the layout alone
            docstrings,
            TEXTS_OF_LOGS,
            TEXTS_OF_ERRORS,
            annotations,
            logging_lines,
            defaults_of_settings,
        ),
        NOTHING,
    ),
    ("a comment", appended("core/store.py", "\n# a comment\n"), NOTHING),
    ("a docstring", edited("stages", "crop", reworded), NOTHING),
    ("texts of logs", within("stages", "build_manifest", TEXTS_OF_LOGS), NOTHING),
    ("new lines of logs", within("stages", "make_cubes", logging_lines), NOTHING),
    ("texts of errors", within("stages", "extract_frames", TEXTS_OF_ERRORS), NOTHING),
    ("types", within("core", "write_rows", annotations), NOTHING),
    ("defaults of settings", within("stages", "Detect", defaults_of_settings), NOTHING),
    ("an import for types", imported_for_types, NOTHING),
    ("words that only errors use", constant("datasets", "AGAIN", "'do it again'"), NOTHING),
    ("progress", computes("core", "progress_text"), NOTHING),
    ("errors", computes("core", "InputError"), NOTHING),
    ("the version", appended("__init__.py", "\n__version__ = '9.9'\n"), NOTHING),
    ("limits of jobs", constant("planning", "TIMED", "()"), NOTHING),
    ("planning", computes("planning", "stage_code"), NOTHING),
    ("help", appended("cli/__init__.py", "\nHELP = 'other'\n"), NOTHING),
    (
        "a comment in a template",
        prepended("reporting/templates/template.html.j2", "{# - #}"),
        NOTHING,
    ),
    # What changes results
    ("cropping", computes("stages", "crop"), {"cubes", "score_frames"}),
    ("an import", another_import, {"cubes", "score_frames"}),
    ("learning", computes("learning", "total_steps"), {"train"}),
    ("the encoder", computes("learning/encoders", "CNN3D"), LEARNT),
    ("metrics", computes("evaluation/metrics", "micro"), {"evaluate"}),
    ("how a task scores", computes("learning/tasks", "MiddleBox.score"), SCORING),
    ("how a task learns", computes("learning/tasks", "MiddleBox.loss"), LEARNT),
    ("an unused detector", computes("detection", "UltralyticsDetector"), NOTHING),
    ("an unused task", computes("learning/tasks", "Jigsaw"), NOTHING),
    (
        "the detector",
        computes("detection", "DarknetDetector"),
        {"detect", "teachers", "score_frames"},
    ),
    ("suffixes of masks", constant("datasets", "MASK_SUFFIXES", "()"), {"manifest", "evaluate"}),
    ("labels", computes("datasets", "from_mat"), {"manifest"}),
    ("tracks", computes("datasets", "region"), {"evaluate"}),
    ("decoding of video", computes("media", "video_frames"), {"clips", "manifest", "frames"}),
    ("fusion", computes("scoring", "combine"), SCORING),
    ("held-out clips", computes("learning", "held_out"), {"train", "calibrate"}),
    ("the format of frames", computes("formats", "Frames.__len__"), FRAMES),
    ("quality of cubes", constant("formats", "QUALITY", "80"), {"cubes"}),
    ("the demo", computes("demo", "render_clip"), {"scenes"}),
    ("pictures", computes("stages", "cropped"), {"images"}),
    ("an effect of an import", effect, PIPELINE - {"images"}),
]


@pytest.mark.parametrize(("edit", "stages"), [row[1:] for row in EDITS], ids=[r[0] for r in EDITS])
def test_an_edit_touches_these_stages(root, unedited, before, edit, stages):
    edit(root)
    after = codes(copy_of(unedited, root))
    changed = {stage for stage in STAGES if after[stage] != before[stage]}
    assert (changed if stages == NOTHING else changed - PAGES) == stages
