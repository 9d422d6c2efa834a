"""Where problems gather while a tree is judged: places are given by location, not by mark."""

from collections.abc import Iterable

from upscaled.config.problems import ConfigProblem
from upscaled.config.tree import Location, Mapping, Mark, find, marks

SINGLE = "__component__"
"""model-compose's name for a component without one."""
SINGLE_WORKFLOW = "__workflow__"
SINGLE_JOB = "__job__"
INLINE = "workflows."
"""How the name of a component begins that stands in a job itself: it is the place."""
_SINGLES: dict[Location, Location] = {
    ("components", SINGLE): ("component",),
    ("workflows", SINGLE_WORKFLOW): ("workflow",),
}


def dotted(at: Location) -> str:
    """`rules.photos.output`, as people write it."""
    if alone := _SINGLES.get(at[:2]):
        at = (*alone, *at[2:])
    if at[:1] == ("components",) and str(at[1:2][0] if at[1:] else "").startswith(INLINE):
        at = at[1:]
    return ".".join(str(step) for step in at)


class Findings:
    """`settled` are problems already known: nothing more is said of the values they stand at."""

    def __init__(self, tree: Mapping, settled: Iterable[ConfigProblem] = ()) -> None:
        self.tree = tree
        self.errors: list[ConfigProblem] = []
        self.notices: list[ConfigProblem] = []
        self._settled = {(problem.file, problem.line, problem.column) for problem in settled}
        self._pruned: list[Location] = []

    def knows(self, at: Location) -> bool:
        """Whether something was written at `at`."""
        return any(location == at for location, _ in marks(self.tree))

    def prune(self, at: Location) -> None:
        """What stood at `at` is judged and left out: nobody shall miss it."""
        self._pruned.append(at)

    def missing(self, at: Location, message: str, hint: str | None = None) -> None:
        """Something is not there, unless it only seems so since what stands there is faulty."""
        below = [mark for where, mark in marks(self.tree) if where[: len(at)] == at]
        pruned = any(known[: len(at)] == at for known in self._pruned)
        if not pruned and not any(self._is_settled(mark) for mark in below):
            self.error(at, message, hint, key=True)

    def error(
        self,
        at: Location,
        message: str,
        hint: str | None = None,
        *,
        offset: int = 0,
        key: bool = False,
    ) -> None:
        """At the value, or with `key` at the key; `offset` characters into an unquoted value."""
        node, key_mark = find(self.tree, at)
        mark = key_mark if key else node.mark
        if self._is_settled(mark):
            return
        if offset and not key:
            quoted = mark.written[:1] in {"'", '"'}
            mark = mark.at(offset + quoted)
        self.errors.append(mark.problem(message, hint=hint))

    def _is_settled(self, mark: Mark) -> bool:
        return (mark.text.name, mark.line, mark.column) in self._settled

    def notice(self, at: Location, message: str, hint: str | None = None) -> None:
        """Said once, at the first place, however many values it holds for."""
        if all(known.message != message for known in self.notices):
            mark = find(self.tree, at)[1]
            self.notices.append(mark.problem(message, hint=hint, severity="notice"))
