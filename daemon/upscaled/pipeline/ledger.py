"""The seam between a job that runs and the queue."""

from pathlib import Path
from typing import Protocol

from upscaled.job import ImageInfo, MountIdentity
from upscaled.outcomes import Duplicate, Result


class Ledger(Protocol):
    """What a job has to ask of, and tell to, the queue while it runs."""

    def describe(self, job_id: int, image_info: ImageInfo) -> str | None:
        """Why the rule does not take such a picture; None: it does."""
        ...

    def identify(self, job_id: int, content_sha256: str) -> Duplicate | None:
        """An earlier result of the same bytes by the same rule and recipe."""
        ...

    def announce(self, job_id: int, result: Result) -> None:
        """Committed when this returns: the file that is about to get this name is the job's."""
        ...

    def found(self, folder: Path, mount_identity: MountIdentity) -> None:
        """What an output folder lies on, where it is news."""
        ...


class NoLedger:
    """For `upscaled run`: nothing is queued, nothing is remembered."""

    def describe(self, job_id: int, image_info: ImageInfo) -> str | None:  # noqa: ARG002 (the seam)
        return None

    def identify(self, job_id: int, content_sha256: str) -> Duplicate | None:  # noqa: ARG002 (the seam)
        return None

    def announce(self, job_id: int, result: Result) -> None:
        pass

    def found(self, folder: Path, mount_identity: MountIdentity) -> None:
        pass
