"""Measures the house: sizes, circles, folders, names, and how many files a thing stands in.

    python tests/tools/measure.py [--tree CHECKOUT] [--json]

Two checkouts can be compared; `tests/test_house.py` holds the limits.
"""

import argparse
import ast
import json
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
SMALL_LINES = 50
MOST_MODULES = 15


@dataclass(frozen=True)
class Figures:
    files: int
    lines: int
    file_median: float
    file_p90: float
    file_max: int
    functions: int
    function_median: float
    function_p99: float
    function_max: int
    circles: list[list[str]]
    large_folders: dict[str, int]
    file_names_twice: dict[str, list[str]]
    class_names_twice: dict[str, list[str]]
    small_with_one_importer: list[str]
    output_keys: dict[str, int]
    """Modules in which each key of `output:` stands."""
    formats: dict[str, int]
    """Modules in which the name of each format stands as a word of its own."""


class Tree:
    def __init__(self, root: Path) -> None:
        package = root / "daemon" / "upscaled"
        paths = sorted(package.rglob("*.py"))
        self.texts = {_module(path, package): path.read_text(encoding="utf-8") for path in paths}
        self.is_package = {_module(p, package) for p in paths if p.name == "__init__.py"}
        self.trees = {module: ast.parse(text) for module, text in self.texts.items()}
        self.modules = [module for module in self.texts if module not in self.is_package]

    def lines(self, module: str) -> int:
        return len(self.texts[module].splitlines())

    def imports(self, module: str) -> set[str]:
        """Modules of ours that it imports, anywhere in it and under TYPE_CHECKING too."""
        found = set()
        for node in ast.walk(self.trees[module]):
            if isinstance(node, ast.Import):
                found |= {name.name for name in node.names}
            elif isinstance(node, ast.ImportFrom):
                source = self._source(module, node)
                whole = {f"{source}.{name.name}" for name in node.names}
                modules = whole & self.texts.keys()
                found |= modules | ({source} if whole - modules else set())
        return (found & self.texts.keys()) - {module}

    def _source(self, module: str, node: ast.ImportFrom) -> str:
        """What is imported from, by its absolute name."""
        parts = module.split(".")
        # One dot in a package is the package itself, in a module that which holds it.
        up = node.level - (module in self.is_package)
        above = parts[: len(parts) - up] if node.level else []
        return ".".join([*above, *filter(None, [node.module])])

    def functions(self) -> Iterator[int]:
        for tree in self.trees.values():
            for node in ast.walk(tree):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    yield (node.end_lineno or 0) - node.lineno + 1

    def classes(self) -> Iterator[tuple[str, str]]:
        for module, tree in self.trees.items():
            for node in ast.walk(tree):
                if isinstance(node, ast.ClassDef):
                    yield node.name, module

    def names(self, module: str) -> set[str]:
        """Every identifier, and every text that is one word."""
        found = set()
        for node in ast.walk(self.trees[module]):
            match node:
                case ast.Name(id=name) | ast.Attribute(attr=name) | ast.keyword(arg=str(name)):
                    found.add(name)
                case ast.Constant(value=str(text)):
                    found.add(text)
        return found

    def texts_of(self, module: str) -> set[str]:
        """Every text of one word."""
        return {
            node.value
            for node in ast.walk(self.trees[module])
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }


def _module(path: Path, package: Path) -> str:
    parts = path.relative_to(package.parent).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


def circles(edges: dict[str, set[str]]) -> list[list[str]]:
    """Modules that reach themselves (Tarjan 1972, strongly connected components)."""
    found: list[list[str]] = []
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    path: list[str] = []

    def visit(module: str) -> None:
        index[module] = low[module] = len(index)
        path.append(module)
        for other in sorted(edges.get(module, ())):
            if other not in index:
                visit(other)
            if other in path:
                low[module] = min(low[module], low[other])
        if low[module] == index[module]:
            circle = path[path.index(module) :]
            del path[path.index(module) :]
            if len(circle) > 1 or module in edges.get(module, ()):
                found.append(sorted(circle))

    for module in sorted(edges):
        if module not in index:
            visit(module)
    return found


def measure(root: Path) -> Figures:
    tree = Tree(root)
    sizes = sorted(tree.lines(module) for module in tree.modules)
    functions = sorted(tree.functions())
    edges = {module: tree.imports(module) for module in tree.texts}
    importers: dict[str, set[str]] = defaultdict(set)
    for module, others in edges.items():
        for other in others:
            importers[other].add(module)
    folders = Counter(module.rpartition(".")[0] for module in tree.modules)
    return Figures(
        files=len(sizes),
        lines=sum(sizes),
        file_median=statistics.median(sizes),
        file_p90=sizes[int(len(sizes) * 0.9)],
        file_max=sizes[-1],
        functions=len(functions),
        function_median=statistics.median(functions),
        function_p99=functions[int(len(functions) * 0.99)],
        function_max=functions[-1],
        circles=circles(edges),
        large_folders={name: n for name, n in folders.items() if n > MOST_MODULES},
        file_names_twice=_twice((module.rpartition(".")[2], module) for module in tree.modules),
        class_names_twice=_twice(tree.classes()),
        small_with_one_importer=sorted(
            module
            for module in tree.modules
            if tree.lines(module) < SMALL_LINES and len(importers[module]) == 1
        ),
        output_keys={
            key: sum(key in tree.names(module) for module in tree.modules)
            for key in _output_keys(tree)
        },
        formats={
            name: sum(name in tree.texts_of(module) for module in tree.modules)
            for name in ("png", "jpeg", "webp", "avif", "tiff", "gif", "heif", "jxl")
        },
    )


def _twice(named: Iterator[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for name, where in named:
        found[name].append(where)
    return {name: sorted(places) for name, places in sorted(found.items()) if len(places) > 1}


def _output_keys(tree: Tree) -> list[str]:
    """Fields of the class `OutputOptions`; none in a tree that has no such class."""
    for node in ast.walk(tree.trees.get("upscaled.recipe", ast.Module([], []))):
        if isinstance(node, ast.ClassDef) and node.name == "OutputOptions":
            fields = [line.target for line in node.body if isinstance(line, ast.AnnAssign)]
            return [field.id for field in fields if isinstance(field, ast.Name)]
    return []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tree", type=Path, default=ROOT, help="another checkout")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures = asdict(measure(options.tree))
    if options.json:
        print(json.dumps(figures, indent=2))
        return
    for name, value in figures.items():
        if isinstance(value, dict | list):
            print(f"{name}: {len(value)}")
            for line in value.items() if isinstance(value, dict) else value:
                print(f"  {line}")
        else:
            print(f"{name}: {value}")


if __name__ == "__main__":
    main()
