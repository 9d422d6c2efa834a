"""`${…}` in a workflow: what one value of a job's input points at."""

import re
from dataclasses import dataclass

SOURCE = ""
"""The name of what comes in: the image that the rule passes."""

_INNER = re.compile(
    # The value itself, then model-compose's words on its type and default, which change nothing.
    r"(?P<path>[A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*|\[[^\]]*\])*)\s*(?:\bas\b[^|]*)?(?:\|.*)?",
    re.DOTALL,
)
_STEP = re.compile(r"[.\[]")
OWN_OUTPUT = re.compile(
    r"\$\{\s*output(?:\.(?!output\b)[\w-]+|\[[^\]]*\])*\s*(?:\bas\b[^|}]*)?(?:\|.*)?\}", re.DOTALL
)
"""`${output as image}`, as the whole of a workflow's `output:`: what its last job gives."""
COUNT = re.compile(r"\$\{\s*input\.[A-Za-z_]\w*_count\s*(?:\bas\b.*)?\}", re.DOTALL)
"""How many images came in: a rule passes them one by one, so it is always one."""


class NoReference(ValueError):
    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True, slots=True)
class ValueReference:
    """The result of the job `job`, the workflow's own input, or a for-each's current item."""

    job: str | None = None
    item: bool = False


def parse_reference(value: object) -> ValueReference:
    """Raises: NoReference: it points at nothing that a job could take."""
    if not isinstance(value, str):
        raise NoReference("an input is a reference", "write ${input.image}, or ${JOB.output}")
    text = value.strip()
    if not (text.startswith("${") and text.endswith("}")):
        raise NoReference(f"'{value}' is not a reference", "write ${input.image}, or ${JOB.output}")
    found = _INNER.fullmatch(text[2:-1].strip())
    if found is None:
        raise NoReference(f"'{value}' cannot be read", "write ${input.image}, or ${JOB.output}")
    head, *below = [step for step in _STEP.split(found["path"]) if step]
    match head:
        case "input":
            return ValueReference()
        case "item":
            return ValueReference(item=True)
        case "jobs" if not below:
            raise NoReference(f"'{value}' names no job", "write ${jobs.NAME.output}")
        case "jobs":
            head, *below = below
    if below[:1] != ["output"]:
        raise NoReference(
            f"'{value}' says nothing of the result of '{head}'", f"write ${{{head}.output}}"
        )
    return ValueReference(head)
