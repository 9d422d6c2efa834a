"""A workflow block as stages: references resolved, in an order in which they can run."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from graphlib import CycleError, TopologicalSorter

from upscaled.config.findings import Findings, dotted
from upscaled.config.grammar.workflow_block import Job, Workflow
from upscaled.config.problems import did_you_mean
from upscaled.config.read.value_reference import (
    COUNT,
    OWN_OUTPUT,
    SOURCE,
    NoReference,
    ValueReference,
    parse_reference,
)
from upscaled.config.tree import Location
from upscaled.recipe import IMAGE_QUALITY, StageRecipe

Make = Callable[[str | None, Location], StageRecipe | None]
"""(component or None for the only one, where it is named) to a stage without name and inputs;
None where it cannot be used, which is said already."""

_SLOTS: dict[str, tuple[tuple[str, ...], ...]] = {
    IMAGE_QUALITY: (("original", "reference", "before"), ("enhanced", "image", "after", "result"))
}
_IMAGE: tuple[tuple[str, ...], ...] = (("image", "images", "file"),)
_REPEATED = "the same image gives the same result each time; it is worked on once"
_NO_MEANING = {
    "action": "a component does one thing",
    "output": "a rule has 'output:' and 'outputs:' for results",
    "batch_size": "images are worked on as they come",
    "streaming": "images are worked on as they come",
    "max_run_count": "a job runs once for each image",
    "retry": "a rule has 'retry:'",
    "on_error": "a rule has 'on_failure:'",
    "hook": "a rule has 'hooks:'",
    "interrupt": "there is no one to ask",
}


@dataclass(frozen=True, slots=True)
class StageGraph:
    stages: tuple[StageRecipe, ...] = ()
    result: str = SOURCE
    """The stage whose image is the result."""


@dataclass(slots=True)
class _Wired:
    stage: StageRecipe
    needs: tuple[str, ...]


@dataclass(slots=True)
class WorkflowBuilder:
    """Turns one block into a `Flow`; what is wrong goes into `findings`."""

    name: str
    block: Workflow
    findings: Findings
    make: Make
    _wired: dict[str, _Wired] = field(default_factory=dict)

    @property
    def at(self) -> Location:
        return ("workflows", self.name)

    def flow(self) -> StageGraph | None:
        """None where something is wrong."""
        before = len(self.findings.errors)
        jobs = self.block.jobs or {"job": Job()}
        for name, job in jobs.items():
            self._wire(name, job, jobs)
        if len(self.findings.errors) > before:
            return None
        order = self._order()
        if order is None:
            return None
        stages = tuple(self._wired[name].stage for name in order)
        self._check_kinds(stages)
        result = self._result(stages)
        return None if len(self.findings.errors) > before else StageGraph(stages, result)

    def _wire(self, name: str, job: Job, jobs: Mapping[str, Job]) -> None:
        at: Location = (*self.at, "jobs", name)
        self._note(job, at)
        step = job.do if job.type == "for-each" and job.do else job
        where = (*at, "do") if step is job.do else at
        if job.type == "for-each" and job.do is None:
            self.findings.missing(at, f"the for-each '{name}' does nothing", "add 'do:'")
            return
        item = self._reference(job.input, (*at, "input"), jobs) if step is job.do else None
        stage = self.make(step.component, (*where, "component"))
        if stage is None:
            return
        inputs = tuple(self._inputs(stage.task, step.input, (*where, "input"), jobs, item))
        after = self._depends(job, at, jobs)
        self._wired[name] = _Wired(
            replace(stage, name=name, inputs=inputs),
            tuple(dict.fromkeys([*(known for known in inputs if known), *after])),
        )

    def _inputs(
        self,
        task: str,
        given: object,
        at: Location,
        jobs: Collection[str],
        item: str | None,
    ) -> Iterator[str]:
        """Which result goes into each slot of the task; SOURCE where nothing is written."""
        slots = _SLOTS.get(task, _IMAGE)
        if given is None:
            yield from [item or SOURCE] * len(slots)
            return
        if not isinstance(given, dict):
            if len(slots) > 1:
                self.findings.error(at, f"'{task}' compares two images",
                                    "write original: and enhanced: below 'input:'")  # fmt: skip
            yield self._reference(given, at, jobs, item)
            return
        known = [word for slot in slots for word in slot]
        strange = [key for key in given if key not in known]
        for key in strange:
            hint = did_you_mean(str(key), known) or f"there is: {', '.join(s[0] for s in slots)}"
            self.findings.error((*at, key), f"unknown input '{key}' of {task}", hint, key=True)
        for slot in slots:
            written = next((word for word in slot if word in given), None)
            if written is None and not strange:
                self.findings.error(at, f"{task} needs '{slot[0]}'",
                                    f"add '{slot[0]}: ${{input.image}}'", key=True)  # fmt: skip
            elif written is not None:
                yield self._reference(given[written], (*at, written), jobs, item)

    def _reference(
        self, value: object, at: Location, jobs: Collection[str], item: str | None = None
    ) -> str:
        """The name of the job that is meant; SOURCE where it is none, or a wrong one."""
        if isinstance(value, list) and len(value) == 1:
            value, at = value[0], (*at, 0)
        try:
            found = parse_reference(SOURCE_TEXT if value is None else value)
        except NoReference as error:
            self.findings.error(at, str(error), error.hint)
            return SOURCE
        return self._known(found, at, jobs, item)

    def _known(
        self, found: ValueReference, at: Location, jobs: Collection[str], item: str | None
    ) -> str:
        if found.item:
            if item is None:
                self.findings.error(at, "'item' has a meaning only below 'do:' of a for-each")
            return item or SOURCE
        if found.job is None:
            return SOURCE
        if found.job not in jobs and not self.findings.knows((*self.at, "jobs", found.job)):
            hint = did_you_mean(found.job, jobs) or f"there are: {', '.join(jobs)}"
            self.findings.error(at, f"there is no job '{found.job}'", hint)
            return SOURCE
        return found.job

    def _depends(self, job: Job, at: Location, jobs: Collection[str]) -> list[str]:
        found = []
        for index, name in enumerate(job.depends_on or ()):
            if name in jobs:
                found.append(name)
            else:
                hint = did_you_mean(name, jobs) or f"there are: {', '.join(jobs)}"
                self.findings.error((*at, "depends_on", index), f"there is no job '{name}'", hint)
        return found

    def _note(self, job: Job, at: Location) -> None:
        for key in sorted(job.model_fields_set & _NO_MEANING.keys()):
            if getattr(job, key) is not None:
                self.findings.notice(
                    (*at, key), f"'{key}' of a job has no meaning here: {_NO_MEANING[key]}"
                )
        count = job.repeat_count
        if count is None or count == 1 or (isinstance(count, str) and COUNT.fullmatch(count)):
            return
        where = (*at, "repeat_count")
        if isinstance(count, int) and not isinstance(count, bool) and count > 0:
            self.findings.notice(where, f"'repeat_count' has no meaning here: {_REPEATED}")
        else:
            self.findings.error(where, "'repeat_count' is a number, 1 or more",
                                "or ${input.image_count}")  # fmt: skip

    def _order(self) -> list[str] | None:
        needs = {name: wired.needs for name, wired in self._wired.items()}
        try:
            return list(TopologicalSorter(needs).static_order())
        except CycleError as error:
            circle = [name for name in reversed(error.args[1]) if name in needs]
            self.findings.error(
                (*self.at, "jobs", circle[0]),
                f"jobs that wait for each other: {' → '.join(circle)}",
                "one of them has to take ${input.image}",
                key=True,
            )
            return None

    def _check_kinds(self, stages: tuple[StageRecipe, ...]) -> None:
        """Figures are no image: nobody can work on them."""
        tasks = {stage.name: stage.task for stage in stages}
        for stage in stages:
            for name in stage.inputs:
                if tasks.get(name) == IMAGE_QUALITY:
                    self.findings.error(
                        (*self.at, "jobs", stage.name, "input"),
                        f"'{name}' gives figures, and '{stage.name}' needs an image",
                        "take the image that was checked",
                    )

    def _result(self, stages: tuple[StageRecipe, ...]) -> str:
        given = [stage.name for stage in stages if stage.task != IMAGE_QUALITY]
        at: Location = (*self.at, "output")
        written = self.block.output
        if isinstance(written, dict) and len(written) == 1:
            key, written = next(iter(written.items()))
            at = (*at, key)
        if written is not None and not (
            isinstance(written, str) and OWN_OUTPUT.fullmatch(written.strip())
        ):
            name = self._reference(written, at, self._wired)
            if name in given:
                return name
            self.findings.error(at, "the result of a workflow is the image that a job gives",
                                f"write ${{{(given or ['JOB'])[-1]}.output}}")  # fmt: skip
            return SOURCE
        if not given:
            self.findings.error((*self.at, "jobs"), f"no job of '{self.name}' gives an image",
                                "add one that upscales", key=True)  # fmt: skip
            return SOURCE
        taken = {name for stage in stages if stage.name in given for name in stage.inputs}
        loose = [name for name in given if name not in taken]
        if len(loose) > 1:
            self.findings.notice(
                (*self.at, "jobs", loose[-1]),
                f"of {' and '.join(loose)}, '{loose[-1]}' is the result of {dotted(self.at)}",
                f"write 'output: ${{{loose[-1]}.output}}', and 'outputs:' in the rule for more",
            )
        return loose[-1]


SOURCE_TEXT = "${input}"
