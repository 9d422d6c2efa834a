"""Follows the calls of a function through the files, as a reader does who opens each in turn.

A function is followed where it is first called, in the order of the source, arguments before the
call; where it is called again it is known. Not followed: what is raised, what a class without
`__init__` does, callbacks, properties, and calls of what no annotation tells.
"""

import ast
from dataclasses import dataclass, field

from tools.name_resolution import Definition, Resolver, Variables
from tools.source_tree import Function, SourceTree


@dataclass
class Walk:
    files: list[str] = field(default_factory=list)
    """The modules in order, neighbours different."""
    climbs: int = 0
    """Calls of what stands in a higher layer, through a Protocol of a lower one."""

    @property
    def stays(self) -> int:
        return len(self.files)

    @property
    def rooms(self) -> int:
        """Different files."""
        return len(set(self.files))

    @property
    def returns(self) -> int:
        """Steps from one file to another that was visited before."""
        return self.stays - self.rooms


def walk(tree: SourceTree, module: str, function: str, ranks: dict[str, int]) -> Walk | None:
    """None where there is no such function. `ranks` are the layers of the parts, 0 the lowest."""
    walker = _Walker(Resolver(tree), ranks)
    start = walker.resolver.named(module, function)
    if not isinstance(start, Definition):
        return None
    walker.enter(start)
    return walker.walk


class _Walker:
    def __init__(self, resolver: Resolver, ranks: dict[str, int]) -> None:
        self.resolver = resolver
        self.walk = Walk()
        self._ranks = ranks
        self._known: set[ast.AST] = set()

    def enter(self, function: Definition) -> None:
        assert isinstance(function.node, Function)
        self._known.add(function.node)
        self._step(function.module)
        variables = self.resolver.arguments(function)
        for line in function.node.body:
            self._visit(line, variables, function.module)

    def _step(self, module: str) -> None:
        if self.walk.files[-1:] != [module]:
            self.walk.files.append(module)

    def _visit(self, node: ast.AST, variables: Variables, module: str) -> None:
        if isinstance(node, ast.Raise):
            return
        if isinstance(node, Function):
            inner = self.resolver.arguments(Definition(module, node))
            variables = variables | inner
        for child in ast.iter_child_nodes(node):
            self._visit(child, variables, module)
        match node:
            case ast.Call():
                self._follow(node, variables, module)
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=value)
                | ast.NamedExpr(target=ast.Name(id=name), value=value)
                | ast.withitem(context_expr=value, optional_vars=ast.Name(id=name))
            ):
                variables[name] = self.resolver.type_of(value, variables, module)
            case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation):
                variables[name] = self.resolver.class_of(module, annotation)

    def _follow(self, call: ast.Call, variables: Variables, module: str) -> None:
        found = self.resolver.called(call, variables, module)
        for each in self.resolver.implementations(found) if found else ():
            function = self._body(each)
            if function is None or function.node in self._known:
                continue
            self.walk.climbs += self._rank(function.module) > self._rank(module)
            self._step(module)
            self.enter(function)

    def _body(self, called: Definition) -> Definition | None:
        if isinstance(called.node, ast.ClassDef):
            return self.resolver.method(called, "__init__", "__post_init__")
        return called

    def _rank(self, module: str) -> int:
        return self._ranks.get(module.partition(".")[2].partition(".")[0], 0)
