"""How a job ended, as a line of the log."""

import logging

from upscaled import log
from upscaled.job import JobState, Order
from upscaled.outcomes import (
    Cancelled,
    Changed,
    Done,
    Failed,
    Interrupted,
    Outcome,
    Snoozed,
)

_log = logging.getLogger(__name__)


def log_outcome(order: Order, outcome: Outcome, state: JobState) -> None:
    name = str(order.source)
    match outcome:
        case Done(result):
            _log.info(
                "done: %s → %s (%d×%d px)",
                name,
                result.path,
                result.width_px,
                result.height_px,
                extra=_fields(log.Event.JOB_DONE, order),
            )
        case Failed(reason):
            _log.error("failed: %s: %s", name, reason, extra=_fields(log.Event.JOB_FAILED, order))
        case Snoozed(reason, whole_rule):
            what = f"rule {order.rule} waits" if whole_rule else f"{name} waits"
            _log.warning("%s: %s", what, reason, extra=_fields(log.Event.RULE_PAUSED, order))
        case Interrupted():
            _log.info("interrupted: %s; its attempt is given back", name)
        case Cancelled(reason):
            _log.info("skipped: %s: %s", name, reason)
        case Changed():
            _log.info("%s changed while it was worked on: it has to settle again", name)
        case _:
            event = log.Event.JOB_FAILED if state is JobState.FAILED else log.Event.JOB_RETRIED
            reason = getattr(outcome, "reason", "its source is gone")
            _log.warning("%s: %s (%s)", name, reason, state, extra=_fields(event, order))


def _fields(event: log.Event, order: Order) -> dict[str, str]:
    return log.fields(event, rule=order.rule, job=order.job_id, file=order.source)
