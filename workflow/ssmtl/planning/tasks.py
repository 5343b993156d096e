"""What the job graph must know of the proxy tasks, read from their files without running them."""

import ast
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "learning" / "tasks"


@cache
def measured(name: str) -> tuple[str, ...]:
    """The rows of features.h5 that a task needs: its class's `measured`, () where it has none.

    Also for a name that is no task, which the stage `train` refuses.
    """
    path = FOLDER / f"{name}.py"
    if not path.is_file():
        return ()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Assign) and node.targets[0].__dict__.get("id") == "measured":
            return ast.literal_eval(node.value)
    return ()
