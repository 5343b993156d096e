"""What a statement does, without what it only says: the ground of the code digest.

Left out are docstrings, annotations, calls of a logger, the texts of exceptions, help texts and
descriptions, and the fields of a section of settings, whose values reach a stage as options.
"""

import ast
import builtins

LOGGERS = {"log", "logger", "logging", "warnings"}
LEVELS = {"debug", "info", "warning", "error", "exception", "critical", "warn"}
SPOKEN = {"help", "description"}  # keywords that only document
SETTINGS = {"Settings", "BaseModel"}
VALIDATORS = {"field_validator", "model_validator"}
EXCEPTIONS = {
    name
    for name, value in vars(builtins).items()
    if isinstance(value, type) and issubclass(value, BaseException)
}
# What may be called for a message's sake: without an effect of its own.
PURE = {"str", "repr", "len", "min", "max", "sum", "round", "sorted", "type", "dict", "list", "set"}
PURE |= {name for name in dir(str) if not name.startswith("_")} - {"replace"}  # of a path, too


class Meaning(ast.NodeTransformer):
    """Takes away, in place, what changes no result.

    names: the full names of what the module's imports bind; silent: modules whose functions only
    speak, with the number of arguments that count; without: functions that do not count; sections:
    whether the module's settings are sections of the configuration.
    """

    def __init__(
        self,
        names: dict[str, list[str]],
        silent: dict[str, int],
        without: tuple[str, ...] = (),
        sections: bool = False,
    ):
        self.names, self.silent, self.without, self.sections = names, silent, without, sections

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        value = node.value
        if isinstance(value, ast.Constant | ast.JoinedStr) or self.is_spoken(value):
            return None
        return self.generic_visit(node)

    def is_spoken(self, node: ast.expr) -> bool:
        """Whether an expression is a call of a logger, which changes nothing else."""
        return (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in LEVELS
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id in LOGGERS
            and not binds(node)
        )

    def visit_If(self, node: ast.If) -> ast.AST | None:
        if dotted(node.test)[-1:] == ("TYPE_CHECKING",):
            return None
        self.generic_visit(node)
        only_spoke = not node.body and not node.orelse and not binds(node.test)
        return None if only_spoke else node

    def visit_Import(self, node: ast.AST) -> None:
        """The names that it binds are followed where they are used."""

    visit_ImportFrom = visit_Import

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        node.cause = None
        if isinstance(node.exc, ast.Call):
            node.exc.args = [arg for arg in node.exc.args if not is_text(arg)]
        return self.generic_visit(node)

    def visit_Assert(self, node: ast.Assert) -> ast.AST:
        node.msg = None
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        called = dotted(node.func)
        if (counting := self.spoken_arguments(called)) is not None:
            node.args, node.keywords = node.args[:counting], []
        elif called[-1:] == ("cast",) and len(node.args) == 2:
            return self.visit(node.args[1])
        elif len(called) == 1 and called[0] in EXCEPTIONS:
            node.args = [arg for arg in node.args if not is_text(arg)]
        node.keywords = [word for word in node.keywords if word.arg not in SPOKEN]
        return self.generic_visit(node)

    def spoken_arguments(self, called: tuple[str, ...]) -> int | None:
        """How many arguments count in a call of what only speaks; None for any other call."""
        for first in self.names.get(called[0], ()) if called else ():
            module = ".".join((first, *called[1:])).rpartition(".")[0]
            if module in self.silent:
                return self.silent[module]
        return None

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        """A value with its name; a field of a class may have a name alone."""
        value = node.value or ast.Constant(...)
        return self.generic_visit(ast.Assign([node.target], value))

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST | None:
        decorators = {dotted(each)[-1:] for each in map(called_name, node.decorator_list)}
        if node.name in self.without or ("overload",) in decorators:
            return None
        node.returns = None
        self.generic_visit(node)
        drop_unread(node)
        return node

    visit_AsyncFunctionDef = visit_FunctionDef  # type: ignore[assignment]

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        if self.sections and any(last_name(base) in SETTINGS for base in node.bases):
            node.body = [part for part in node.body if not is_field(part)]
        return self.generic_visit(node)


def is_field(node: ast.stmt) -> bool:
    """Whether a part of a settings class declares or checks a value."""
    if isinstance(node, ast.FunctionDef):
        decorators = (dotted(called_name(each))[-1:] for each in node.decorator_list)
        return any(name and name[0] in VALIDATORS for name in decorators)
    return isinstance(node, ast.AnnAssign | ast.Assign)


def called_name(node: ast.expr) -> ast.expr:
    return node.func if isinstance(node, ast.Call) else node


def dotted(node: ast.AST) -> tuple[str, ...]:
    """The parts of a name such as `a.b.c`; () for any other expression."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return (node.id, *reversed(parts)) if isinstance(node, ast.Name) else ()


def binds(node: ast.AST) -> bool:
    """Whether an expression does more than look: `:=`, `await` or `yield`."""
    effects = ast.NamedExpr | ast.Await | ast.Yield | ast.YieldFrom
    return any(isinstance(part, effects) for part in ast.walk(node))


def is_text(node: ast.expr) -> bool:
    """Whether an expression is a text written in the code."""
    match node:
        case ast.Constant(value=str()) | ast.JoinedStr():
            return True
        case ast.BinOp(left=left, op=ast.Add() | ast.Mod(), right=right):
            return is_text(left) or is_text(right)
        case ast.IfExp(body=body, orelse=other):
            return is_text(body) and is_text(other)
        case ast.Call(func=ast.Attribute(value=value)):
            return is_text(value)
    return False


def is_pure(node: ast.expr) -> bool:
    """Whether an expression can be left out where nobody reads its value."""
    called = [part.func for part in ast.walk(node) if isinstance(part, ast.Call)]
    return not binds(node) and all(last_name(each) in PURE for each in called)


def last_name(node: ast.expr) -> str:
    """`c` of `a.b().c` and of `c`; "" for any other expression."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def drop_unread(function: ast.FunctionDef) -> None:
    """Takes away local variables that only messages read, which are gone by now."""
    dropped = True
    while dropped:
        read: set[str] = set()
        blocks: list[list[ast.stmt]] = []
        for node in ast.walk(function):
            if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Store):
                read.add(node.id)
            elif isinstance(node, ast.Global | ast.Nonlocal):
                read.update(node.names)
            elif isinstance(node, ast.stmt | ast.ExceptHandler | ast.match_case):
                blocks += blocks_of(node)
        dropped = False
        for block in blocks:
            kept = [node for node in block if not is_unread(node, read)]
            dropped |= len(kept) < len(block)
            block[:] = kept


def blocks_of(node: ast.AST) -> list[list[ast.stmt]]:
    """The lists of statements right within a statement that may bind local variables."""
    if isinstance(node, ast.ClassDef):
        return []
    return [b for name in ("body", "orelse", "finalbody") if (b := getattr(node, name, None))]


def is_unread(node: ast.stmt, read: set[str]) -> bool:
    match node:
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            return name not in read and is_pure(value)
    return False


def canonical(node) -> str:
    """A syntax tree as text: without places and empty fields, the same in every Python."""
    if isinstance(node, list):
        return f"[{','.join(map(canonical, node))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = ((name, getattr(node, name, None)) for name in node._fields if name not in UNTOLD)
    told = (f"{name}={canonical(value)}" for name, value in fields if value is not None)
    return f"{type(node).__name__}({','.join(text for text in told if not text.endswith('=[]'))})"


UNTOLD = {"ctx", "kind", "type_comment", "type_params"}
