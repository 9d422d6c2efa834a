"""What keeps the daemon from doing all its work, as `status` shows it."""

from enum import StrEnum
from typing import Any, NamedTuple

from upscaled.text import printable


class ProblemCode(StrEnum):
    """Stable, for programs and translations; `docs/monitoring.md` lists them."""

    CONFIG_REFUSED = "config-refused"
    DAEMON_SILENT = "daemon-silent"
    DAEMON_OTHER_STORE = "daemon-other-store"
    HOOK_FAILED = "hook-failed"
    INBOX_MISSING = "inbox-missing"
    INBOX_SILENT = "inbox-silent"
    INBOX_UNWATCHED = "inbox-unwatched"
    MODEL_UNUSABLE = "model-unusable"
    RULE_WAITS = "rule-waits"
    SOURCE_STUCK = "source-stuck"
    STORE_UNREADABLE = "store-unreadable"
    STORE_WAITING = "store-waiting"
    VERSION_DIFFERS = "version-differs"
    WORKER_RESTARTING = "worker-restarting"


class Problem(NamedTuple):
    """A tuple: dataclasses take ten times as long to define, and `status` answers in a moment."""

    code: ProblemCode
    what: str
    """One sentence for people."""
    hint: str | None = None
    """The next command to type, or what to set."""
    subject: str | None = None
    """The model, device or rule that it is about, where it is about one."""
    rules: tuple[str, ...] = ()
    """Names of the rules that it concerns, where it is not all of them."""
    cause: str | None = None
    """Of `upscaled.cause`: why a rule waits."""

    def as_json(self) -> dict[str, Any]:
        """Fit to be shown anywhere: names from a disk may hold control characters."""
        return {
            "code": str(self.code),
            "what": printable(self.what),
            "hint": self.hint and printable(self.hint),
            "subject": self.subject and printable(self.subject),
            "rules": list(self.rules),
            "cause": self.cause,
        }
