"""The figures of a checkout: what is large, circular, named twice, or written in many places."""

import ast
import json
import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

from tools.call_walk import Walk, walk
from tools.circles import circles
from tools.source_tree import TOP_LEVEL, WITH_FUNCTIONS, Function, Module, SourceTree

SMALL_LINES = 50
MOST_MODULES = 15
WALK_FROM = ("upscaled.pipeline.run", "prepare")
SCHEMA = Path("config") / "upscaled.schema.json"
ARCHITECTURE = Path("tests") / "test_architecture.py"
FORMATS = {
    "png": {"png"},
    "jpeg": {"jpeg", "jpg"},
    "webp": {"webp"},
    "avif": {"avif"},
    "tiff": {"tiff", "tif"},
    "gif": {"gif"},
    "heif": {"heif", "heic"},
    "jxl": {"jxl"},
}
"""Of each format that is written, the words for it, in any case."""


class Figures:
    """What is measured, each figure when it is asked for; `__init__` stands by its package's name.

    Files, lines and comments are counted with `__init__` files, functions from `def` to the end
    without the docstring.
    """

    def __init__(self, root: Path) -> None:
        """Raises: FileNotFoundError: `root` is not a checkout of this project."""
        self._root = root
        self._tree = SourceTree(root)

    @cached_property
    def files(self) -> int:
        return len(self._file_lines)

    @cached_property
    def lines(self) -> int:
        return sum(self._file_lines)

    @cached_property
    def file_median(self) -> float:
        return statistics.median(self._file_lines)

    @cached_property
    def file_p90(self) -> int:
        return _quantile(self._file_lines, 0.9)

    @cached_property
    def file_max(self) -> int:
        return self._file_lines[-1]

    @cached_property
    def functions(self) -> int:
        return len(self._function_lines)

    @cached_property
    def function_median(self) -> float:
        return statistics.median(self._function_lines or [0])

    @cached_property
    def function_p90(self) -> int:
        return _quantile(self._function_lines, 0.9)

    @cached_property
    def function_p99(self) -> int:
        return _quantile(self._function_lines, 0.99)

    @cached_property
    def function_max(self) -> int:
        return max(self._function_lines, default=0)

    @cached_property
    def comments_per_100_lines(self) -> float:
        return _percent(sum(module.comments for module in self._all), self.lines)

    @cached_property
    def docstrings_percent(self) -> float:
        """Of functions and classes, private ones too."""
        nodes = [node for module in self._all for node in (*module.functions, *module.classes)]
        return _percent(sum(map(_has_docstring, nodes)), len(nodes))

    @cached_property
    def module_docstrings_percent(self) -> float:
        return _percent(sum(_has_docstring(module.tree) for module in self._all), self.files)

    @cached_property
    def circles_top_level(self) -> list[list[str]]:
        """Modules that reach themselves by imports that run when they are imported."""
        return circles(self._tree.edges(TOP_LEVEL))

    @cached_property
    def circles_with_functions(self) -> list[list[str]]:
        """By imports inside functions too."""
        return circles(self._tree.edges(WITH_FUNCTIONS))

    @cached_property
    def circles(self) -> list[list[str]]:
        """By imports under TYPE_CHECKING too: everything."""
        return circles(self._edges)

    @cached_property
    def folders(self) -> dict[str, int]:
        """Modules in each, without `__init__`."""
        counts = Counter(name.rpartition(".")[0] for name in self._tree.modules)
        return dict(sorted(counts.items()))

    @cached_property
    def large_folders(self) -> dict[str, int]:
        return {name: count for name, count in self.folders.items() if count > MOST_MODULES}

    @cached_property
    def file_names_twice(self) -> dict[str, list[str]]:
        return _twice((name.rpartition(".")[2], name) for name in self._tree.modules)

    @cached_property
    def class_names_twice(self) -> dict[str, list[str]]:
        return _twice((each.name, module.name) for module in self._all for each in module.classes)

    @cached_property
    def small_with_one_importer(self) -> dict[str, str]:
        """Each module under `SMALL_LINES`, with the only one that imports it."""
        importers: dict[str, list[str]] = defaultdict(list)
        for name, others in self._edges.items():
            for other in others:
                importers[other].append(name)
        return {
            name: importers[name][0]
            for name, module in self._tree.modules.items()
            if module.lines < SMALL_LINES and len(importers[name]) == 1
        }

    @cached_property
    def output_keys(self) -> dict[str, list[str]]:
        """Modules with each key of `output:`, as an identifier or a text of that one word."""
        said = {name: each.identifiers | each.strings for name, each in self._tree.modules.items()}
        keys = output_keys(self._root)
        return {key: [name for name, words in said.items() if key in words] for key in keys}

    @cached_property
    def formats(self) -> dict[str, list[str]]:
        """Modules with each format as a text of that one word, in any case."""
        return self._formats(lambda module: {text.lower() for text in module.strings})

    @cached_property
    def formats_mentioned(self) -> dict[str, list[str]]:
        """Modules with each format anywhere but in prose: in a name, or as a word of a text."""
        return self._formats(_words)

    @cached_property
    def prepare_stays(self) -> int:
        """Of the walk of `call_walk` from `WALK_FROM`; 0 where there is no such function."""
        return self._walk.stays

    @cached_property
    def prepare_rooms(self) -> int:
        return self._walk.rooms

    @cached_property
    def prepare_climbs(self) -> int:
        return self._walk.climbs

    @cached_property
    def prepare_returns(self) -> int:
        return self._walk.returns

    @cached_property
    def test_files(self) -> int:
        return len(self._tests)

    @cached_property
    def test_setattr(self) -> int:
        """Calls of `monkeypatch.setattr`."""
        return self._in_tests(_is_setattr)

    @cached_property
    def test_sleep(self) -> int:
        """Calls of anything named `sleep`."""
        return self._in_tests(_is_sleep)

    @cached_property
    def test_private(self) -> int:
        """Attributes with one leading underscore, of anything but `self` and `cls`."""
        return self._in_tests(_is_private)

    @cached_property
    def test_private_sql(self) -> int:
        """`_conn.execute` outside `tests/store`."""
        return self._in_tests(_is_private_sql, but="store")

    @classmethod
    def names(cls) -> list[str]:
        """Of all figures, in their order."""
        own = vars(cls).items()
        return [k for k, v in own if isinstance(v, cached_property) and not k.startswith("_")]

    def as_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.names()}

    @property
    def _all(self) -> list[Module]:
        return list(self._tree.all.values())

    @cached_property
    def _file_lines(self) -> list[int]:
        return sorted(module.lines for module in self._all)

    @cached_property
    def _function_lines(self) -> list[int]:
        return sorted(_lines_of(node) for module in self._all for node in module.functions)

    @cached_property
    def _edges(self) -> dict[str, set[str]]:
        return self._tree.edges()

    @cached_property
    def _walk(self) -> Walk:
        return walk(self._tree, *WALK_FROM, ranks(self._root)) or Walk()

    @cached_property
    def _tests(self) -> dict[Path, list[ast.AST]]:
        """All nodes of each file, by its path below `tests`."""
        folder = self._root / "tests"
        return {
            path.relative_to(folder): list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
            for path in sorted(folder.rglob("*.py"))
        }

    def _in_tests(self, is_one: Callable[[ast.AST], bool], *, but: str = "") -> int:
        texts = (nodes for path, nodes in self._tests.items() if path.parts[0] != but)
        return sum(is_one(node) for nodes in texts for node in nodes)

    def _formats(self, words: Callable[[Module], set[str]]) -> dict[str, list[str]]:
        said = {name: words(module) for name, module in self._tree.modules.items()}
        return {
            form: [name for name, found in said.items() if found & spellings]
            for form, spellings in FORMATS.items()
        }


