"""Durations and sizes as people write them."""

import math
import re

_NUMBER = r"[0-9]+(?:\.[0-9]+)?"
_DURATION = re.compile(rf"(?:{_NUMBER}(?:ms|s|m|h|d|w))+|{_NUMBER}")
_PART = re.compile(rf"({_NUMBER})(ms|s|m|h|d|w)?")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800, "": 1}
_SIZE = re.compile(rf"({_NUMBER})\s*([kmgt]?)(i?)b?", re.IGNORECASE)
_SHARE = re.compile(rf"({_NUMBER})\s*%")
_LONGEST_S = 10 * 365 * 86_400.0


def seconds(value: object) -> float:
    """Seconds of `500ms`, `30s`, `5m`, `1h30m`, or of a plain number.

    Raises:
        ValueError: in words for the user.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("a duration is needed, like 30s, 5m or 500ms")  # noqa: TRY004  pydantic's
    text = str(value).replace(" ", "").lower()
    if not _DURATION.fullmatch(text):
        raise ValueError(f"'{value}' is not a duration; write one like 30s, 5m, 1h30m or 500ms")
    total = sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(text))
    if total > _LONGEST_S:
        raise ValueError(f"'{value}' is longer than ten years")
    return total


def size_bytes(value: object) -> int:
    """Bytes of `4GB` (decimal), `512MiB` (binary), or of a plain number.

    Raises:
        ValueError: in words for the user.
    """
    found = None if isinstance(value, bool) else _SIZE.fullmatch(str(value).strip())
    if found is None:
        raise ValueError(f"'{value}' is not a size; write one like 4GB, 512MiB or 1.5GB")
    number, prefix, binary = found.groups()
    power = " kmgt".index(prefix.lower() or " ")
    total = float(number) * (1024 if binary else 1000) ** power
    if not math.isfinite(total) or total > 2**60:
        raise ValueError(f"'{value}' is more than any machine has")
    return int(total)


def share(value: object) -> float | None:
    """0.5 of `50%`; None where the value is no percentage.

    Raises:
        ValueError: not more than 0 % and at most 100 %.
    """
    found = _SHARE.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        return None
    part = float(found.group(1)) / 100
    if not 0 < part <= 1:
        raise ValueError(f"'{value}' is not between 0% and 100%")
    return part
