"""One JSON object a line each way, versioned; keys are only ever added."""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from upscaled.errors import ControlError, UsageError

VERSION = 1
MAX_REQUEST_BYTES = 64 * 1024
MAX_REPLY_BYTES = 16 << 20


class Request(NamedTuple):
    """`do` is a verb of the supervisor's; `arguments` are its own to check."""

    do: str
    arguments: Mapping[str, Any] = MappingProxyType({})


def encode_request(request: Request) -> bytes:
    return _line({"v": VERSION, "do": request.do, "arguments": dict(request.arguments)})


def decode_request(line: bytes) -> Request:
    """What a client asks.

    Raises:
        ControlError: not a request that this version answers.
    """
    document = _parse(line)
    if document.get("v") != VERSION:
        raise ControlError(
            f"this daemon speaks version {VERSION} of the control protocol, not "
            f"{document.get('v')!r}",
            hint="restart the daemon after an upgrade: systemctl --user restart upscaled",
        )
    verb, arguments = document.get("do"), document.get("arguments", {})
    if not isinstance(verb, str) or not isinstance(arguments, dict):
        raise ControlError("a request needs a verb `do` and may have an object `arguments`")
    return Request(verb, arguments)


def encode_reply(result: dict[str, Any]) -> bytes:
    return _line({"v": VERSION, "ok": True, "result": result})


def encode_refusal(message: str, hint: str | None, *, is_usage: bool = False) -> bytes:
    """`is_usage`: what was asked makes no sense; asking again does not help."""
    refusal = {"v": VERSION, "ok": False, "error": message, "hint": hint}
    return _line(refusal | ({"usage": True} if is_usage else {}))


def decode_reply(line: bytes) -> dict[str, Any]:
    """What the daemon answered.

    Raises:
        UsageError: what was asked makes no sense: an unknown rule, a job that is not there.
        ControlError: the daemon refused, or what came is no reply.
    """
    document = _parse(line)
    if document.get("ok") is not True:
        kind = UsageError if document.get("usage") is True else ControlError
        raise kind(
            str(document.get("error", "the daemon gave no reply that can be read")),
            hint=document.get("hint"),
        )
    result = document.get("result")
    return result if isinstance(result, dict) else {}


def _line(document: dict[str, Any]) -> bytes:
    return json.dumps(document).encode("ascii") + b"\n"


def _parse(line: bytes) -> dict[str, Any]:
    try:
        document = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ControlError("not a line of JSON") from error
    if not isinstance(document, dict):
        raise ControlError("not a JSON object")
    return document
