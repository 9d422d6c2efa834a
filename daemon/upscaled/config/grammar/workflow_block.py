"""The grammar of workflows: model-compose's jobs, as far as they have a meaning for one image."""

from typing import Literal

from upscaled.config.grammar.block import Block
from upscaled.config.grammar.values import Anything, Text, Texts


class Each(Block):
    """What a for-each does with each image."""

    component: Text | None = None
    action: Anything = None
    input: Anything = None
    output: Anything = None


class Job(Block):
    """One step: a component, and the images that it gets."""

    name: str | None = None
    title: str | None = None
    description: str | None = None
    type: Literal["component", "for-each"] | None = None
    component: Text | None = None
    """Not needed where there is only one component."""
    input: Anything = None
    """${input.image}, or ${JOB.output}; left out: what the workflow gets."""
    depends_on: Texts | None = None
    """Jobs that run before this one, besides those whose results it takes."""
    repeat_count: Anything = None
    do: Each | None = None
    """Of a for-each."""
    action: Anything = None
    output: Anything = None
    batch_size: Anything = None
    streaming: Anything = None
    max_run_count: Anything = None
    retry: Anything = None
    on_error: Anything = None
    hook: Anything = None
    interrupt: Anything = None


class Workflow(Block):
    """Several components, one after the other, on one image."""

    name: str | None = None
    title: str | None = None
    description: str | None = None
    input: Anything = None
    output: Anything = None
    """The result, ${JOB.output}; left out: that of the last job that gives an image."""
    default: bool | None = None
    """Whether rules that name neither workflow nor component use this one."""
    private: Anything = None
    jobs: dict[str, Job] | None = None
