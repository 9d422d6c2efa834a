"""Codes are promised to programs: all of them are listed, and nothing else is."""

import re
from pathlib import Path

from upscaled import errors
from upscaled.cause import OF_MODEL, Cause
from upscaled.service.status.problem import ProblemCode

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "monitoring.md").read_text(encoding="utf-8")
MODULES = ROOT / "daemon" / "upscaled"


def listed(header: str) -> list[str]:
    table = PAGE.partition(f"| {header} |")[2].partition("\n\n")[0]
    return re.findall(r"^\| `([a-z-]+)` \|", table, re.MULTILINE)


def test_the_documentation_lists_each_cause_and_problem_once() -> None:
    assert sorted(listed("cause | why")) == sorted(Cause)
    assert sorted(listed("code | what is wrong")) == sorted(ProblemCode)


def test_each_code_is_given_by_somebody() -> None:
    source = "\n".join(path.read_text(encoding="utf-8") for path in MODULES.rglob("*.py"))
    used = set(re.findall(r"\b(Cause|ProblemCode)\.([A-Z_]+)\b", source))
    codes = {(type(code).__name__, code.name) for code in (*Cause, *ProblemCode)}
    assert used == codes


def test_models_that_keep_a_rule_waiting_have_causes_of_their_own() -> None:
    def below(kind: type[errors.UpscaledError]) -> set[Cause]:
        return {kind.cause}.union(*(below(inner) for inner in kind.__subclasses__()))

    assert below(errors.ModelError) == OF_MODEL
