"""`docs/failures.md` names tests that there are."""

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parent
DOCUMENT = TESTS.parent / "docs" / "failures.md"


def names_in(path: Path) -> set[str]:
    if not path.exists():
        return set()
    tree = ast.parse(path.read_bytes())
    functions = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    values = (node.targets for node in tree.body if isinstance(node, ast.Assign))
    return functions | {name.id for names in values for name in names if isinstance(name, ast.Name)}


def test_each_test_that_is_named_exists() -> None:
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", DOCUMENT.read_text(encoding="utf-8"))
    assert len(named) > 100
    assert [each for each in named if each[1] not in names_in(TESTS / each[0])] == []


def test_each_module_that_is_named_exists() -> None:
    package = TESTS.parent / "daemon" / "upscaled"
    named = re.findall(r"`([\w/]+\.py)`", DOCUMENT.read_text(encoding="utf-8"))
    places = [package, TESTS.parent]
    assert [each for each in named if not any((place / each).exists() for place in places)] == []
