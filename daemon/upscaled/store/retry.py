"""When to try again: pure, and with jitter, so that a crowd of jobs does not come back at once."""

import random

MAX_ATTEMPTS = 3
MAX_DEATHS = 3
"""A job that killed the worker this often, alone in it, is poison."""
MAX_RECOVERIES = 10
"""Daemon deaths while one job ran alone; ten reboots in a row are likelier than poison at three."""

_CONTENT_S = (10.0, 60.0, 600.0)
_ENVIRONMENT_FIRST_S = 5.0
_ENVIRONMENT_MOST_S = 300.0
_JITTER = 0.1
LONGEST_S = max(*_CONTENT_S, _ENVIRONMENT_MOST_S) * (1 + _JITTER) + 1.0
"""No delay is longer; a time further away was set by a clock that has been put back since."""


def content_delay_s(attempts: int, rng: random.Random) -> float:
    """Seconds until attempt `attempts` + 1 at a file that may still be arriving."""
    base = _CONTENT_S[min(max(attempts, 1), len(_CONTENT_S)) - 1]
    return base * rng.uniform(1 - _JITTER, 1 + _JITTER)


def environment_delay_s(tries: int, rng: random.Random) -> float:
    """Seconds until a paused rule looks again: 5 s doubling to five minutes, for ever."""
    base = min(_ENVIRONMENT_FIRST_S * 2.0 ** min(tries, 10), _ENVIRONMENT_MOST_S)
    return base * rng.uniform(1 - _JITTER, 1 + _JITTER)
