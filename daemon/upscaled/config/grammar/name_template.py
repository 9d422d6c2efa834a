"""Templates for the names of results: checked here, rendered by `output/naming.py`."""

import string

from upscaled.config.problems import did_you_mean

FIELDS = ("stem", "ext", "scale", "model", "width", "height", "rule", "date", "hash8", "n")
_VARYING = {"stem", "hash8", "n"}
_LONGEST = 200


def complaint(template: str) -> tuple[str, str | None, int] | None:
    """(what is wrong, remedy, offset in the template), or None where it can be rendered."""
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError:
        at = max(template.rfind("{"), template.rfind("}"))
        return "a brace without its partner", "write {{ and }} for braces in a name", at
    if found := _no_path(template):
        return found
    offset = 0
    for _, name, spec, conversion in parts:
        if name is None:
            continue
        offset = max(template.find(f"{{{name}", offset), 0)
        if name not in FIELDS:
            known = "fields are " + " ".join(f"{{{field}}}" for field in FIELDS)
            hint = did_you_mean(name, FIELDS) or known
            return f"unknown field '{{{name}}}' in a name", hint, offset
        if spec or conversion:
            return f"'{{{name}}}' takes no format", f"write {{{name}}}", offset
    return _as_a_whole(template)


def always_the_same(template: str) -> bool:
    """Whether every file of a folder would get this one name."""
    return not any(f"{{{field}}}" in template for field in _VARYING)


def _no_path(template: str) -> tuple[str, str | None, int] | None:
    for index, char in enumerate(template):
        if char == "/":
            return "a name is not a path", "write the folder under 'folder:'", index
        if not char.isprintable():
            return "a name has printable characters only", None, index
    return None


def _as_a_whole(template: str) -> tuple[str, str | None, int] | None:
    if not template.strip():
        return "an empty name", "leave it out for {stem}_{scale}x.{ext}", 0
    if template.startswith("."):
        return "a name that begins with a dot would be hidden", None, 0
    if len(template.encode("utf-8", "replace")) > _LONGEST:
        return f"a name longer than {_LONGEST} bytes", None, 0
    return None
