"""`.env` files, in the form that docker compose reads: pure."""

import re
from collections.abc import Mapping as Table

from upscaled.config.problems import ConfigProblem
from upscaled.config.read.interpolate import Unfilled, expand
from upscaled.config.tree import Mark, Text

_LINE = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_.-]*)\s*(?:=[ \t]*(.*))?")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\", "$": "$$"}


def variables(
    text: Text, environment: Table[str, str]
) -> tuple[dict[str, str], list[ConfigProblem]]:
    """The variables of one file. `${…}` in values sees `environment` and the lines above.

    A name without `=` takes its value from `environment`, or is left out.
    """
    found: dict[str, str] = {}
    problems: list[ConfigProblem] = []
    for number, line in enumerate(text.lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        mark = Mark(text, number, len(line) - len(line.lstrip()) + 1)
        parts = _LINE.fullmatch(line)
        if parts is None:
            problems.append(mark.problem("a line of .env is NAME=VALUE", hint="or a # comment"))
            continue
        name, written = parts.groups()
        if written is None:
            found.update({name: environment[name]} if name in environment else {})
            continue
        try:
            found[name] = _value(written, {**found, **environment})
        except Unfilled as error:
            problems.append(mark.problem(str(error), hint=error.hint))
    return found, problems


def _value(written: str, known: Table[str, str]) -> str:
    quote = written[:1]
    if quote in {"'", '"'}:
        body = _quoted(written, quote)
        return body if quote == "'" else expand(body, known)
    # A comment needs a space before it: URL#fragment is a value.
    return expand(re.split(r"(?:^|\s)#", written, maxsplit=1)[0].strip(), known)


def _quoted(written: str, quote: str) -> str:
    out: list[str] = []
    index = 1
    while index < len(written):
        char = written[index]
        if char == quote:
            rest = written[index + 1 :].strip()
            if rest and not rest.startswith("#"):
                raise Unfilled("text after the closing quote", rest, "put # before a comment")
            return "".join(out)
        if char == "\\" and quote == '"' and written[index + 1 : index + 2] in _ESCAPES:
            index += 1
            char = _ESCAPES[written[index]]
        out.append(char)
        index += 1
    raise Unfilled(f"a {quote} that is never closed", written, "close it on the same line")
