"""`${VAR}` in values, as compose does it, and model-compose's `${env.VAR | default}`.

    $VAR ${VAR}      the variable; unset is an error (compose takes nothing, which turns
                     ${INBOX}/photos into /photos)
    ${VAR:-word}     word if unset or empty        ${VAR-word}    word if unset
    ${VAR:?message}  an error if unset or empty    ${VAR?message} an error if unset
    ${VAR:+word}     word if set and not empty     ${VAR+word}    word if set
    ${env.VAR}       as ${VAR}                     ${env.VAR | word}  as ${VAR:-word}
    $$               a dollar sign

Words may hold further `${…}`. References to what a workflow passes along (`${input.image as
image}`, `${upscale.output}`, `${item}`) stay as they are where they have a meaning; elsewhere they
are errors.
"""

import re
from collections.abc import Callable
from collections.abc import Mapping as Table
from dataclasses import dataclass

from upscaled.config.problems import ConfigProblem, did_you_mean
from upscaled.config.tree import Entry, Location, Mapping, Mark, Node, Scalar, Sequence

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OPERATOR = re.compile(r":?[-?+]")
_ENV = re.compile(r"env\.([A-Za-z_][A-Za-z0-9_]*)\s*(?:\|\s*(.*?)\s*)?", re.DOTALL)
_REFERENCE = re.compile(
    # ${input…} ${jobs.…}: what the runner passes; ${name.output…}: what a job gave.
    r"(?:input|context|jobs|output|result|response|item|index|error|stdout|stderr)\b.*"
    r"|[A-Za-z_][\w-]*\s*[.\[].*",
    re.DOTALL,
)
_NESTING_MAX = 16


