"""What a worker says of itself, kept for `status`, and logged once."""

import logging
from dataclasses import dataclass, field

from upscaled.models.terms import terms
from upscaled.worker.messages import Beat, Fetching, FromWorker, Resident, Unusable

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class WorkerReport:
    resident: Resident | None = None
    fetching: Fetching | None = None
    unusable: dict[str, Unusable] = field(default_factory=dict)
    """By model."""
    beat: Beat | None = None

    def take(self, message: FromWorker) -> None:
        match message:
            case Beat():
                self.beat = message
            case Fetching():
                if self._is_news(message):
                    _log.info("model %s is fetched, once; %s", message.model, terms(message.model))
                self.fetching = message
            case Unusable(model, reason):
                self.fetching = None
                self.unusable[model] = message
                _log.error("model %s cannot be used: %s", model, reason)
            case Resident():
                self._loaded(message)
            case _:
                pass

    def _is_news(self, told: Fetching) -> bool:
        """A file of the user's own is only read."""
        before = self.fetching
        return not told.model.startswith("/") and (before is None or before.model != told.model)

    def _loaded(self, resident: Resident) -> None:
        self.resident = resident
        self.fetching = None
        self.unusable.pop(resident.model, None)
        _log.info(
            "model %s (%s, %d×) is ready on %s in %s after %.1f s",
            resident.model,
            resident.architecture,
            resident.scale,
            resident.device,
            resident.precision,
            resident.load_s,
        )
