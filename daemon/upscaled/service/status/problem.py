"""What keeps the daemon from doing all its work, as `status` shows it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from upscaled.text import printable


class ProblemCode(StrEnum):
    """Stable, for programs and translations; `docs/monitoring.md` lists them."""

    CONFIG_INVALID = "config-invalid"
    CONFIG_REFUSED = "config-refused"
    DAEMON_SILENT = "daemon-silent"
    DAEMON_OTHER_STORE = "daemon-other-store"
    HOOK_FAILED = "hook-failed"
    INBOX_UNWATCHED = "inbox-unwatched"
    MODEL_UNUSABLE = "model-unusable"
    RULE_WAITS = "rule-waits"
    SOURCE_STUCK = "source-stuck"
    STORE_UNREADABLE = "store-unreadable"
    STORE_WAITING = "store-waiting"
    VERSION_DIFFERS = "version-differs"
    WORKER_RESTARTING = "worker-restarting"


@dataclass(frozen=True, slots=True)
class Problem:
    code: ProblemCode
    what: str
    """One sentence for people."""
    hint: str | None = None
    """The next command to type, or what to set."""
    subject: str | None = None
    """The model, device or rule that it is about, where it is about one."""

    def as_json(self) -> dict[str, Any]:
        """Fit to be shown anywhere: names from a disk may hold control characters."""
        return {
            "code": str(self.code),
            "what": printable(self.what),
            "hint": self.hint and printable(self.hint),
            "subject": self.subject and printable(self.subject),
        }
