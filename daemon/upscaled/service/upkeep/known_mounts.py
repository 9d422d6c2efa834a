"""What the folders of the rules were last found to lie on, kept over restarts.

A daemon that starts before a disk is mounted has to know that there was one.
"""

import json
import logging
from collections.abc import Callable
from pathlib import Path

from upscaled import codec
from upscaled.clock import Clock
from upscaled.job import MountIdentity
from upscaled.store.jobs import Store

_log = logging.getLogger(__name__)
MountOf = Callable[[Path], MountIdentity | None]
_PREFIX = "footing:"


class KnownMounts:
    """`of` is for any thread, `learn` for the supervisor's own."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._known: dict[Path, MountIdentity] = {}

    def recall(self) -> None:
        """What earlier runs learned."""
        for key, value in self._store.learned().items():
            if key.startswith(_PREFIX):
                self._recall(key.removeprefix(_PREFIX), value)

    def _recall(self, name: str, value: str) -> None:
        try:
            self._known[Path(json.loads(name))] = codec.loads(value, MountIdentity)
        except ValueError as error:
            _log.warning("what %s lay on is forgotten: %s", name, error)

    def of(self, folder: Path) -> MountIdentity | None:
        return self._known.get(folder)

    def learn(self, folder: Path, mount_identity: MountIdentity) -> None:
        """Committed when this returns."""
        if self._known.get(folder) != mount_identity:
            # As JSON: a path need not be UTF-8.
            key = _PREFIX + json.dumps(str(folder))
            self._store.learn(key, codec.dumps(mount_identity), self._clock.now())
            self._known[folder] = mount_identity
