"""What PyYAML says of broken YAML, in words that name the remedy."""

import re

import yaml

from upscaled.config.problems import ConfigProblem
from upscaled.config.tree import Mark, Text

_SAYS = (
    # (a part of PyYAML's words, ours, the remedy)
    ("'\\t' that cannot start", "a tab where YAML wants spaces", "indent with spaces"),
    ("mapping values are not allowed", "a second ':' where a value should be",
     "quote the value, or check the indentation of this line"),
    ("could not find expected ':'", "a line that is neither 'key: value' nor '- item'",
     "is there a ': ' after the key?"),
    ("found undefined alias", "an alias (*name) without its anchor (&name)",
     'quote it if a pattern is meant: "*.jpg"'),
    ("but found unknown escape character", "a backslash that double quotes do not know",
     "use single quotes, or / instead of \\"),
    ("found unexpected end of stream", "a quote that is never closed", "close it"),
    ("that cannot start any token", "a character that cannot begin a value", "quote the value"),
    ("undefined tag handle", "a tag (!name), which has no meaning here", "quote the value"),
    ("expected escape sequence", "a backslash that double quotes do not know",
     "use single quotes, or / instead of \\"),
)  # fmt: skip
_TEMPLATE = re.compile(r":\s+\{\w+\}\S")
_VARIABLE = re.compile(r"[\[{,].*[:,\[]\s*\$\{")


def syntax_problem(text: Text, error: yaml.MarkedYAMLError) -> ConfigProblem:
    """One problem for PyYAML's error, at the place where the reader should look."""
    at = error.problem_mark or error.context_mark
    problem = error.problem or error.context or "this is not YAML"
    if "found unexpected end of stream" in problem and error.context_mark:
        at = error.context_mark
    mark = _mark(text, at)
    if "while scanning an alias" in (error.context or ""):
        return _mark(text, error.context_mark).problem(
            "an unquoted word that begins with *", hint='quote it: "*.jpg"'
        )
    line = mark.text.lines[mark.line - 1] if mark.line <= len(mark.text.lines) else ""
    if _TEMPLATE.search(line):
        return mark.problem("text that begins with {", hint='quote it: "{stem}_{scale}x.{ext}"')
    if _VARIABLE.search(line):
        return mark.problem("a variable between { } or [ ] must be quoted", hint='"${NAME}"')
    for part, message, hint in _SAYS:
        if part in problem:
            return mark.problem(message or problem, hint=hint)
    return mark.problem(f"YAML: {problem}", hint="check indentation, quotes and brackets")


def _mark(text: Text, at: yaml.Mark | None) -> Mark:
    if at is None:
        return Mark(text, 1, 1)
    return Mark(text, at.line + 1, at.column + 1, at.index, at.index)
