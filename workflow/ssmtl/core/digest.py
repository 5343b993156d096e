"""What the results of a stage depend on in this package's code.

Snakemake does not see an edit to an imported module. The digest covers the stage's module and
all it imports from the package, with docstrings and comments left out.
"""

import ast
import hashlib
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]

# Modules that say things to the user and change no result.
SILENT = {"ssmtl.core.progress", "ssmtl.core.errors"}


def module_path(name: str) -> Path | None:
    """The file of a module of this package, None for anything else."""
    if name.split(".")[0] != "ssmtl":
        return None
    path = ROOT.joinpath(*name.split(".")[1:])
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


@cache
def parsed(path: Path, without: tuple[str, ...] = ()) -> tuple[str, tuple[str, ...]]:
    """A module's code without docstrings and the functions named, and the modules it imports."""
    tree = ast.parse(path.read_text())
    imports = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imports += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            # `from a import b` may name a module b or something in a.
            imports += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            node.body = [
                part
                for part in node.body
                if not is_docstring(part)
                and not (isinstance(part, ast.FunctionDef) and part.name in without)
            ]
    return ast.dump(tree), tuple(imports)


def is_docstring(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def code_digest(*modules: str, without: tuple[str, ...] = ()) -> str:
    """A hash of modules such as `ssmtl.stages.cubes` and of what they import within the package.

    `without` names functions of the proxy tasks that do not count: training does not depend on
    how a task scores.
    """
    waiting, seen = list(modules), {}
    while waiting:
        name = waiting.pop()
        path = module_path(name)
        if path is None or path in seen or name in SILENT:
            continue
        in_task = path.parent == ROOT / "learning" / "tasks"
        code, imports = parsed(path, without if in_task else ())
        seen[path] = code
        waiting += imports
    state = hashlib.sha256()
    for path in sorted(seen):
        state.update(f"{path.relative_to(ROOT)}\n{seen[path]}\n".encode())
    return state.hexdigest()[:16]


def stage_code(stage: str, settings: dict) -> str:
    """The digest of a stage's code, with what its settings name: detector, encoder and tasks."""
    named = [f"ssmtl.learning.tasks.{name}" for name in settings.get("tasks", ())]
    for folder, key in (("detection", "backend"), ("learning.encoders", "encoder")):
        if settings.get(key):
            named.append(f"ssmtl.{folder}.{settings[key]}")
    without = ("score",) if stage == "train" else ()
    code = code_digest(MODULES[stage], *named, without=without)
    if stage in PAGES:
        templates = (ROOT / "reporting" / "templates" / name for name in PAGES[stage])
        code += hashlib.sha256(b"".join(path.read_bytes() for path in templates)).hexdigest()[:8]
    return code


# The templates, which no import shows, of the stages that fill some.
PAGES = {
    "report": ("template.html.j2", "style.css.j2", "report.css.j2", "report.js.j2"),
    "summary": ("summary.html.j2", "style.css.j2"),
    "ablation": ("ablation.html.j2", "style.css.j2"),
    "sensitivity_page": ("sensitivity.html.j2", "style.css.j2"),
    "protocol": ("protocol.html.j2", "style.css.j2"),
    "release": ("model_card.md.j2",),
}

MODULES = {
    "images": "ssmtl.stages.images",
    "scenes": "ssmtl.demo.dataset",
    "manifest": "ssmtl.stages.manifest",
    "frames": "ssmtl.stages.frames",
    "detect": "ssmtl.stages.detect",
    "cubes": "ssmtl.stages.cubes",
    "teachers": "ssmtl.stages.teachers",
    "train": "ssmtl.learning.training",
    "score": "ssmtl.scoring.stage",
    "evaluate": "ssmtl.evaluation.evaluate",
    "videos": "ssmtl.reporting.annotated_videos",
    "watcher": "ssmtl.watching.folder",
    "watch": "ssmtl.watching.watch",
    "release": "ssmtl.reporting.model_card",
    "report": "ssmtl.reporting.pages.report",
    "figures": "ssmtl.reporting.paper_figures",
    "summary": "ssmtl.reporting.pages.summary",
    "ablation": "ssmtl.reporting.pages.ablation",
    "sensitivity": "ssmtl.evaluation.sensitivity",
    "sensitivity_page": "ssmtl.reporting.pages.sensitivity",
    "pixel_baseline": "ssmtl.scoring.pixel_baselines",
    "protocol": "ssmtl.reporting.pages.protocol",
}
