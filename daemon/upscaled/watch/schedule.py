"""When an inbox does what. Pure: times in, times out."""

import math
from collections.abc import Callable

ROOT_CHECK_S = 5.0
"""Renames of a folder above the root are not reported by inotify; one stat shows them."""
SCAN_SHARE = 0.001
"""A scan of everything may take this share of the time, whatever `rescan_s` says: 4 s an hour …"""
LONGEST_SCAN_PAUSE_S = 3600.0
"""… but an hour is the longest that a lost event goes unnoticed, however slow the disk is."""
POLL_SHARE = 0.05
"""What a look through unwatched folders may take …"""
DOUBT_SHARE = 0.1
"""… and what scans after lost events, which may come in series, may take."""
_FIRST_WAIT_S = 0.25
_LONGEST_WAIT_S = 10.0


class Backoff:
    """Waits that double from 0.25 s to 10 s, until something works again."""

    def __init__(self) -> None:
        self._wait_s = _FIRST_WAIT_S

    def next_s(self) -> float:
        wait_s = self._wait_s
        self._wait_s = min(wait_s * 2, _LONGEST_WAIT_S)
        return wait_s

    def reset(self) -> None:
        self._wait_s = _FIRST_WAIT_S


class Schedule:
    """The next root check, scan of everything, and poll of what inotify does not cover."""

    def __init__(self, rescan_s: float, poll_s: float, spread: Callable[[], float]) -> None:
        """`spread` gives a factor around 1, so that inboxes do not scan in step."""
        self._rescan_s = rescan_s
        self._poll_s = poll_s
        self._spread = spread
        self._absent = Backoff()
        self.present = False
        """Without a root there is nothing to scan."""
        self.root_due = -math.inf
        self.scan_due = math.inf
        self.poll_due = math.inf
        self.last_scan_s: float | None = None

    def next_due(self) -> float:
        return min(self.root_due, self.scan_due, self.poll_due) if self.present else self.root_due

    def root_checked(self, now: float, *, present: bool) -> None:
        self.present = present
        if present:
            self._absent.reset()
        self.root_due = now + (ROOT_CHECK_S if present else self._absent.next_s())

    def scan_at_once(self) -> None:
        self.scan_due = -math.inf

    def doubt(self, now: float) -> None:
        """Events were lost: scan soon, but never most of the time."""
        self.scan_due = min(self.scan_due, now + (self.last_scan_s or 0.0) / DOUBT_SHARE)

    def scanned(self, now: float, took_s: float, *, unwatched: bool) -> None:
        self.last_scan_s = took_s
        cheap_s = min(took_s / SCAN_SHARE, LONGEST_SCAN_PAUSE_S)
        self.scan_due = now + max(self._rescan_s * self._spread(), cheap_s)
        self.polled(now, took_s, unwatched=unwatched)

    def polled(self, now: float, took_s: float, *, unwatched: bool) -> None:
        """`unwatched`: whether there is anything to poll."""
        pause_s = max(self._poll_s, took_s / POLL_SHARE)
        self.poll_due = now + pause_s if unwatched else math.inf
