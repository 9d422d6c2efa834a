"""What is made of a snapshot, from literals: no daemon, no worker, no disk."""

from dataclasses import replace
from pathlib import Path

import pytest

from support.builders import order
from upscaled.config.settings import RuleSettings, Settings
from upscaled.delivery import Delivery
from upscaled.errors import StoreUnavailable
from upscaled.recipe import Recipe
from upscaled.service.status.live import live_status, problems
from upscaled.service.status.problem import ProblemCode
from upscaled.service.status.snapshot import Snapshot, WorkerView
from upscaled.service.status.summary import summarise
from upscaled.service.workers.in_flight import InFlight
from upscaled.service.workers.worker_report import WorkerReport
from upscaled.watch.spec import InboxView
from upscaled.worker.messages import Unusable

INBOX = InboxView(
    root=Path("/inbox"),
    watched_by="inotify",
    reason=None,
    files=3,
    settling=0,
    last_scan_s=0.1,
    alive=True,
    beat_monotonic=0.0,
    first_scan_done=True,
)
RULE = RuleSettings("photos", (Path("/inbox"),), Recipe("m"), Delivery(Path("/outbox")))
CALM = Snapshot(
    store=Path("/state/upscaled.db"),
    settings=Settings((RULE,)),
    now=1_000.0,
    monotonic=500.0,
    started_at=900.0,
    is_ready=True,
    inboxes=(INBOX,),
    workers=(WorkerView("cpu", pid=7),),
    is_due_soon=False,
)


def flying() -> InFlight:
    job = InFlight(order(Path("/inbox/a.png"), Path("/outbox")), suspect=False, since=480.0)
    job.stage, job.stage_since, job.done, job.total = "upscale", 490.0, 1, 4
    return job


def test_a_calm_daemon_has_no_problems_and_is_drained() -> None:
    assert list(problems(CALM)) == []
    assert CALM.is_drained
    assert summarise(CALM) == "Watching 1 inbox · no model loaded"


@pytest.mark.parametrize(
    "busy",
    [
        replace(CALM, inboxes=(replace(INBOX, settling=1),)),
        replace(CALM, inboxes=(replace(INBOX, first_scan_done=False),)),
        replace(CALM, in_flight=(flying(),)),
        replace(CALM, has_open_ends=True),
        replace(CALM, is_due_soon=True),
    ],
)
def test_whatever_is_left_keeps_it_from_being_drained(busy: Snapshot) -> None:
    assert not busy.is_drained


def test_each_trouble_has_its_code() -> None:
    report = WorkerReport(unusable={"m": Unusable("m", "damaged", "pull it again")})
    troubled = replace(
        CALM,
        reload_error="line 3: no\nmore",
        store_trouble=StoreUnavailable("disk full"),
        workers=(
            WorkerView("cpu", restart_in_s=2.0, last_death="died: SIGSEGV", report=report),
            WorkerView("cuda:0", restart_in_s=0.0),
        ),
        source_troubles=("a.png cannot be deleted",),
        hook_troubles=("on_done of rule photos failed",),
        inboxes=(
            replace(INBOX, reason="it is gone", watched_by="missing"),
            replace(INBOX, reason="its disk has not answered for 9 s", is_held=True),
            replace(INBOX, reason="no inotify", watched_by="polled"),
            replace(INBOX, reason="on NFS", watched_by="polled", is_well=True),
        ),
    )
    found = {problem.code: problem for problem in problems(troubled)}
    assert set(found) == {
        ProblemCode.CONFIG_REFUSED,
        ProblemCode.STORE_WAITING,
        ProblemCode.MODEL_UNUSABLE,
        ProblemCode.WORKER_RESTARTING,
        ProblemCode.SOURCE_STUCK,
        ProblemCode.HOOK_FAILED,
        ProblemCode.INBOX_MISSING,
        ProblemCode.INBOX_SILENT,
        ProblemCode.INBOX_UNWATCHED,
    }
    assert "no inotify" in found[ProblemCode.INBOX_UNWATCHED].what
    assert found[ProblemCode.MODEL_UNUSABLE].subject == "m"
    assert found[ProblemCode.MODEL_UNUSABLE].hint == "pull it again"
    assert found[ProblemCode.WORKER_RESTARTING].subject == "cpu"
    assert "more" not in found[ProblemCode.CONFIG_REFUSED].what


def test_live_status_tells_how_far_a_job_is() -> None:
    document = live_status(replace(CALM, in_flight=(flying(),)))
    (job,) = document["flights"]
    assert (job["seconds"], job["eta_s"], job["rate_mp_s"]) == (20.0, 30.0, None)
    assert document["uptime_s"] == 100.0
    assert document["rules"][0]["inboxes"][0]["files"] == 3
    assert "opening" not in document


def test_a_daemon_that_waits_for_its_folder_says_so_in_the_same_document() -> None:
    opening = replace(
        CALM, is_opening=True, workers=(), inboxes=(), store_trouble=StoreUnavailable("no room")
    )
    document = live_status(opening)
    assert document["opening"] is True
    assert document["rules"] == []
    assert document["problems"][0]["code"] == "store-waiting"
    assert set(document) - {"opening"} == set(live_status(CALM))
