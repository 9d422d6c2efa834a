"""The line that `systemctl --user status` shows."""

from dataclasses import replace
from pathlib import Path

from support.builders import order
from upscaled.service.status.summary import refused, starting, trouble, working
from upscaled.service.workers.slot import InFlight, WorkerReport
from upscaled.watch.spec import InboxView
from upscaled.worker.messages import Fetching, Resident, Unusable

VIEW = InboxView(
    root=Path("/inbox"),
    watched_by="inotify",
    reason=None,
    files=3,
    settling=1,
    last_scan_s=0.1,
    alive=True,
    beat_monotonic=0.0,
    first_scan_done=True,
)
LOADED = WorkerReport(resident=Resident("m", "rrdbnet", 4, "cpu", "bf16", "exact", 1.0))


def test_a_start_says_what_it_waits_for() -> None:
    fetching = WorkerReport(fetching=Fetching("m", "weights", 45, 100))
    unscanned = replace(VIEW, first_scan_done=False)
    assert starting([VIEW], [fetching]) == "Starting: fetching m 45%"
    assert starting([VIEW, unscanned], [WorkerReport()]).endswith("through /inbox (4 files)")
    assert starting([VIEW], [WorkerReport()]) == "Starting: loading the model"


def test_an_inbox_that_is_not_there_does_not_hold_up_the_start() -> None:
    missing = replace(VIEW, first_scan_done=False, watched_by="missing")
    assert starting([missing], [WorkerReport()]) == "Starting: loading the model"


def test_work_is_told_with_its_share_and_what_waits() -> None:
    flight = InFlight(order(Path("/inbox/a\nb.png"), Path("/outbox")), suspect=False, since=0.0)
    flight.stage, flight.done, flight.total = "upscale", 9, 20

    line = working([VIEW], [LOADED], [flight, flight], waiting=1, is_paused=False)

    assert line == r"Upscaling a\nb.png 45% and 1 more · 1 file queued · m on cpu (bf16)"


def test_idle_paused_and_troubled_daemons_say_so() -> None:
    unusable = WorkerReport(unusable={"m": Unusable("m", "damaged")})
    assert (
        working([VIEW, VIEW], [LOADED, LOADED], [], waiting=0, is_paused=False)
        == "Watching 2 inboxes · m on cpu (bf16)"
    )
    assert working([VIEW], [LOADED], [], waiting=2, is_paused=True).startswith(
        "Paused · Watching 1 inbox · 2 files queued"
    )
    assert "model m cannot be used" in working([VIEW], [unusable], [], waiting=0, is_paused=False)
    assert trouble("disk full") == "Everything waits: disk full"
    assert refused("a.yml:1:2: no\nmore") == (
        "The changed configuration is refused, the old one holds: a.yml:1:2: no"
    )
