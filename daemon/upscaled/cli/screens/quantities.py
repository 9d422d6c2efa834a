"""Numbers as people say them."""

_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86_400


def duration(seconds: float) -> str:
    if seconds < _MINUTE_S - 0.5:
        return f"{max(seconds, 0):.0f} s"
    if seconds < _HOUR_S - 30:
        return f"{seconds / _MINUTE_S:.0f} min"
    if seconds < _DAY_S:
        return f"{seconds / _HOUR_S:.1f} h"
    return f"{seconds / _DAY_S:.0f} d"


def size(number: float) -> str:
    for unit in ("B", "kB", "MB"):
        if number < 1000:  # noqa: PLR2004 (SI)
            return f"{number:.0f} {unit}"
        number /= 1000
    return f"{number:.1f} GB"


def rate(megapixels_per_s: float) -> str:
    """Of the result."""
    digits = 2 if megapixels_per_s < 10 else 0  # noqa: PLR2004 (two digits say enough)
    return f"{megapixels_per_s:.{digits}f} MP/s"


def several(number: int, one: str, many: str | None = None) -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"
