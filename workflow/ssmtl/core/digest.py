"""What a result depends on in this package's code.

Snakemake does not see an edit to an imported module. A digest covers a function and all that it
uses within the package, definition by definition, as far as it can change a result (`meaning.py`).
"""

import ast
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ssmtl.core.meaning import Meaning, canonical, dotted

ROOT = Path(__file__).parents[1]

# Modules that say things to the user or plan jobs, and how many arguments of a call to them count:
# of an error none, of `progress` its items.
SILENT = {"ssmtl.core.errors": 0, "ssmtl.core.progress": 1, "ssmtl.planning.registry": 0}
EFFECTS = "<import>"  # what a module does when it is imported
LEFT_OUT = {"__version__", "__name__", "__file__", "__doc__", "__path__", "__all__"}

Symbol = tuple[str, str]  # a module and a name in it; the name is "" for all of it


@dataclass
class Module:
    """The code of a module by what it defines."""

    definitions: dict[str, list[ast.stmt]] = field(default_factory=dict)
    names: dict[str, list[str]] = field(default_factory=dict)  # what imports bind: full names
    effects: list[ast.stmt] = field(default_factory=list)


class Package:
    """The source of a package; `digest` is what results depend on."""

    def __init__(self, root: Path = ROOT):
        self.root = root
        self.modules: dict[tuple[str, tuple[str, ...]], Module | None] = {}
        self.paths: dict[str, Path | None] = {}
        self.meanings: dict[tuple[Symbol, tuple[str, ...]], tuple[str, set[Symbol]]] = {}

    def digest(self, *roots: str, without: dict[str, str] | None = None) -> str:
        """A hash of the code that `roots` use, `package.module:function` or whole modules.

        without: a function that does not count, by the package below which it does not.
        Raises LookupError for a root that is not there.
        """
        state = hashlib.sha256()
        for (module, name), text in sorted(self.reached(roots, without or {}).items()):
            if text:
                state.update(f"{module}:{name}\n{text}\n".encode())
        return state.hexdigest()[:16]

    def reached(self, roots: tuple[str, ...], without: dict[str, str]) -> dict[Symbol, str]:
        """All symbols that some code uses, with their meanings."""
        waiting: list[Symbol] = []
        for root in roots:
            module, _, name = root.partition(":")
            found = self.module(module)
            if found is None or (name and name not in found.definitions):
                raise LookupError(f"{root}: no such code in {self.root}")
            waiting.append((module, name))
        seen: dict[Symbol, str] = {}
        while waiting:
            symbol = waiting.pop()
            if symbol in seen or symbol[0] in SILENT:
                continue
            left_out = tuple(name for at, name in without.items() if symbol[0].startswith(at))
            seen[symbol], used = self.meaning(symbol, left_out)
            waiting += used
        return seen

    def meaning(self, symbol: Symbol, without: tuple[str, ...]) -> tuple[str, set[Symbol]]:
        """What a symbol does, and the symbols that it uses itself."""
        if (symbol, without) not in self.meanings:
            self.meanings[symbol, without] = self.meant(symbol, without)
        return self.meanings[symbol, without]

    def meant(self, symbol: Symbol, without: tuple[str, ...]) -> tuple[str, set[Symbol]]:
        module, name = symbol
        code = self.module(module, without)
        if code is None:
            return "", set()
        used: set[Symbol] = {(module, EFFECTS)}
        if name == EFFECTS:
            statements = code.effects
            used |= {(each, EFFECTS) for each in self.imported(module, code)}
        elif not name:
            handed_on = (self.found(full) for bound in code.names.values() for full in bound)
            used |= {(module, each) for each in code.definitions}
            return "", used.union(*({s for s in symbols if s[1]} for symbols in handed_on))
        else:
            statements = code.definitions.get(name, [])
        # Options of a task or an encoder stand in its own file, and count with their defaults.
        sections = module.rpartition(".")[2] == "settings"
        meaning = Meaning(code.names, SILENT, without, sections)
        statements = [left for node in statements if (left := meaning.visit(node)) is not None]
        bound = set()
        for chain in {each for node in statements for each in chains(node)}:
            if chain[0] in code.definitions:
                used.add((module, chain[0]))
            elif chain[-1] not in LEFT_OUT:
                for first in code.names.get(chain[0], ()):
                    full = ".".join((first, *chain[1:]))
                    used |= self.found(full)
                    bound.add(f"{'.'.join(chain)}={full}")
        text = canonical(statements) if statements else ""
        return "\n".join([text, *sorted(bound)]), used

    def imported(self, module: str, code: Module) -> set[str]:
        """The modules of the package that are imported with a module."""
        parents = module.split(".")[:-1]
        above = {".".join(parents[: count + 1]) for count in range(len(parents))}
        named = {self.split(full)[0] for bound in code.names.values() for full in bound}
        return (above | named) - {""}

    def found(self, full: str) -> set[Symbol]:
        """The symbol of a full name, through the modules that hand it on."""
        module, rest = self.split(full)
        code = self.module(module) if module else None
        if code is None:
            return set()
        if not rest:
            return {(module, "")}
        name = rest[0]
        if name in code.names and name not in code.definitions:
            handed = (".".join((full, *rest[1:])) for full in code.names[name])
            return {(module, EFFECTS)}.union(*map(self.found, handed))
        # A name that is made at run time may come from anywhere in the module.
        return {(module, name if name in code.definitions else "")}

    def split(self, full: str) -> tuple[str, tuple[str, ...]]:
        """The longest module in a full name, "" if it is of another package, and what follows."""
        parts = full.split(".")
        for count in range(len(parts), 0, -1):
            if self.path(name := ".".join(parts[:count])):
                return name, tuple(parts[count:])
        return "", tuple(parts)

    def path(self, module: str) -> Path | None:
        """The file of a module of this package, None for anything else."""
        if module not in self.paths:
            first, *parts = module.split(".")
            base = self.root.joinpath(*parts)
            files = (base / "__init__.py", base.with_suffix(".py")) if first == "ssmtl" else ()
            self.paths[module] = next((file for file in files if file.is_file()), None)
        return self.paths[module]

    def module(self, name: str, without: tuple[str, ...] = ()) -> Module | None:
        """A module's code, None for a module of another package."""
        if (name, without) not in self.modules:
            path = self.path(name)
            self.modules[name, without] = parsed(path.read_text("utf-8")) if path else None
        return self.modules[name, without]


