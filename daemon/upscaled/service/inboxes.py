"""The watched folders of all rules: one inbox for each distinct root."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from upscaled import rules as matching
from upscaled.clock import Clock
from upscaled.config.settings import RuleSettings
from upscaled.dirs import find_trash
from upscaled.service.upkeep.known_mounts import MountOf
from upscaled.watch.inbox import STOP_S, Inbox
from upscaled.watch.spec import ArrivalBatch, InboxSpec, InboxView


class Watched(Protocol):
    """What the supervisor needs of an inbox. Twin in memory: `tests/support/fake_inboxes.py`."""

    def start(self) -> None: ...
    def begin_stop(self) -> None: ...
    def stop(self, timeout_s: float = ...) -> None: ...
    def rescan(self) -> None: ...
    def resettle(self, path: Path) -> None: ...
    def view(self) -> InboxView: ...


MakeInbox = Callable[[InboxSpec, Callable[[ArrivalBatch], None], Clock], Watched]


def real_inbox(spec: InboxSpec, deliver: Callable[[ArrivalBatch], None], clock: Clock) -> Watched:
    return Inbox(spec, deliver, clock)


def specs(active: Sequence[RuleSettings], mount_of: MountOf = lambda _: None) -> list[InboxSpec]:
    """What to watch. Rules that share a root share its inbox, at the more careful setting."""
    roots = dict.fromkeys(root for rule in active for root in rule.roots)
    return [
        replace(
            _spec(root, [rule for rule in active if root in rule.roots], active),
            mount_identity=mount_of(root),
        )
        for root in roots
    ]


def _spec(root: Path, sharing: Sequence[RuleSettings], active: Sequence[RuleSettings]) -> InboxSpec:
    def wants(relative: Path) -> bool:
        return matching.match(active, root / relative, root).rule is not None

    return InboxSpec(
        root=root,
        recursive=any(rule.recursive for rule in sharing),
        settle_s=max(rule.settle_s for rule in sharing),
        hidden=any(rule.hidden for rule in sharing),
        follow_symlinks=any(rule.follow_symlinks for rule in sharing),
        rescan_s=min(rule.rescan_s for rule in sharing),
        poll_s=min(rule.poll_s for rule in sharing),
        # What a rule throws away would come back for ever where an inbox holds the home.
        excluded=frozenset(
            {find_trash()} | {rule.delivery.folder for rule in active if not rule.allow_chain}
        ),
        wants=wants,
        require_mount=_strictest([rule.require_mount for rule in sharing]),
    )


def _strictest(wishes: Sequence[bool | None]) -> bool | None:
    return True if True in wishes else None if None in wishes else False


Meaning = tuple[InboxSpec, tuple[RuleSettings, ...]]
"""All that decides what an inbox delivers: equal ones deliver the same."""


def _meaning(spec: InboxSpec, active: Sequence[RuleSettings]) -> Meaning:
    asked = tuple(
        rule
        for rule in active
        if any(
            spec.root.is_relative_to(root) or root.is_relative_to(spec.root) for root in rule.roots
        )
    )
    # A function is equal to itself only; what it answers is decided by these rules. What the
    # root lies on the inbox knows best.
    return replace(spec, wants=None, mount_identity=None), asked


class Inboxes:
    def __init__(
        self,
        deliver: Callable[[ArrivalBatch], None],
        clock: Clock,
        make: MakeInbox,
        mount_of: MountOf = lambda _: None,
    ) -> None:
        self._mount_of = mount_of
        self._deliver = deliver
        self._clock = clock
        self._make = make
        self._watched: dict[Path, tuple[Meaning, Watched]] = {}

    def watch(self, active: Sequence[RuleSettings]) -> None:
        """Watch for these rules from now on. Inboxes that would do the same go on as they are."""
        before, self._watched = self._watched, {}
        wanted = {
            spec.root: (_meaning(spec, active), spec) for spec in specs(active, self._mount_of)
        }
        let_go = []
        for root, (meaning, inbox) in before.items():
            if root in wanted and wanted[root][0] == meaning:
                self._watched[root] = (meaning, inbox)
            else:
                let_go.append(inbox)
        self._stop(let_go, STOP_S)
        for root, (meaning, spec) in wanted.items():
            if root not in self._watched:
                inbox = self._make(spec, self._deliver, self._clock)
                self._watched[root] = (meaning, inbox)
                inbox.start()

    @property
    def _inboxes(self) -> list[Watched]:
        return [inbox for _, inbox in self._watched.values()]

    def begin_stop(self) -> None:
        """All at once: each may wait for a mount that does not answer."""
        for inbox in self._inboxes:
            inbox.begin_stop()

    def stop(self, timeout_s: float = STOP_S) -> None:
        """Their threads have ended, or `timeout_s` has passed for all of them together."""
        self._stop(self._inboxes, timeout_s)
        self._watched = {}

    def _stop(self, inboxes: Sequence[Watched], timeout_s: float) -> None:
        for inbox in inboxes:
            inbox.begin_stop()
        until = self._clock.monotonic() + timeout_s
        for inbox in inboxes:
            inbox.stop(max(until - self._clock.monotonic(), 0.0))

    def rescan(self) -> None:
        for inbox in self._inboxes:
            inbox.rescan()

    def resettle(self, path: Path) -> None:
        for inbox in self._inboxes:
            if path.is_relative_to(inbox.view().root):
                inbox.resettle(path)

    def views(self) -> list[InboxView]:
        return [inbox.view() for inbox in self._inboxes]
