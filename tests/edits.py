"""Edits of a copy of the package, by its syntax and not by its text.

An edit is a function of the package's folder.
"""

import ast
from collections.abc import Callable
from pathlib import Path

Edit = Callable[[Path], None]


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


def sections_have_other_defaults(root: Path) -> None:
    """All sections of the configuration; options in a task's own file are its code."""
    found = []
    for path in root.glob("*/settings.py"):
        rewrite(path, lambda tree: found.append(defaults_of_settings(tree)))
    assert sum(found) > 20, "nothing was changed"


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
    path = module_of(root, "stages", "expanded")
    text = "if TYPE_CHECKING:\n    from ssmtl.reporting.plots import save\n"
    path.write_text(path.read_text() + f"\nfrom typing import TYPE_CHECKING\n\n{text}")


def another_import(root: Path) -> None:
    """A function gets what it calls from elsewhere; it reads as before."""
    path = module_of(root, "stages", "expanded")

    def change(tree: ast.Module) -> None:
        insert(function(tree, "expanded"), "floor(1)")
        tree.body[:0] = ast.parse("from math import ceil as floor").body

    rewrite(path, change)


def effect(root: Path) -> None:
    """A module does something when it is imported."""
    path = module_of(root, "media", "decode_image")
    path.write_text(path.read_text() + "\ncv2.setNumThreads(3)\n")
