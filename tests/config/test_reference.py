"""The reference page is made from the classes, and up to date."""

from pathlib import Path

from ssmtl.config.reference import reference
from ssmtl.config.sections import SECTIONS

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"


def test_the_page_is_up_to_date():
    assert PAGE.read_text() == reference(), "make it anew: ssmtl settings docs/settings.md"


def test_the_page_has_every_key_with_limits_and_default():
    text = reference()
    for name, section in SECTIONS.items():
        part = text.split(f"## `{name}`")[1].split("\n## ")[0]
        for key in section.model_fields:
            assert f"| `{key}` |" in part
    assert "| `size` | whole number, at least 8 | `64` |" in text
    assert "| `momentum` | number, at least 0, below 1 | `0.9` |" in text
    assert '| `storage` | `raw`, `lzf`, `gzip`, `jpeg` | `"raw"` |' in text
