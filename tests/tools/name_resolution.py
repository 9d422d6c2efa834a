"""What a name, an annotation or an expression of a module stands for, as far as the text tells.

Nothing is imported or run. Names are followed through imports, objects through annotations,
constructors and the types that functions say they return; all else stays unknown.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from tools.source_tree import Function, Module, SourceTree

MOST_HOPS = 8
"""Between a name and what it stands for; more is a circle."""


@dataclass(frozen=True, slots=True)
class Definition:
    """A function, method, class, variable or field of ours, and where it stands."""

    module: str
    node: Function | ast.ClassDef | ast.Assign | ast.AnnAssign
    owner: ast.ClassDef | None = None
    """The class, of a method or field."""


@dataclass(frozen=True, slots=True)
class _Imported:
    source: str
    name: str | None = None
    """None: `source` itself is what was imported."""


Variables = dict[str, Definition | None]
"""The class of each variable in sight; None: unknown."""


class Resolver:
    def __init__(self, tree: SourceTree) -> None:
        self._tree = tree
        self._names = {name: _names(module) for name, module in tree.all.items()}

    def named(self, module: str, name: str, hops: int = 0) -> Definition | str | None:
        """What `name` is at the top level of `module`; a module of ours by its name."""
        found = self._names.get(module, {}).get(name)
        if not isinstance(found, _Imported):
            return found
        whole = found.source if found.name is None else f"{found.source}.{found.name}"
        if whole in self._tree.all:
            return whole
        if found.name is None or hops > MOST_HOPS:
            return None
        return self.named(found.source, found.name, hops + 1)

    def class_of(  # noqa: PLR0911  (a return for each kind of annotation)
        self, module: str, annotation: ast.expr | None, hops: int = 0
    ) -> Definition | None:
        """The first class of ours in an annotation; aliases and texts are followed."""
        if hops > MOST_HOPS:
            return None
        match annotation:
            case ast.Constant(value=str(text)):
                inner = ast.parse(text.strip(), mode="eval").body
                return self.class_of(module, inner, hops + 1)
            case ast.Name(id=name):
                return self._as_class(self.named(module, name), hops)
            case ast.Attribute(value=ast.Name(id=name), attr=attribute):
                source = self.named(module, name)
                inside = self.named(source, attribute) if isinstance(source, str) else None
                return self._as_class(inside, hops)
            case ast.BinOp(left=left, right=right):
                either = self.class_of(module, left, hops + 1)
                return either or self.class_of(module, right, hops + 1)
            case ast.Subscript(value=ast.Name(id="Iterator" | "Generator"), slice=inner):
                # What a context manager gives, which is written as a generator.
                return self.class_of(module, inner, hops + 1)
        return None

    def _as_class(self, found: Definition | str | None, hops: int) -> Definition | None:
        match found:
            case Definition(node=ast.ClassDef()):
                return found
            case Definition(node=ast.Assign(value=value) | ast.AnnAssign(value=value)):
                return self.class_of(found.module, value, hops + 1)
        return None

    def member(self, owner: Definition, name: str) -> Definition | None:
        """A method or annotated field of a class or of those it inherits from."""
        for base in self._with_bases(owner):
            assert isinstance(base.node, ast.ClassDef)
            for node in base.node.body:
                match node:
                    case ast.FunctionDef(name=own) | ast.AsyncFunctionDef(name=own):
                        found = own == name
                    case ast.AnnAssign(target=ast.Name(id=own)):
                        found = own == name
                    case _:
                        continue
                if found:
                    return Definition(base.module, node, base.node)
        return None

    def method(self, owner: Definition, *names: str) -> Definition | None:
        """The first of `names` that is a method of the class."""
        found = (self.member(owner, name) for name in names)
        return next((each for each in found if each and isinstance(each.node, Function)), None)

    def _with_bases(self, owner: Definition) -> Iterator[Definition]:
        yield owner
        assert isinstance(owner.node, ast.ClassDef)
        for base in owner.node.bases:
            found = self.class_of(owner.module, base)
            if found is not None and found.node is not owner.node:
                yield from self._with_bases(found)

    def implementations(self, method: Definition) -> list[Definition]:
        """Of a method of a Protocol: those of other files; else the method alone.

        A class implements a Protocol that has all of its methods. What stands beside the Protocol
        is the one that does nothing.
        """
        owner = method.owner
        if owner is None or "Protocol" not in map(ast.unparse, owner.bases):
            return [method]
        asked = _methods(owner)
        found = [
            self.method(Definition(name, each), *(getattr(method.node, "name", ""),))
            for name, module in self._tree.modules.items()
            for each in module.classes
            if name != method.module and asked <= _methods(each)
        ]
        return [each for each in found if each] or [method]

    def type_of(  # noqa: PLR0911  (a return for each kind of expression)
        self, node: ast.expr, variables: Variables, module: str
    ) -> Definition | None:
        """The class of what an expression gives."""
        match node:
            case ast.Name(id=name) if name in variables:
                return variables[name]
            case ast.Name(id=name):
                found = self.named(module, name)
                return self._type_of_member(found) if isinstance(found, Definition) else None
            case ast.Attribute(value=value, attr=name):
                owner = self.type_of(value, variables, module)
                return self._type_of_member(self.member(owner, name)) if owner else None
            case ast.Call(func=ast.Name(id="replace"), args=[first, *_]):
                return self.type_of(first, variables, module)
            case ast.Call():
                return self._type_of_member(self.called(node, variables, module))
            case ast.BoolOp(values=values):
                types = (self.type_of(value, variables, module) for value in values)
                return next(filter(None, types), None)
            case ast.IfExp(body=body, orelse=orelse):
                either = self.type_of(body, variables, module)
                return either or self.type_of(orelse, variables, module)
            case ast.NamedExpr(value=value):
                return self.type_of(value, variables, module)
        return None

    def _type_of_member(self, found: Definition | None) -> Definition | None:
        """Of a field or variable what it holds, of a function what it returns, of a class it."""
        if found is None:
            return None
        match found.node:
            case ast.ClassDef():
                return found
            case ast.AnnAssign(annotation=annotation):
                return self.class_of(found.module, annotation)
            case ast.FunctionDef(returns=returns) | ast.AsyncFunctionDef(returns=returns):
                return self.class_of(found.module, returns)
            case ast.Assign(value=value):
                return self.type_of(value, {}, found.module)

    def called(self, call: ast.Call, variables: Variables, module: str) -> Definition | None:
        """The function, method or class that a call is of; None: not ours, or unknown."""
        found: Definition | str | None = None
        match call.func:
            case ast.Name(id=name) if name in variables:
                owner = variables[name]
                found = self.method(owner, "__call__") if owner else None
            case ast.Name(id=name):
                found = self.named(module, name)
            case ast.Attribute(value=value, attr=attribute):
                found = self._attribute(value, attribute, variables, module)
        callable_ = isinstance(found, Definition) and isinstance(
            found.node, ast.ClassDef | Function
        )
        return found if isinstance(found, Definition) and callable_ else None

    def _attribute(
        self, value: ast.expr, name: str, variables: Variables, module: str
    ) -> Definition | str | None:
        if isinstance(value, ast.Name) and value.id not in variables:
            holder = self.named(module, value.id)
            if isinstance(holder, str):
                return self.named(holder, name)
        owner = self.type_of(value, variables, module)
        found = self.member(owner, name) if owner else None
        if found is None or isinstance(found.node, Function):
            return found
        held = self._type_of_member(found)
        return self.method(held, "__call__") if held else None

    def arguments(self, function: Definition) -> Variables:
        assert isinstance(function.node, Function)
        told = function.node.args
        arguments = [*told.posonlyargs, *told.args, *told.kwonlyargs]
        known: Variables = {
            each.arg: self.class_of(function.module, each.annotation) for each in arguments
        }
        if function.owner is not None and arguments:
            known[arguments[0].arg] = Definition(function.module, function.owner)
        return known


def _names(module: Module) -> dict[str, Definition | _Imported]:
    names: dict[str, Definition | _Imported] = {}
    for _, statement in module.import_statements:
        for alias in statement.names:
            if isinstance(statement, ast.ImportFrom):
                source = module.source_of(statement)
                names[alias.asname or alias.name] = _Imported(source, alias.name)
            else:
                shown = alias.asname or alias.name.partition(".")[0]
                names[shown] = _Imported(alias.name if alias.asname else shown)
    for node in module.tree.body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                names[name] = Definition(module.name, node)
            case ast.ClassDef(name=name):
                names[name] = Definition(module.name, node)
            case ast.Assign(targets=[ast.Name(id=name)]):
                names[name] = Definition(module.name, node)
            case ast.AnnAssign(target=ast.Name(id=name)):
                names[name] = Definition(module.name, node)
    return names


def _methods(owner: ast.ClassDef) -> set[str]:
    return {node.name for node in owner.body if isinstance(node, Function)}
