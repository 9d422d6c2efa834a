"""A checkout's `daemon/upscaled` as syntax trees, and who imports whom in it."""

import ast
import io
import tokenize
from functools import cached_property
from pathlib import Path

PACKAGE = Path("daemon") / "upscaled"

TOP_LEVEL = frozenset({"top level"})
"""Imports that run when the module does."""
WITH_FUNCTIONS = TOP_LEVEL | {"function"}
"""Those in functions too."""
WITH_TYPES = WITH_FUNCTIONS | {"type checking"}
"""Those that only a type checker follows too: everything."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


class Module:
    """One file of the package."""

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self.is_package = path.name == "__init__.py"
        self.text = path.read_text(encoding="utf-8")
        self.tree = ast.parse(self.text)
        self.nodes = list(ast.walk(self.tree))

    @property
    def lines(self) -> int:
        return len(self.text.splitlines())

    @cached_property
    def functions(self) -> list[Function]:
        return [node for node in self.nodes if isinstance(node, Function)]

    @cached_property
    def classes(self) -> list[ast.ClassDef]:
        return [node for node in self.nodes if isinstance(node, ast.ClassDef)]

    @property
    def comments(self) -> int:
        """Lines with a comment; directives such as `noqa` count, as they bear a reason."""
        tokens = tokenize.generate_tokens(io.StringIO(self.text).readline)
        return sum(token.type == tokenize.COMMENT for token in tokens)

    @cached_property
    def strings(self) -> set[str]:
        """Every text in it that is a value; docstrings aside."""
        prose = {
            id(node.value)
            for node in self.nodes
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        }
        return {
            node.value
            for node in self.nodes
            if isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in prose
        }

    @cached_property
    def identifiers(self) -> set[str]:
        """Names of variables, attributes, arguments, functions, classes and imports."""
        found: set[str] = set()
        for node in self.nodes:
            match node:
                case (
                    ast.Name(id=name)
                    | ast.Attribute(attr=name)
                    | ast.arg(arg=name)
                    | ast.keyword(arg=str(name))
                    | ast.FunctionDef(name=name)
                    | ast.AsyncFunctionDef(name=name)
                    | ast.ClassDef(name=name)
                    | ast.MatchAs(name=str(name))
                ):
                    found.add(name)
                case ast.alias(name=name, asname=other):
                    found.add(other or name.rpartition(".")[2])
                case ast.MatchClass(kwd_attrs=names):
                    found.update(names)
        return found

    @cached_property
    def import_statements(self) -> list[tuple[str, ast.Import | ast.ImportFrom]]:
        """Each with when it runs: "top level", "function" or "type checking"."""
        found: list[tuple[str, ast.Import | ast.ImportFrom]] = []
        _sort_imports(self.tree, "top level", found)
        return found

    def source_of(self, node: ast.ImportFrom) -> str:
        """What is imported from, by its absolute name."""
        parts = self.name.split(".")
        # One dot in a package is the package itself, in a module that which holds it.
        up = node.level - self.is_package
        above = parts[: len(parts) - up] if node.level else []
        return ".".join([*above, *filter(None, [node.module])])


class SourceTree:
    def __init__(self, root: Path) -> None:
        """Raises: FileNotFoundError: `root` is not a checkout of this project."""
        self.root = root
        paths = sorted((root / PACKAGE).rglob("*.py"))
        if not paths:
            raise FileNotFoundError(f"no Python files in {root / PACKAGE}")
        self.all = {name: Module(name, path) for path in paths for name in [_name(path, root)]}
        self.modules = {name: each for name, each in self.all.items() if not each.is_package}
        """Without `__init__` files."""

    def imports(self, module: Module, when: frozenset[str] = WITH_TYPES) -> set[str]:
        """Modules of ours that it imports; a package only where it gives a name of its own."""
        found: set[str] = set()
        for kind, node in module.import_statements:
            if kind not in when:
                continue
            if isinstance(node, ast.Import):
                found |= {name.name for name in node.names}
            else:
                source = module.source_of(node)
                whole = {f"{source}.{name.name}" for name in node.names}
                modules = whole & self.all.keys()
                found |= modules | ({source} if whole - modules else set())
        return (found & self.all.keys()) - {module.name}

    def edges(self, when: frozenset[str] = WITH_TYPES) -> dict[str, set[str]]:
        return {name: self.imports(module, when) for name, module in self.all.items()}


def _sort_imports(
    node: ast.AST, when: str, found: list[tuple[str, ast.Import | ast.ImportFrom]]
) -> None:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            found.append((when, child))
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            for line in child.body:
                _sort_imports(ast.Module([line], []), "type checking", found)
            for line in child.orelse:
                _sort_imports(ast.Module([line], []), when, found)
        elif isinstance(child, Function | ast.Lambda):
            _sort_imports(child, "function" if when == "top level" else when, found)
        elif isinstance(child, ast.stmt | ast.ExceptHandler | ast.match_case):
            _sort_imports(child, when, found)


def _name(path: Path, root: Path) -> str:
    parts = path.relative_to(root / PACKAGE.parent).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")
