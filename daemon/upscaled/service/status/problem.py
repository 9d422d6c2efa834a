"""What keeps the daemon from doing all its work, as `status` shows it."""

from dataclasses import asdict, dataclass
from typing import Any

from upscaled.text import printable


@dataclass(frozen=True, slots=True)
class Problem:
    code: str
    """Stable, for programs and translations; each is listed in `docs/monitoring.md`."""
    what: str
    """One sentence for people."""
    hint: str | None = None
    """The next command to type, or what to set."""

    def as_json(self) -> dict[str, Any]:
        """Fit to be shown anywhere: names from a disk may hold control characters."""
        made = asdict(self)
        return {key: value if value is None else printable(value) for key, value in made.items()}
