"""Model files from a URL: https or http, with the proxies of the environment."""

import hashlib
import http.client
import time
import urllib.error
import urllib.request
from pathlib import Path, PurePosixPath
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

from upscaled.errors import ModelUnavailable, ModelUnknown, StopRequested
from upscaled.models.download.progress import FetchStage, Watch
from upscaled.models.download.remote import Downloaded
from upscaled.models.model_source import ModelSource
from upscaled.models.workspace import settle

URLS = "url"
CHUNK_BYTES = 1 << 18
TIMEOUT_S = 30.0
ATTEMPTS = 5
PAUSE_S = 1.0
GONE = (404, 410)
PARTIAL = 206
USER_AGENT = "upscaled"


class Urls:
    def __init__(self, models_dir: Path, *, pause_s: float = PAUSE_S) -> None:
        self.models_dir = models_dir
        self.pause_s = pause_s

    def lock_name(self, source: ModelSource) -> str:
        return f"url {source.url}"

    def download(self, source: ModelSource, folder: Path, watch: Watch) -> Downloaded:
        """In one go; a connection that is cut goes on where it ended, up to five times."""
        url = source.url or ""
        target = folder / _filename(url)
        if source.local_files_only:
            raise ModelUnavailable(
                f"{url} is not here, and the network may not be asked",
                hint="allow the network once (local_files_only)",
            )
        cut: OSError | None = None
        with target.open("wb") as file:
            for attempt in range(ATTEMPTS):
                if attempt:
                    time.sleep(self.pause_s)
                try:
                    if _receive(url, file, watch):
                        return Downloaded(target)
                    cut = ConnectionError(f"cut after {file.tell()} bytes")
                except urllib.error.HTTPError as error:
                    raise _refused(url, error) from error
                except (OSError, http.client.HTTPException) as error:
                    cut = error if isinstance(error, OSError) else ConnectionError(str(error))
        raise ModelUnavailable(
            f"{url} could not be fetched: {getattr(cut, 'reason', None) or cut}",
            hint="check the network and the proxy, then try again",
        ) from cut

    def keep(self, source: ModelSource, path: Path) -> Path:
        url = source.url or ""
        # By its folder, so that the two halves of an ncnn model lie side by side.
        parts = urlsplit(url)
        beside = f"{parts.scheme}://{parts.netloc}{PurePosixPath(parts.path).parent}?{parts.query}"
        slug = hashlib.sha256(beside.encode()).hexdigest()[:16]
        target = self.models_dir / URLS / slug / _filename(url)
        settle(path, target)
        return target

    def discard(self, path: Path) -> int:
        freed = path.stat().st_size if path.is_file() else 0
        path.unlink(missing_ok=True)
        return freed


def _receive(url: str, file: BinaryIO, watch: Watch) -> bool:
    """Append what is missing; whether all of it came."""
    have = file.tell()
    headers = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    request = urllib.request.Request(url, headers=headers)  # noqa: S310  http(s) by its parser
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:  # noqa: S310
        if have and response.status != PARTIAL:
            file.seek(0)
            file.truncate()
            have = 0
        length = response.headers.get("Content-Length")
        total = have + int(length) if length else None
        while chunk := response.read(CHUNK_BYTES):
            if watch.cancelled():
                raise StopRequested("stopped while a model was fetched")
            file.write(chunk)
            watch.report(FetchStage.DOWNLOADING, file.tell(), total)
        return total is None or file.tell() >= total


def _refused(url: str, error: urllib.error.HTTPError) -> ModelUnavailable | ModelUnknown:
    error.close()
    if error.code in GONE:
        return ModelUnknown(f"there is nothing at {url} ({error.code})", hint="check the address")
    return ModelUnavailable(
        f"the server answered {error.code} {error.reason} for {url}", hint="try again later"
    )


def _filename(url: str) -> str:
    name = unquote(PurePosixPath(urlsplit(url).path).name)
    return name.replace("/", "_").replace("\0", "_").lstrip(".") or "model.pth"
