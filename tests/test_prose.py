"""Phrases that `docs/style.md` keeps out of what people read."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")),
    *(page for page in sorted((ROOT / "docs").glob("*.md")) if page.name != "style.md"),
]
INTERNAL = re.compile(
    r"\b(the issue|issue \d+|this session|the goal allows|asked for by)\b", re.IGNORECASE
)
"""Talk of how this came to be."""
RIDDLES = re.compile(
    r"\b((?<!there )is no (file|folder|model|device|repository|command|range|reference)\b"
    r"|all that there is|stands already|case not respected|which files\?|its kind is not)",
    re.IGNORECASE,
)
SPOKEN = frozenset({"help", "short_help", "hint"})
"""Keywords whose texts people read."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_say_what_holds_and_not_how_it_came_to_be(page: Path) -> None:
    lines = page.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if INTERNAL.search(line)] == []


def spoken(tree: ast.AST) -> Iterator[str]:
    """Texts of help and hints, and the first argument of every error."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        texts = [word.value for word in node.keywords if word.arg in SPOKEN]
        if name.endswith("Error") or name in {"Failed", "Snoozed", "InvalidValue"}:
            texts += node.args[:1]
        for text in texts:
            for part in ast.walk(text):
                if isinstance(part, ast.Constant) and isinstance(part.value, str):
                    yield part.value


def test_help_errors_and_hints_are_plain() -> None:
    found = [
        f"{path.name}: {text}"
        for path in sorted((ROOT / "daemon" / "upscaled").rglob("*.py"))
        for text in spoken(ast.parse(path.read_text(encoding="utf-8")))
        if RIDDLES.search(text)
    ]
    assert found == []


def test_a_riddle_is_noticed() -> None:
    (text,) = spoken(ast.parse('raise UsageError("x is no file")'))
    assert RIDDLES.search(text)
    assert INTERNAL.search("What the issue wants")
