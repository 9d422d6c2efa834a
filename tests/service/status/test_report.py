"""What `status --json` and `show --json` promise: keys are only ever added."""

import json
from pathlib import Path
from typing import Any

import pytest

import upscaled
from upscaled.service.status.problem import Problem, ProblemCode
from upscaled.service.status.report import build_report, job_report
from upscaled.store.views import HistoryView, JobView, Overview, PauseView, RuleCounts

JOB = JobView(
    id=7,
    rule="photos",
    state="done",
    file=Path("/inbox/caf\udce9.png"),
    output=Path("/outbox/caf\udce9_4x.png"),
    attempts=1,
    width_px=400,
    height_px=300,
    reason=None,
    hint=None,
    notes=("one",),
    timings={"decode_s": 0.1},
    duplicate_of=None,
    queued_at=1.0,
    claimed_at=2.0,
    finished_at=3.0,
    not_before=0.0,
)
LIVE: dict[str, Any] = {
    "pid": 42,
    "version": upscaled.__version__,
    "uptime_s": 3.0,
    "config_files": ["/c.yml"],
    "notices": ["a notice"],
    "workers": [{"device": "cpu", "pid": 43}],
    "rules": [
        {"name": "photos", "enabled": True, "model": "m", "output": "/outbox", "inboxes": []},
        {"name": "off", "enabled": False, "model": "m", "output": "/o", "inboxes": []},
    ],
    "flights": [{"id": 7, "stage": "upscale", "done": 1, "total": 2, "seconds": 4.0}],
    "problems": [Problem(ProblemCode.WORKER_RESTARTING, "the worker died").as_json()],
}

JOB_KEYS = {
    "id",
    "rule",
    "state",
    "file",
    "output",
    "attempts",
    "width_px",
    "height_px",
    "reason",
    "hint",
    "notes",
    "timings",
    "figures",
    "duplicate_of",
    "queued_at",
    "claimed_at",
    "finished_at",
    "not_before",
    "cause",
}
GOLDEN = {
    "": {
        "schema_version",
        "version",
        "sqlite",
        "daemon",
        "workers",
        "rules",
        "running",
        "delayed",
        "failed",
        "recent",
        "problems",
        "notices",
    },
    "sqlite": {"version", "warning"},
    "daemon": {"running", "answers", "pid", "version", "uptime_s", "config_files"},
    "rules": {
        "name",
        "state",
        "reason",
        "hint",
        "cause",
        "waiting",
        "running",
        "done",
        "done_day",
        "failed",
        "cancelled",
        "model",
        "output",
        "inboxes",
    },
    "running": JOB_KEYS | {"stage", "done", "total", "seconds", "rate_mp_s", "eta_s"},
    "delayed": JOB_KEYS,
    "failed": JOB_KEYS,
    "recent": JOB_KEYS,
    "problems": {"code", "what", "hint", "subject", "rules", "cause"},
}
OVERVIEW = Overview(
    rules={"photos": RuleCounts(waiting=1, done=2, done_day=1)},
    running=(JOB,),
    delayed=(JOB,),
    failed=(JOB,),
    recent=(JOB,),
    pauses=(PauseView("photos", "environment", "disk full", 1.0, 2.0),),
)


def report(overview: Overview = OVERVIEW, live: dict[str, Any] | None = LIVE) -> dict[str, Any]:
    return build_report(overview, live, [])


@pytest.mark.parametrize("part", GOLDEN)
def test_the_keys_that_were_promised_are_there(part: str) -> None:
    """One that goes needs a new `schema_version`; one that comes is added here."""
    document = report()
    found = document[part] if part else document
    for item in found if isinstance(found, list) else [found]:
        assert set(item) == GOLDEN[part]


def test_the_version_of_these_keys() -> None:
    assert report()["schema_version"] == 1
    assert job_report(JOB, ())["schema_version"] == 1


def test_it_is_json_of_any_name() -> None:
    text = json.dumps(report())
    assert json.loads(text) == report()
    assert report()["recent"][0]["file"] == "/inbox/caf\\xe9.png"
    text.encode("utf-8")


def test_what_runs_carries_what_only_the_daemon_knows() -> None:
    (running,) = report()["running"]
    assert (running["stage"], running["done"], running["total"]) == ("upscale", 1, 2)
    (unknown,) = report(live=LIVE | {"flights": []})["running"]
    assert unknown["stage"] is None


def test_without_a_daemon_the_database_speaks_alone() -> None:
    document = report(live=None)
    assert document["daemon"] == {"running": False, "pid": None}
    assert document["workers"] == []
    (rule,) = document["rules"]
    assert (rule["state"], rule["done"], rule["model"]) == ("stopped", 2, None)


def test_nothing_at_all_is_a_report_too() -> None:
    document = build_report(Overview(), None, [])
    assert set(document) == GOLDEN[""]
    assert document["rules"] == []