def parsed(text: str) -> Module:
    """The code of a module, by what it defines."""
    tree = ast.parse(text)
    module = Module()
    for each, full in imports(tree):
        module.names.setdefault(each, []).append(full)
    for node in tree.body:
        names = defined(node)
        for each in names:
            module.definitions.setdefault(each, []).append(node)
        if not names and not is_silent(node):
            module.effects.append(node)
    for each in LEFT_OUT:
        module.definitions.pop(each, None)
    return module


def imports(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """The names that imports bind anywhere in a module, each with the full name of its object."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                first = alias.name.partition(".")[0]
                yield (alias.asname, alias.name) if alias.asname else (first, first)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                yield alias.asname or alias.name, f"{node.module}.{alias.name}"


def defined(node: ast.stmt) -> list[str]:
    """The names that a statement of a module defines and does nothing beside."""
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.Assign(targets=targets):
            parts = [p for t in targets for p in (t.elts if isinstance(t, ast.Tuple) else [t])]
            names = [part.id for part in parts if isinstance(part, ast.Name)]
            return names if len(names) == len(parts) else []
        case ast.AugAssign(target=ast.Name(id=name)) | ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
    return []


def is_silent(node: ast.stmt) -> bool:
    """Whether importing a module does nothing with a statement: imports are followed by name."""
    if isinstance(node, ast.If):
        return "__main__" in ast.dump(node.test)
    text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return text or isinstance(node, ast.Import | ast.ImportFrom)


def chains(node: ast.AST) -> Iterator[tuple[str, ...]]:
    """The names used in a syntax tree, with the attributes that follow them."""
    if chain := dotted(node):
        yield chain
        return
    for child in ast.iter_child_nodes(node):
        yield from chains(child)
