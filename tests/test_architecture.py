"""Keeps the layers of `docs/design.md`: no upward import, no import between parts."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "daemon" / "upscaled"
LAYERS = [
    {"cause"},
    {"", "errors", "clock", "dirs", "text", "recipe", "delivery", "outcomes"},
    {"job"},
    {"log", "codec", "filesystem", "formats"},
    {"config"},
    {"watch", "store", "image", "engine", "models", "output", "control", "rules", "systemd"},
    {"pipeline"},
    {"worker"},
    {"service"},
    {"cli", "web"},
    {"__main__"},
]
"""From the base to the edge; a part is a folder or module of the package, "" is its version."""
RANK = {part: rank for rank, layer in enumerate(LAYERS) for part in layer}
BASE = LAYERS[0] | LAYERS[1] | LAYERS[2] | LAYERS[3]
BASE_ONLY = {"engine", "image", "store"}
ONLY_UNDER = {
    "torch": "engine",
    "torchvision": "engine",
    "spandrel": "engine",
    "watchdog": "watch",
    "sqlite3": "store",
    "sqlite_utils": "store",
}


def part_of(module: str) -> str:
    return module.removeprefix("upscaled").removeprefix(".").partition(".")[0]


def imports(tree: ast.AST, module: str) -> Iterator[tuple[int, str]]:
    """Line and absolute name of each import, also in functions and under TYPE_CHECKING."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, name.name) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = module.split(".")[: -node.level] if node.level else []
            source = ".".join([*above, *filter(None, [node.module])])
            # `from upscaled import store` names a part only in its names.
            whole = [f"{source}.{name.name}" for name in node.names]
            yield from ((node.lineno, name) for name in whole)


def objection(importer: str, imported: str) -> str | None:
    """Why `importer` may not import `imported`, or None where it may."""
    root, mine = imported.partition(".")[0], part_of(importer)
    if root != "upscaled":
        home = ONLY_UNDER.get(root, mine)
        return None if home == mine else f"{root} is for {home}/ only"
    theirs = part_of(imported)
    theirs = theirs if (PACKAGE / theirs).exists() or theirs in RANK else ""
    if theirs in (mine, ""):
        return None
    if RANK[theirs] == RANK[mine]:
        return f"{mine} and {theirs} are of one layer and must not know each other"
    if RANK[theirs] > RANK[mine]:
        return f"{theirs} lies above {mine}"
    return f"{mine} knows the base only" if mine in BASE_ONLY and theirs not in BASE else None


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts)


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_what_its_layer_may(module: str) -> None:
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    importer = module.removesuffix(".__init__")

    broken = [
        f"{MODULES[module]}:{line}: {name}: {why}"
        for line, name in imports(tree, module)
        if (why := objection(importer, name))
    ]

    assert broken == []


def test_each_part_has_a_layer() -> None:
    assert {part_of(module.removesuffix(".__init__")) for module in MODULES} <= set(RANK)


@pytest.mark.parametrize(
    ("importer", "source"),
    [
        ("upscaled.errors", "import upscaled.job"),
        ("upscaled.store.jobs", "from upscaled.config import model"),
        ("upscaled.output.write", "from upscaled import rules"),
        ("upscaled.image.decode", "from ..engine import device"),
        ("upscaled.pipeline.run", "def f():\n    from upscaled.worker.main import main"),
        ("upscaled.service.daemon", "import sqlite3"),
        ("upscaled.models.convert", "import torch.nn"),
        ("upscaled.cli.main", "from watchdog.events import FileSystemEvent"),
    ],
)
def test_a_forbidden_import_is_noticed(importer: str, source: str) -> None:
    names = [name for _, name in imports(ast.parse(source), importer)]
    assert [name for name in names if objection(importer, name)] == names