@pytest.mark.parametrize(
    ("pauses", "state"),
    [
        ((), "active"),
        ((PauseView("photos", "user", "x", 1.0, None),), "paused"),
        ((PauseView("", "user", "all", 1.0, None),), "paused"),
        ((PauseView("photos", "environment", "x", 1.0, 2.0),), "waiting"),
        ((PauseView("scans", "user", "x", 1.0, None),), "active"),
    ],
)
def test_the_state_of_a_rule_in_a_word(pauses: tuple[PauseView, ...], state: str) -> None:
    rules = {rule["name"]: rule for rule in report(Overview(pauses=pauses))["rules"]}
    assert rules["photos"]["state"] == state
    assert rules["off"]["state"] == "disabled"


def test_a_rule_that_only_the_database_knows_was_removed() -> None:
    rules = report(Overview(rules={"old": RuleCounts(failed=1)}))["rules"]
    assert [(rule["name"], rule["state"]) for rule in rules] == [
        ("photos", "active"),
        ("off", "disabled"),
        ("old", "removed"),
    ]


def test_problems_come_from_all_that_know_some() -> None:
    trouble = [Problem(ProblemCode.STORE_UNREADABLE, "the database is locked", "x")]
    problems = build_report(OVERVIEW, LIVE, trouble)["problems"]
    assert [problem["what"] for problem in problems] == [
        "the database is locked",
        "the worker died",
        "rule photos waits: disk full",
    ]
    assert "upscaled resume photos" in problems[2]["hint"]


def waits(code: str | None, rule: str = "photos") -> Overview:
    return Overview(pauses=(PauseView(rule, "environment", "it cannot be used", 1.0, 2.0, code),))


@pytest.mark.parametrize(
    ("overview", "shown"),
    [
        (waits("model-corrupt"), ["rule-waits"]),
        (waits("model-unavailable"), ["rule-waits"]),
        (waits("disk-full"), ["model-unusable", "rule-waits"]),
        (waits("model-corrupt", "scans"), ["model-unusable", "rule-waits"]),
        (waits(None), ["model-unusable", "rule-waits"]),
        (Overview(), ["model-unusable"]),
    ],
)
def test_an_unusable_model_is_told_once_by_the_rule_that_waits_for_it(
    overview: Overview, shown: list[str]
) -> None:
    """By their codes: nothing in the words of the two agrees."""
    model = Problem(
        ProblemCode.MODEL_UNUSABLE, "m is damaged", "pull it", subject="m", rules=("photos",)
    )
    document = report(overview, LIVE | {"problems": [model.as_json()]})
    assert [problem["code"] for problem in document["problems"]] == shown


def test_problems_of_a_daemon_that_knew_no_codes_are_shown_as_they_are() -> None:
    old = {"what": "model m cannot be used: damaged", "hint": None}
    newer = {"code": "model-unusable", "what": "m", "hint": None, "rules": None}
    document = report(waits("model-corrupt"), LIVE | {"problems": [old, newer]})
    assert document["problems"][:2] == [old, newer]


def test_the_hint_of_a_pause_is_the_problems_own() -> None:
    pause = PauseView("photos", "environment", "full", 1.0, 2.0, "disk-full", "make room")
    document = report(Overview(pauses=(pause,)), LIVE | {"problems": []})
    (problem,) = document["problems"]
    assert problem["what"] == "rule photos waits: full"
    assert problem["hint"].startswith("make room; ")
    assert (problem["cause"], problem["subject"]) == ("disk-full", "photos")
    rule = next(rule for rule in document["rules"] if rule["name"] == "photos")
    assert (rule["reason"], rule["hint"], rule["cause"]) == ("full", "make room", "disk-full")


def test_a_job_is_told_with_its_history() -> None:
    past = HistoryView(1.0, "claimed", "attempt 1"), HistoryView(2.0, "source", "gone", "deleted")
    document = job_report(JOB, past)
    assert set(document) == JOB_KEYS | {"schema_version", "history"}
    assert document["history"][1] == {
        "at": 2.0,
        "event": "source",
        "detail": "gone",
        "cause": "deleted",
    }


def test_a_daemon_of_another_version_is_a_problem_with_what_to_do() -> None:
    (problem, *_) = report(live=LIVE | {"version": "0.0.1"})["problems"]
    assert "0.0.1" in problem["what"]
    assert "restart upscaled" in problem["hint"]


def test_a_daemon_that_cannot_be_asked_is_not_said_to_be_stopped() -> None:
    document = build_report(OVERVIEW, None, [], silent=True)
    assert (document["daemon"]["running"], document["daemon"]["answers"]) == (True, False)
    assert {rule["state"] for rule in document["rules"]} == {"unknown"}
