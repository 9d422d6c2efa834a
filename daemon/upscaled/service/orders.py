"""What the control socket can ask of the daemon."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from upscaled.control.protocol import Request
from upscaled.errors import UsageError
from upscaled.service.live import live_status

if TYPE_CHECKING:
    from upscaled.service.supervisor import Supervisor


Arguments = Mapping[str, Any]


class Orders:
    def __init__(self, supervisor: "Supervisor") -> None:
        self._supervisor = supervisor
        self._verbs: dict[str, Callable[[Arguments], dict[str, Any]]] = {
            "status": lambda _: live_status(supervisor),
            "stop": self._stop,
            "reload": self._reload,
            "scan": self._scan,
            "pause": self._pause,
            "resume": self._resume,
            "retry": self._retry,
        }

    def answer(self, request: Request) -> dict[str, Any]:
        """Do it, and say what came of it.

        Raises:
            UsageError: an unknown verb, rule or job.
        """
        verb = self._verbs.get(request.do)
        if verb is None:
            raise UsageError(
                f"this daemon does not know {request.do!r}",
                hint="is it an older version? upscaled --version; upscaled status",
            )
        return verb(request.arguments)

    def _stop(self, _arguments: Arguments) -> dict[str, Any]:
        self._supervisor.stop()
        return {}

    def _reload(self, _arguments: Arguments) -> dict[str, Any]:
        self._supervisor.reload()
        if self._supervisor.reload_error is not None:
            raise UsageError(self._supervisor.reload_error, hint="upscaled config check")
        return {"rules": [rule.name for rule in self._supervisor.settings.rules]}

    def _scan(self, _arguments: Arguments) -> dict[str, Any]:
        self._supervisor.inboxes.rescan()
        return {}

    def _pause(self, arguments: Arguments) -> dict[str, Any]:
        rule = self._rule(arguments)
        self._supervisor.store.pause(rule, "paused by hand", self._supervisor.clock.now())
        return {"rule": rule}

    def _resume(self, arguments: Arguments) -> dict[str, Any]:
        rule = self._rule(arguments)
        return {"rule": rule, "was_paused": self._supervisor.store.resume(rule)}

    def _rule(self, arguments: Arguments) -> str:
        rule = str(arguments.get("rule") or "")
        known = [known.name for known in self._supervisor.settings.rules]
        if rule and rule not in known:
            raise UsageError(f"there is no rule {rule!r}", hint=f"rules: {', '.join(known)}")
        return rule

    def _retry(self, arguments: Arguments) -> dict[str, Any]:
        wanted = arguments.get("jobs")
        if wanted is not None and not (
            isinstance(wanted, list) and all(isinstance(job, int) for job in wanted)
        ):
            raise UsageError("`jobs` is a list of numbers")
        return {"queued": self._supervisor.store.retry(wanted, self._supervisor.clock.now())}
