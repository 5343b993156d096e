"""What an edit makes run again: a table of edits of the package, and the stages they touch."""

import shutil
from pathlib import Path

import pytest
from edits import (
    TEXTS_OF_ERRORS,
    TEXTS_OF_LOGS,
    Edit,
    annotations,
    another_import,
    appended,
    computes,
    constant,
    docstrings,
    edited,
    effect,
    everywhere,
    imported_for_types,
    logging_lines,
    prepended,
    reworded,
    sections_have_other_defaults,
    within,
)

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
PAGES |= {"summary", "videos", "watcher", "history", "explain"}
PIPELINE = set(STAGES) - PAGES
SCORING = {"calibrate", "score", "score_frames"}
LEARNT = {"train", *SCORING}
# Who writes and who reads them
FRAMES = {"frames", "detect", "cubes", "teachers", "features", "score_frames"}


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
        ),
        NOTHING,
    ),
    ("a comment", appended("core/store.py", "\n# a comment\n"), NOTHING),
    ("a docstring", edited("stages", "expanded", reworded), NOTHING),
    ("texts of logs", within("stages", "build_manifest", TEXTS_OF_LOGS), NOTHING),
    ("new lines of logs", within("stages", "make_cubes", logging_lines), NOTHING),
    ("texts of errors", within("stages", "extract_frames", TEXTS_OF_ERRORS), NOTHING),
    ("types", within("core", "write_rows", annotations), NOTHING),
    ("defaults of settings", sections_have_other_defaults, NOTHING),
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
    ("boxes that are cropped", computes("stages", "expanded"), {"cubes", "score_frames"}),
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
    ("the times of motion", computes("media", "steps"), {"features", "score_frames"}),
    ("motion per usual step", computes("media", "factor"), {"score", "score_frames"}),
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