def ranks(root: Path) -> dict[str, int]:
    """The layer of each part, 0 the lowest, as that checkout's own test of them has it."""
    path = root / ARCHITECTURE
    lines = ast.parse(path.read_text(encoding="utf-8")).body if path.exists() else []
    for line in lines:
        match line:
            case ast.Assign(targets=[ast.Name(id="LAYERS")], value=value):
                layers = enumerate(ast.literal_eval(value))
                return {part: rank for rank, layer in layers for part in layer}
    return {}


def output_keys(root: Path) -> list[str]:
    """Keys of `output:`, as that checkout's schema of the configuration has them."""
    path = root / SCHEMA
    if not path.exists():
        return []
    schema = json.loads(path.read_text(encoding="utf-8"))
    return list(schema["$defs"]["Output"]["properties"])


def _has_docstring(node: Function | ast.ClassDef | ast.Module) -> bool:
    return ast.get_docstring(node, clean=False) is not None


def _lines_of(node: Function) -> int:
    """From `def` to the end, without the docstring."""
    return _span(node) - (_span(node.body[0]) if _has_docstring(node) else 0)


def _span(node: ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def _quantile(ordered: list[int], share: float) -> int:
    return ordered[int(len(ordered) * share)] if ordered else 0


def _percent(part: int, whole: int) -> float:
    return round(100 * part / whole, 1) if whole else 0.0


def _twice(named: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for name, where in named:
        found[name].append(where)
    return {name: sorted(places) for name, places in sorted(found.items()) if len(places) > 1}


def _words(module: Module) -> set[str]:
    text = " ".join([module.name, *module.strings, *module.identifiers]).lower()
    return set(re.findall(r"[a-z]+", text))


def _is_setattr(node: ast.AST) -> bool:
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name(id="monkeypatch"), attr="setattr")):
            return True
    return False


def _is_sleep(node: ast.AST) -> bool:
    match node:
        case ast.Call(func=ast.Attribute(attr="sleep") | ast.Name(id="sleep")):
            return True
    return False


def _is_private(node: ast.AST) -> bool:
    match node:
        case ast.Attribute(value=ast.Name(id="self" | "cls")):
            return False
        case ast.Attribute(attr=name):
            return name.startswith("_") and not name.startswith("__")
    return False


def _is_private_sql(node: ast.AST) -> bool:
    match node:
        case ast.Attribute(attr="execute", value=ast.Attribute(attr="_conn")):
            return True
    return False
