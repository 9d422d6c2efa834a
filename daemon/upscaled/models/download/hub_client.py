"""One download with `huggingface_hub`, in a process of its own (see `child`).

Its environment decides what the library reads when it is imported: HF_TOKEN, HF_ENDPOINT,
HF_HUB_OFFLINE. The request is JSON on the command line and holds no secret; the answer is lines
of JSON in a file: progress while it runs, then the path or what went wrong.
"""

import difflib
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import huggingface_hub
from huggingface_hub import errors

from upscaled.models.download.hub import HubRequest

EVERY_S = 0.1
MOST_LISTED = 12
SUFFIXES = (".safetensors", ".pth", ".pt", ".ckpt")
NCNN = (".param", ".bin")
UNAUTHORISED = (401, 403)
SET_HF = "set HF_TOKEN to a token that may read it (https://huggingface.co/settings/tokens)"
# Of httpx or httpx2, as the version of huggingface_hub has it.
HTTPError = errors.HTTPError  # type: ignore[attr-defined]


class Refused(Exception):
    """What the parent shall raise: the name of an error class, a message and a hint."""

    def __init__(self, kind: str, message: str, hint: str) -> None:
        super().__init__(kind, message, hint)
        self.answer = {"error": kind, "message": message, "hint": hint}


class Bar:
    """As much of tqdm as huggingface_hub uses, writing lines of JSON."""

    events: Path

    def __init__(self, *, total: int | None = None, initial: int = 0, **_: Any) -> None:
        self.total, self.n, self.last = total, initial, 0.0
        self.format_dict: dict[str, Any] = {}

    def update(self, amount: float = 1) -> None:
        self.n += int(amount)
        if time.monotonic() - self.last >= EVERY_S:
            self.last = time.monotonic()
            answer(self.events, {"done": self.n, "total": self.total})

    def refresh(self, *_: Any, **__: Any) -> None: ...
    def set_postfix_str(self, *_: Any, **__: Any) -> None: ...
    def close(self) -> None: ...
    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...


def answer(events: Path, line: dict[str, Any]) -> None:
    with events.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def download(request: HubRequest) -> Path:
    Bar.events = Path(request.events)
    try:
        return Path(
            huggingface_hub.hf_hub_download(
                request.repository,
                request.filename or only_model(request),
                revision=request.revision,
                cache_dir=request.cache,
                local_files_only=request.local_files_only,
                tqdm_class=Bar,  # as much of it as is used
            )
        )
    except errors.RemoteEntryNotFoundError as error:
        raise missing_file(request) from error
    except errors.RevisionNotFoundError as error:
        raise Refused(
            "ModelUnknown",
            f"{request.repository} has no revision {request.revision}",
            "name a branch, a tag or a commit of the repository, or leave @REVISION out",
        ) from error
    except errors.HfHubHTTPError as error:
        raise refused(request, error) from error
    except errors.HFValidationError as error:
        raise Refused("ModelUnknown", str(error), "write huggingface:owner/name:file") from error
    except (errors.LocalEntryNotFoundError, HTTPError, errors.OfflineModeIsEnabled) as error:
        raise unreachable(request, error) from error
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        raise Refused(
            "ModelUnavailable",
            f"{request.repository} could not be fetched: {error.strerror or error}{where}",
            "see whether the disk has room, then try again",
        ) from error


def refused(request: HubRequest, error: errors.HfHubHTTPError) -> Refused:
    status = error.response.status_code
    if isinstance(error, errors.GatedRepoError):
        page = f"{huggingface_hub.constants.ENDPOINT}/{request.repository}"
        return Refused(
            "ModelUnavailable",
            f"{request.repository} is gated: its owner wants to know who takes it",
            f"ask for access at {page}, then {SET_HF}",
        )
    if status in UNAUTHORISED:
        return Refused(
            "ModelUnavailable",
            f"{request.repository} does not exist or is private ({status})",
            f"check the name; if it is private, {SET_HF}",
        )
    if isinstance(error, errors.RepositoryNotFoundError):
        return Refused(
            "ModelUnknown",
            f"there is no repository {request.repository}",
            f"check the name; if it is private, {SET_HF}",
        )
    return Refused(
        "ModelUnavailable",
        f"the hub answered {status} for {request.repository}",
        "try again later",
    )


def unreachable(request: HubRequest, error: Exception) -> Refused:
    endpoint = huggingface_hub.constants.ENDPOINT
    if request.local_files_only or huggingface_hub.constants.is_offline_mode():
        return Refused(
            "ModelUnavailable",
            f"{request.repository} is not here, and the network may not be asked",
            "allow the network once (local_files_only, HF_HUB_OFFLINE)",
        )
    return Refused(
        "ModelUnavailable",
        f"{request.repository} could not be fetched from {endpoint}: {error.__cause__ or error}",
        "check the network, the proxy and HF_ENDPOINT, then try again",
    )


def files_of(request: HubRequest) -> list[str]:
    return huggingface_hub.HfApi().list_repo_files(request.repository, revision=request.revision)


def only_model(request: HubRequest) -> str:
    """The model file of a repository that has just one."""
    if request.local_files_only:
        raise Refused(
            "ModelUnavailable",
            f"which file of {request.repository} is meant cannot be asked without a network",
            f"name it: huggingface:{request.repository}:FILE",
        )
    models = [name for name in files_of(request) if name.endswith(SUFFIXES)]
    if len(models) == 1:
        return models[0]
    if not models:
        raise Refused(
            "ModelUnknown",
            f"{request.repository} has no model file",
            f"a model file ends with {', '.join(SUFFIXES)}",
        )
    raise Refused(
        "ModelUnknown",
        f"{request.repository} has {len(models)} model files: {listed(models)}",
        f"name one: huggingface:{request.repository}:{models[0]}",
    )


def missing_file(request: HubRequest) -> Refused:
    wanted = request.filename or ""
    try:
        names = files_of(request)
    except (HTTPError, OSError):
        names = []
    models = [name for name in names if name.endswith((*SUFFIXES, *NCNN))]
    near = difflib.get_close_matches(wanted, models, n=1, cutoff=0.4)
    return Refused(
        "ModelUnknown",
        f"{request.repository} has no file {wanted}; it has {listed(models or names)}",
        f"did you mean {near[0]}?" if near else "name one of these",
    )


def listed(names: Sequence[str]) -> str:
    more = len(names) - MOST_LISTED
    return ", ".join(names[:MOST_LISTED]) + (f" and {more} more" if more > 0 else "")


def main() -> None:
    request = HubRequest(**json.loads(sys.argv[1]))
    events = Path(request.events)
    try:
        path = download(request)
    except Refused as refusal:
        answer(events, refusal.answer)
    else:
        answer(events, {"path": os.fspath(path)})


if __name__ == "__main__":
    main()
