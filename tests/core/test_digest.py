"""The digest of code: of what a function uses, definition by definition, as far as it computes."""

import textwrap

import pytest

from ssmtl.core.digest import Package

MODULES = {
    "__init__.py": "pass\n",
    "work.py": """
        from ssmtl import tools
        from ssmtl.core.errors import InputError
        from ssmtl.core.progress import progress
        from ssmtl.tools import halved as half

        SIZE = 3
        OTHER = 4


        def root(items, kind="a"):
            \"\"\"A docstring.\"\"\"
            total = 0
            for item in progress(items, "work", "item"):
                total += tools.doubled(item) + SIZE
            if total < 0:
                close = ", ".join(sorted(items))
                raise InputError(f"{kind}: too little, {half(3)}; take {close}")
            log.info("%d", total)
            return total


        def unused():
            return OTHER


        class Base:
            def score(self):
                return 1

            def loss(self):
                return 2


        class Task(Base):
            pass
    """,
    "tools.py": """
        import math
        from ssmtl.far import inner as handed

        def doubled(x):
            return 2 * x * handed()

        def halved(x):
            return x / 2
    """,
    "far.py": """
        FACTOR = 5

        def inner():
            return FACTOR

        def outer():
            return inner() + 1
    """,
    "settings.py": "class Base:\n    pass\n",
    "core/__init__.py": "",
    "core/errors.py": "class InputError(Exception):\n    pass\n",
    "core/progress.py": "def progress(items, what, unit):\n    yield from items\n",
}


@pytest.fixture
def digest(tmp_path):
    """`digest({file: (old, new)}, root)`: the digest of a small package after edits."""
    root = tmp_path / "ssmtl"

    def written(edits=None, code="ssmtl.work:root", **options) -> str:
        for name, text in MODULES.items():
            text = textwrap.dedent(text)
            for old, new in (edits or {}).get(name, []):
                assert text.count(old) == 1, (old, text.count(old))
                text = text.replace(old, textwrap.dedent(new))
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return Package(root).digest(code, **options)

    return written


SAID = {
    "docstring": ("A docstring.", "Another one."),
    "comment": ("total = 0", "total = 0  # so far"),
    "type": ("(items, kind=", "(items: list[int], kind: str ="),
    "return": ('kind="a"):', 'kind="a") -> int:'),
    "local type": ("total = 0", "total: float = 0"),
    "log": ('"%d", total', '"in all %d of %d", total, len(items)'),
    "no log": ('    log.info("%d", total)\n', ""),
    "log in a branch": ("return total", 'if total > 9:\n        log.debug("x")\n    return total'),
    "error": ("too little", "not enough"),
    "function of an error": ("half(3)", "unused()"),
    "variable of an error": ('", ".join(sorted(items))', '" or ".join(items)'),
    "another variable": ("close = ", 'close = f"{kind}"\n        close = '),
    "progress": ('"work", "item"', '"other work", "thing", total=3'),
    "unused": ("return OTHER", "return OTHER + 1"),
    "unused constant": ("OTHER = 4", "OTHER = 5"),
    "new function": ("def unused", "def new():\n    pass\n\n\ndef unused"),
    "import for types": (
        "SIZE = 3",
        "if TYPE_CHECKING:\n    from ssmtl.far import outer\nSIZE = 3",
    ),
    "cast": ("return total", "return cast(int, total)"),
    "script": ("class Base", 'if __name__ == "__main__":\n    root([])\n\n\nclass Base'),
}
DONE = {
    "arithmetic": ("total = 0", "total = 1"),
    "constant": ("SIZE = 3", "SIZE = 4"),
    "default": ('kind="a"', 'kind="b"'),
    "what is iterated": ("progress(items,", "progress(items[1:],"),
    "condition of an error": ("total < 0", "total < 1"),
    "kind of an error": ("raise InputError(f", "raise ValueError(f"),
    "no error": ("raise InputError(", "print("),
    "a call in place of a log": ("log.info", "print"),
    "an assignment within a log": ('"%d", total', '"%d", total := 3'),
    "another function": ("tools.doubled", "tools.halved"),
    "an effect of importing": ("SIZE = 3", "SIZE = 3\nprint(SIZE)"),
    "a constant that is augmented": ("SIZE = 3", "SIZE = 3\nSIZE += 1"),
    "text that is returned": ("return total", 'return total, "total"'),
    "text of a file": ("return total", 'items.write("total")\n    return total'),
}


