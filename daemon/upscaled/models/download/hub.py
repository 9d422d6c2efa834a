"""Hugging Face repositories, through `huggingface_hub` in a child process, cached by it."""

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from upscaled import errors
from upscaled.errors import ModelError, ModelUnavailable
from upscaled.models.download.download_child import LOG, run_guarded
from upscaled.models.download.progress import FetchStage, Watch
from upscaled.models.download.remote import Downloaded
from upscaled.models.model_source import ModelSource

HUB = "hub"
CLIENT = "upscaled.models.download.hub_client"
EVENTS = "events.jsonl"
SHA256_NAME = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class HubAccess:
    """None: what `huggingface_hub` finds itself (HF_TOKEN, `hf auth login`, HF_ENDPOINT)."""

    token: str | None = None
    endpoint: str | None = None
    offline: bool = False
    cache_folder: Path | None = None
    """Instead of `hub/` in the models folder; it may be one that other programs use too."""

    def environment(self) -> dict[str, str]:
        """For the child: the library reads these when it is imported."""
        given = {"HF_HUB_DISABLE_TELEMETRY": "1"}
        if self.token:
            given["HF_TOKEN"] = self.token
        if self.endpoint:
            given["HF_ENDPOINT"] = self.endpoint
        if self.offline:
            given["HF_HUB_OFFLINE"] = "1"
        return given

    def __repr__(self) -> str:
        token = "set" if self.token else "unset"
        return f"HubAccess(token {token}, endpoint={self.endpoint!r}, offline={self.offline})"


@dataclass(frozen=True, slots=True)
class HubRequest:
    """One download, as the child gets it; it can be seen by `ps`, so it holds no secret."""

    repository: str
    filename: str | None
    revision: str | None
    cache: str
    events: str
    local_files_only: bool = False


class Hub:
    def __init__(self, models_dir: Path, access: HubAccess) -> None:
        self.cache = access.cache_folder or models_dir / HUB
        self.access = access

    def lock_name(self, source: ModelSource) -> str:
        return f"hub {source.repository}"

    def download(self, source: ModelSource, folder: Path, watch: Watch) -> Downloaded:
        repository = source.repository or ""
        if self.access.cache_folder is None:
            self._sweep(repository)
        events = _Events(folder / EVENTS, watch)
        request = HubRequest(
            repository=repository,
            filename=source.filename,
            revision=source.revision,
            cache=str(self.cache),
            events=str(events.file),
            local_files_only=source.local_files_only,
        )
        code = run_guarded(
            [CLIENT, json.dumps(asdict(request))],
            folder,
            tick=events.read,
            cancelled=watch.cancelled,
            environment=self.access.environment(),
        )
        events.read()
        if events.path is None:
            words = (folder / LOG).read_text(errors="replace").strip().rpartition("\n")[2]
            raise ModelUnavailable(
                f"{source} could not be fetched: {words or f'status {code}'}",
                hint="try again; `upscaled doctor` checks the network",
            )
        # The cache keeps a file under its ETag; that of a large file is its sha256.
        name = events.path.resolve().name
        return Downloaded(events.path, name if SHA256_NAME.fullmatch(name) else None)

    def keep(self, source: ModelSource, path: Path) -> Path:  # noqa: ARG002  the cache decided
        return path

    def discard(self, path: Path) -> int:
        blob = path.resolve()
        freed = blob.stat().st_size if blob.is_file() else 0
        path.unlink(missing_ok=True)
        if blob.is_relative_to(self.cache.resolve()):
            blob.unlink(missing_ok=True)
        return freed

    def _sweep(self, repository: str) -> None:
        """Remove what killed downloads left; the lock of the repository is held."""
        blobs = self.cache / f"models--{repository.replace('/', '--')}" / "blobs"
        for part in blobs.glob("*.incomplete"):
            part.unlink(missing_ok=True)


class _Events:
    """What the child says, read while it is written."""

    def __init__(self, file: Path, watch: Watch) -> None:
        self.file = file
        self.watch = watch
        self.offset = 0
        self.path: Path | None = None

    def read(self) -> None:
        """Raises the error that the child found."""
        if not self.file.exists():
            return
        with self.file.open("rb") as file:
            file.seek(self.offset)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                self.offset += len(line)
                self._take(json.loads(line))

    def _take(self, said: dict[str, Any]) -> None:
        match said:
            case {"path": path}:
                self.path = Path(path)
            case {"done": done, "total": total}:
                self.watch.report(FetchStage.DOWNLOADING, done, total)
            case {"error": kind, "message": message, "hint": hint}:
                error: type[ModelError] = getattr(errors, kind)
                raise error(message, hint=hint)
