"""`hooks:` of a rule, resolved."""

from upscaled.config.findings import Findings
from upscaled.config.grammar.rule import HooksBlock
from upscaled.config.resolve.resolved_component import Expand
from upscaled.config.settings import HOOK_TIMEOUT_S, NO_HOOKS, Hooks
from upscaled.config.tree import Location, unshielded

_LEAST_S = 0.1


def resolved_hooks(
    block: HooksBlock | None, at: Location, findings: Findings, expand: Expand
) -> Hooks:
    """A program that is named with a folder is a file like any other in the configuration; one
    that is not is looked for in `$PATH` when it is run.
    """
    if block is None:
        return NO_HOOKS

    def command(words: tuple[str, ...] | None, key: str) -> tuple[str, ...]:
        if not words:
            return ()
        program, *arguments = map(unshielded, words)
        if "/" in program:
            program = str(expand(program, (*at, key)))
        return program, *arguments

    timeout_s = HOOK_TIMEOUT_S if block.timeout is None else block.timeout
    if timeout_s < _LEAST_S:
        findings.error((*at, "timeout"), f"'timeout' is at least {_LEAST_S:g}s")
    return Hooks(
        on_done=command(block.on_done, "on_done"),
        on_failed=command(block.on_failed, "on_failed"),
        on_idle=command(block.on_idle, "on_idle"),
        timeout_s=timeout_s,
    )
