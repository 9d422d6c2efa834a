"""The stories and the glossary of `docs/design.md` are of this code."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "daemon" / "upscaled"
PAGE = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
MOST_LINES = 30
UNUSED_WORDS = {"manager", "helper", "helpers", "util", "utils", "common", "misc"}


def section(title: str) -> str:
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def classes(module: str) -> set[str]:
    path = PACKAGE / (module.replace(".", "/") + ".py")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.ClassDef)}


def test_each_story_is_told_in_thirty_lines_of_files_that_are_there() -> None:
    for title in ("The story of a dropped file", "The story of a picture"):
        steps = re.findall(r"^\d+\. (.*)$", section(title), re.MULTILINE)
        assert 20 <= len(steps) <= MOST_LINES
        for step in steps:
            files = re.findall(r"`([\w/]+\.py)`", step.partition(":")[0])
            assert files, step
            assert [file for file in files if not (PACKAGE / file).exists()] == []


def test_each_word_of_the_glossary_is_a_class_where_it_says() -> None:
    rows = re.findall(r"^\| ([a-z ]+) \| .* \| `([\w.]+)` \|$", section("Glossary"), re.MULTILINE)
    assert len(rows) > 30
    words = [word for word, _ in rows]
    assert sorted(set(words), key=words.index) == words
    for word, where in rows:
        module, _, name = where.rpartition(".")
        assert name in classes(module), f"{word}: {where}"


def test_words_that_say_too_little_name_no_module() -> None:
    named = {path.stem for path in PACKAGE.rglob("*.py")}
    assert {stem for stem in named if UNUSED_WORDS & set(stem.split("_"))} == set()