class Unfilled(Exception):
    """`part` is the piece of the value that is at fault."""

    def __init__(self, message: str, part: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.part = part
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Interpolated:
    tree: Mapping
    problems: tuple[ConfigProblem, ...]
    used: frozenset[str]
    """Names of the variables that were looked up."""


def interpolate(
    tree: Mapping, variables: Table[str, str], *, references_at: Callable[[Location], bool]
) -> Interpolated:
    """`tree` with its variables filled in; marks stay, keys are left alone.

    `references_at` tells where `${input.…}` has a meaning.
    """
    walk = _Walk(variables, references_at)
    filled = walk.node(tree, ())
    assert isinstance(filled, Mapping)  # noqa: S101  for the type checker; node() keeps kinds
    return Interpolated(filled, tuple(walk.problems), frozenset(walk.used))


def expand(text: str, variables: Table[str, str]) -> str:
    """One value, outside of any tree.

    Raises:
        Unfilled: a variable is missing, or the text is malformed.
    """
    return _Expansion(variables, references=False).text(text, 0)


class _Walk:
    def __init__(
        self, variables: Table[str, str], references_at: Callable[[Location], bool]
    ) -> None:
        self.variables = variables
        self.references_at = references_at
        self.problems: list[ConfigProblem] = []
        self.used: set[str] = set()

    def node(self, node: Node, at: Location) -> Node:
        match node:
            case Mapping(mark, entries):
                filled = {
                    key: Entry(entry.key, self.node(entry.value, (*at, key)))
                    for key, entry in entries.items()
                }
                return Mapping(mark, filled)
            case Sequence(mark, items):
                return Sequence(
                    mark, tuple(self.node(item, (*at, index)) for index, item in enumerate(items))
                )
            case Scalar(mark, str() as text) if "$" in text:
                return Scalar(mark, self._text(text, mark, at))
        return node

    def _text(self, text: str, mark: Mark, at: Location) -> str:
        expand = _Expansion(self.variables, references=self.references_at(at))
        try:
            return expand.text(text, 0)
        except Unfilled as error:
            self.problems.append(_place(mark, error.part).problem(str(error), hint=error.hint))
            return text
        finally:
            self.used |= expand.used


def _place(mark: Mark, part: str) -> Mark:
    """Where in the file `part` of a value stands (escapes and folding move it in the value)."""
    offset = mark.written.find(part)
    return mark.at(offset) if offset > 0 else mark


class _Expansion:
    """One value. Stops at its first problem: what follows may be nonsense because of it."""

    def __init__(self, variables: Table[str, str], *, references: bool) -> None:
        self.variables = variables
        self.references = references
        self.used: set[str] = set()

    def text(self, text: str, depth: int) -> str:
        if depth > _NESTING_MAX:
            raise Unfilled("variables nested too deeply", text)
        out: list[str] = []
        at = 0
        while (dollar := text.find("$", at)) >= 0:
            out.append(text[at:dollar])
            piece, at = self._piece(text, dollar, depth)
            out.append(piece)
        return "".join([*out, text[at:]])

    def _piece(self, text: str, dollar: int, depth: int) -> tuple[str, int]:
        """(what the expression at `dollar` gives, where it ends)."""
        rest = text[dollar + 1 : dollar + 2]
        if rest == "$":
            return "$", dollar + 2
        if rest == "{":
            end = _closing(text, dollar + 2)
            if end is None:
                raise Unfilled("'${' without its '}'", text[dollar:], "write $$ for a dollar sign")
            return self._braced(text[dollar : end + 1], depth), end + 1
        name = _NAME.match(text, dollar + 1)
        if name is None:
            return "$", dollar + 1
        return self._required(name.group(), name.group(), text[dollar : name.end()]), name.end()

    def _braced(self, expression: str, depth: int) -> str:
        inside = expression[2:-1].strip()
        if env := _ENV.fullmatch(inside):
            name, default = env.groups()
            if default is None:
                return self._required(name, name, expression)
            return self._value(name) or self.text(default, depth + 1)
        name = _NAME.match(inside)
        if name is not None:
            operator = _OPERATOR.match(inside, name.end())
            if operator:
                word = inside[operator.end() :]
                return self._operated(expression, name.group(), operator.group(), word, depth)
        if _REFERENCE.fullmatch(inside):
            return self._reference(expression, inside)
        if name and name.end() == len(inside):
            return self._required(inside, inside, expression)
        raise Unfilled(
            f"'{expression}' is not a variable",
            expression,
            "write ${NAME}, ${NAME:-default}, or $$ for a dollar sign",
        )

    def _operated(self, expression: str, name: str, operator: str, word: str, depth: int) -> str:
        value = self._value(name)
        has_value = bool(value) if operator.startswith(":") else value is not None
        match operator[-1]:
            case "-":
                return (value or "") if has_value else self.text(word, depth + 1)
            case "+":
                return self.text(word, depth + 1) if has_value else ""
        if has_value:
            return value or ""
        message = self.text(word, depth + 1).strip()
        raise Unfilled(
            message or f"the variable {name} is not set",
            expression,
            f"set {name} in the environment or in .env",
        )

    def _required(self, name: str, shown: str, expression: str) -> str:
        value = self._value(name)
        if value is None:
            close = did_you_mean(name, [known for known in self.variables if len(known) > 1])
            raise Unfilled(
                f"the variable {shown} is not set",
                expression,
                close or f"set it, or give a default: ${{{name}:-…}}",
            )
        return value

    def _reference(self, expression: str, inside: str) -> str:
        if self.references:
            return expression
        if inside in self.variables:
            return self._required(inside, inside, expression)
        raise Unfilled(
            f"'{expression}' has a meaning only in components and workflows",
            expression,
            "a rule passes its files by itself; write ${NAME} for a variable",
        )

    def _value(self, name: str) -> str | None:
        self.used.add(name)
        return self.variables.get(name)


def _closing(text: str, start: int) -> int | None:
    """The `}` that closes what was opened before `start`."""
    depth = 1
    for index in range(start, len(text)):
        if text.startswith("${", index):
            depth += 1
        elif text[index] == "}":
            depth -= 1
            if depth == 0:
                return index
    return None
