"""The models that the rules name: here, whole, or to be fetched; and the hub they come from."""

import os
import urllib.error
import urllib.request
from collections.abc import Iterator

from upscaled.cli.checks.finding import Finding, fail, ok, warn
from upscaled.config.settings import Settings
from upscaled.dirs import Dirs
from upscaled.errors import UpscaledError
from upscaled.models.library import Library
from upscaled.models.model_reference import resolve
from upscaled.models.model_source import Provider

_HUB = "https://huggingface.co"
_HUB_S = 3.0
_OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
_TRUE = {"1", "on", "yes", "true"}


def names(settings: Settings) -> list[str]:
    enabled = [rule for rule in settings.rules if rule.enabled]
    return list(dict.fromkeys(name for rule in enabled for name in rule.recipe.models))


def check_models(settings: Settings, dirs: Dirs) -> Iterator[Finding]:
    library = Library(dirs.models)
    for name in names(settings):
        try:
            if library.locate(name) is None:
                yield warn(
                    "model",
                    f"{name} is not here yet: the start fetches it",
                    f"upscaled models pull '{name}'",
                )
            else:
                yield ok("model", f"{name} is here and whole: {library.verify(name)}")
        except UpscaledError as error:
            yield fail("model", f"{name}: {error.message}", error.hint)


def check_hub(settings: Settings, dirs: Dirs) -> Iterator[Finding]:
    endpoint = os.environ.get("HF_ENDPOINT", _HUB).rstrip("/")
    is_set = {name: os.environ.get(name, "").lower() in _TRUE for name in _OFFLINE}
    offline = next((name for name in _OFFLINE if is_set[name]), None)
    wanting = [name for name in names(settings) if _comes_from_hub(name, dirs)]
    if offline is not None:
        what = f"not asked: ${offline} is set"
        if wanting:
            yield fail("hub", f"{what}, and {wanting[0]} is not here", f"unset {offline}")
        else:
            yield ok("hub", what)
        return
    trouble = _unreachable(endpoint)
    if trouble is None:
        yield ok("hub", f"{endpoint} answers")
    elif wanting:
        remedy = f"curl -I {endpoint} (a proxy? set HTTPS_PROXY; a mirror? set HF_ENDPOINT)"
        yield fail("hub", f"{endpoint}: {trouble}, and {wanting[0]} is not here", remedy)
    else:
        yield ok("hub", f"{endpoint}: {trouble}; nothing that is configured needs it")


def _comes_from_hub(name: str, dirs: Dirs) -> bool:
    """And has not been fetched yet."""
    try:
        reference = resolve(name)
        from_hub = reference.model is None and reference.source.provider is Provider.HUGGINGFACE
        return from_hub and Library(dirs.models).locate(name) is None
    except UpscaledError:
        return False


def _unreachable(endpoint: str) -> str | None:
    if not endpoint.startswith(("https://", "http://")):
        return "$HF_ENDPOINT is not an address"
    try:
        request = urllib.request.Request(endpoint, method="HEAD")  # noqa: S310 (checked above)
        with urllib.request.urlopen(request, timeout=_HUB_S):  # noqa: S310 (checked above)
            return None
    except urllib.error.HTTPError:
        return None  # it answered
    except (OSError, ValueError) as error:
        return f"not reachable ({getattr(error, 'reason', None) or error})"
