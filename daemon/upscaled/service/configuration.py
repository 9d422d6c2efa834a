"""The configuration that holds: read anew when it changes, kept while the new one is broken."""

import logging
from collections.abc import Callable, Sequence

from upscaled import log
from upscaled.clock import Clock
from upscaled.config.settings import RuleSettings, Settings
from upscaled.errors import ConfigError
from upscaled.service.config_changes import ConfigWatch

_log = logging.getLogger(__name__)


class Configuration:
    def __init__(
        self, settings: Settings, clock: Clock, load: Callable[[], Settings] | None
    ) -> None:
        """`load` raises ConfigError; None: there is nothing to be read anew."""
        self.settings = settings
        self.error: str | None = None
        """Why the changed one is refused."""
        self._load = load
        self._watch = ConfigWatch(clock, settings.watched)

    @property
    def active(self) -> Sequence[RuleSettings]:
        return [rule for rule in self.settings.rules if rule.enabled]

    @property
    def is_due(self) -> bool:
        """Whether its files have changed, and the user wants that to be noticed."""
        return self.settings.watch_config and self._watch.has_changed()

    @property
    def is_fixed(self) -> bool:
        return self._load is None

    def read(self) -> Settings | None:
        """Read it anew; what held before, None where it still holds: nothing new, or broken."""
        if self._load is None:
            return None
        self._watch.read()
        try:
            settings = self._load()
        except ConfigError as error:
            # What is wrong may stand in a file that the old configuration does not include.
            self._watch.follow([*self.settings.watched, *getattr(error, "watched", ())])
            self.error = error.message
            _log.error(
                "the new configuration is refused, the old one stays: %s",
                error,
                extra=log.fields(log.Event.RELOAD_REFUSED),
            )
            return None
        before, self.settings = self.settings, settings
        self.error = None
        self._watch.follow(settings.watched)
        return before
