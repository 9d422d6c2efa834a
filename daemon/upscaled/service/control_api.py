"""What the control socket can ask of the daemon."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from upscaled.clock import Clock
from upscaled.config.settings import RuleSettings
from upscaled.control.protocol import Request
from upscaled.control.server import refuse
from upscaled.errors import ControlError, UpscaledError, UsageError
from upscaled.job import Arrival
from upscaled.output.source_cleanup import fingerprint
from upscaled.service.configuration import Configuration
from upscaled.service.events import ControlRequest
from upscaled.store.jobs import Store
from upscaled.text import printable

Arguments = Mapping[str, Any]


class ControlApi:
    def __init__(
        self,
        store: Store,
        configuration: Configuration,
        clock: Clock,
        *,
        status: Callable[[], dict[str, Any]],
        scan: Callable[[], None],
        stop: Callable[[], None],
        reload: Callable[[], None],
    ) -> None:
        self._store = store
        self._configuration = configuration
        self._clock = clock
        self._do_scan, self._do_stop, self._do_reload = scan, stop, reload
        self._verbs: dict[str, Callable[[Arguments], dict[str, Any]]] = {
            "status": lambda _: status(),
            "stop": self._stop,
            "reload": self._reload,
            "scan": self._scan,
            "pause": self._pause,
            "resume": self._resume,
            "retry": self._retry,
            "forget": self._forget,
            "bump": self._bump,
            "add": self._add,
        }

    def take(self, asked: ControlRequest) -> None:
        """Do what somebody waits for, and answer, whatever comes of it."""
        # Else the asker has been told that it took too long.
        if asked.reply.set_running_or_notify_cancel():
            try:
                asked.reply.set_result(self.answer(asked.request))
            except Exception as error:  # noqa: BLE001 (the asker gets it, the daemon goes on)
                refuse(asked.reply, error)

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
        self._do_stop()
        return {}

    def _reload(self, _arguments: Arguments) -> dict[str, Any]:
        self._do_reload()
        if self._configuration.error is not None:
            raise ControlError(self._configuration.error, hint="upscaled config check")
        return {"rules": [rule.name for rule in self._configuration.settings.rules]}

    def _scan(self, _arguments: Arguments) -> dict[str, Any]:
        self._do_scan()
        return {}

    def _pause(self, arguments: Arguments) -> dict[str, Any]:
        rule = self._rule(arguments)
        self._store.pause(rule, "paused by hand", self._clock.now())
        return {"rule": rule}

    def _resume(self, arguments: Arguments) -> dict[str, Any]:
        rule = self._rule(arguments)
        return {"rule": rule, "was_paused": self._store.resume(rule)}

    def _rule(self, arguments: Arguments) -> str:
        rule = str(arguments.get("rule") or "")
        known = [known.name for known in self._configuration.settings.rules]
        if rule and rule not in known:
            raise UsageError(f"there is no rule {rule!r}", hint=f"rules: {', '.join(known)}")
        return rule

    def _retry(self, arguments: Arguments) -> dict[str, Any]:
        """Not what its rule has moved away: there is nothing to read at its place."""
        wanted, store = _jobs(arguments), self._store
        moved = store.moved_away(wanted)
        queued = store.retry(wanted, self._clock.now())
        told = {"queued": len(queued), "moved": len(moved)}
        # Of all that failed there may be too many to name.
        if wanted is None:
            return told
        return told | {
            "jobs": queued,
            "places": [(job, fate.note) for job, fate in moved.items()],
            "moved_to": [(job, printable(str(f.place))) for job, f in moved.items() if f.place],
        }

    def _forget(self, arguments: Arguments) -> dict[str, Any]:
        wanted = _jobs(arguments)
        done = self._store.forget(wanted, self._clock.now())
        return {"forgotten": len(done)} | ({} if wanted is None else {"jobs": done})

    def _bump(self, arguments: Arguments) -> dict[str, Any]:
        wanted = _jobs(arguments) or []
        done = self._store.bump(wanted, self._clock.now())
        return {"bumped": len(done), "jobs": done}

    def _add(self, arguments: Arguments) -> dict[str, Any]:
        """Files into a rule's queue where they lie; they are never moved or deleted."""
        files = arguments.get("files")
        if not (isinstance(files, list) and all(isinstance(file, str) for file in files)):
            raise UsageError("`files` is a list of names")
        rule = self._taker(arguments)
        delivery = replace(rule.delivery, on_success="keep", on_failure="keep")
        store, now = self._store, self._clock.now()
        jobs: list[int | None] = []
        for path in map(Path, files):
            found = fingerprint(path) if path.is_absolute() else None
            if found is None:
                jobs.append(None)
                continue
            above = [root for root in rule.roots if path.is_relative_to(root)]
            root = max(above, key=lambda root: len(root.parts), default=path.parent)
            store.admit(
                rule.name,
                root,
                [Arrival(path, found)],
                rule.recipe,
                delivery,
                now=now,
                priority=rule.priority,
                again=True,
            )
            jobs.append(store.live_job(rule.name, path))
        return {"rule": rule.name, "jobs": jobs, "output": printable(str(delivery.folder))}

    def _taker(self, arguments: Arguments) -> RuleSettings:
        active = self._configuration.active
        named = self._rule(arguments)
        fitting = [rule for rule in active if named in ("", rule.name)]
        if len(fitting) == 1:
            return fitting[0]
        names = ", ".join(rule.name for rule in active)
        problem = f"the rule {named!r} is not enabled" if named else "which rule shall take them?"
        raise UsageError(problem, hint=f"--rule with one of: {names}")


def decline(asked: ControlRequest, reason: UpscaledError) -> None:
    """It cannot be done now."""
    if asked.reply.set_running_or_notify_cancel():
        refuse(asked.reply, reason)


def _jobs(arguments: Arguments) -> list[int] | None:
    """Ids; None: all that failed."""
    wanted = arguments.get("jobs")
    if wanted is not None and not (
        isinstance(wanted, list) and all(isinstance(job, int) for job in wanted)
    ):
        raise UsageError("`jobs` is a list of numbers")
    return wanted