@pytest.mark.parametrize("edit", SAID.values(), ids=SAID)
def test_what_is_only_said_does_not_count(digest, edit):
    assert digest({"work.py": [edit]}) == digest()


@pytest.mark.parametrize("edit", DONE.values(), ids=DONE)
def test_what_is_done_counts(digest, edit):
    assert digest({"work.py": [edit]}) != digest()


@pytest.mark.parametrize(
    ("file", "edit", "counts"),
    [
        ("tools.py", ("2 * x", "3 * x"), True),
        ("tools.py", ("x / 2", "x / 3"), False),  # used by a message alone
        ("tools.py", ("import inner as", "import outer as"), True),
        ("tools.py", ("import math", "import math\n\nmath.pi = 3"), True),  # on import
        ("far.py", ("FACTOR = 5", "FACTOR = 6"), True),
        ("far.py", ("inner() + 1", "inner() + 2"), False),
        ("far.py", ("FACTOR = 5", "import random\nrandom.seed(1)\nFACTOR = 5"), True),
        ("core/errors.py", ("(Exception)", "(ValueError)"), False),
        ("core/progress.py", ("yield from items", "yield from list(items)"), False),
        ("__init__.py", ("pass", 'pass\n__version__ = "2"'), False),
    ],
)
def test_what_is_used_elsewhere_counts(digest, file, edit, counts):
    assert (digest({file: [edit]}) != digest()) == counts


def test_the_same_words_may_stand_for_another_function(digest):
    """Nothing but an import is edited, and what is imported is of another package."""
    first = {"work.py": [("SIZE = 3", "from math import floor as near\nSIZE = near(3)")]}
    second = {"work.py": [("SIZE = 3", "from math import ceil as near\nSIZE = near(3)")]}
    assert digest(first) != digest(second)


def test_all_of_a_module_counts_with_what_it_hands_on(digest):
    def changed(file, *edit, code="ssmtl.tools"):
        return digest({file: [edit]}, code=code) != digest(code=code)

    assert changed("tools.py", "x / 2", "x / 3")
    assert changed("far.py", "FACTOR = 5", "FACTOR = 6")
    assert not changed("far.py", "inner() + 1", "inner() + 2")
    assert changed("far.py", "inner() + 1", "inner() + 2", code="ssmtl.far")


def test_a_function_may_be_left_out_below_a_package(digest):
    def changed(old, new, **options):
        edit = {"work.py": [(old, new)]}
        return digest(edit, "ssmtl.work:Task", **options) != digest(
            None, "ssmtl.work:Task", **options
        )

    without = {"without": {"ssmtl.work": "score"}}
    assert changed("return 1", "return 3")  # through the base class
    assert not changed("return 1", "return 3", **without)
    assert changed("return 2", "return 3", **without)
    assert changed("return 1", "return 3", without={"ssmtl.far": "score"})


def test_fields_of_settings_do_not_count_but_what_is_computed_of_them(digest):
    text = """
    class Cut(Settings):
        size: int = Field({size}, description="{words}")

        @field_validator("size")
        def even(cls, value):
            return value

        def half(self):
            return self.size // {part}


    class Base
    """

    def settings(size=4, words="Side.", part=2, file="settings.py"):
        made = textwrap.dedent(text).strip().format(size=size, words=words, part=part)
        code = f"ssmtl.{file.removesuffix('.py')}:Cut"
        return digest({file: [("class Base", made)]}, code)

    assert settings() == settings(size=5) == settings(words="Other.")
    assert settings() != settings(part=3)
    # Options of a task or an encoder do not reach a stage where they are not given.
    assert settings(file="work.py") != settings(file="work.py", size=5)
    assert settings(file="work.py") == settings(file="work.py", words="Other.")


def test_code_that_is_not_there_is_an_error(digest):
    for code in ("ssmtl.work:nothing", "ssmtl.nothing", "numpy"):
        with pytest.raises(LookupError, match=code):
            digest(None, code)
