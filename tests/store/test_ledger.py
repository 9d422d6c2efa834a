"""Whatever happens in whatever order, the store agrees with the plainest model of it."""

import random
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from support.builders import DELIVERY, INBOX, NOW, RECIPE, arrival, done, result
from upscaled.job import JobState
from upscaled.outcomes import (
    Cancelled,
    Changed,
    Failed,
    Interrupted,
    Retry,
    Snoozed,
    Vanished,
)
from upscaled.store import retry
from upscaled.store.jobs import Store

RULES = ["photos", "scans"]
NAMES = ["a.png", "b.png", "c.png"]
MOST_ATTEMPTS = retry.MAX_ATTEMPTS + retry.MAX_DEATHS + retry.MAX_RECOVERIES
OUTCOMES = [
    done(),
    Failed("bad"),
    Retry("early"),
    Snoozed("full"),
    Snoozed("busy", whole_rule=False),
    Interrupted(),
    Changed(),
    Vanished(),
    Cancelled("by hand"),
]
LIVE = {"waiting", "running"}
FINAL = {"done", "failed", "cancelled"}


@dataclass
class Job:
    rule: str
    name: str
    version: int
    state: str = "waiting"
    attempts: int = 0
    forgotten: bool = False
    ends: list[str] = dataclass_field(default_factory=list)


class Ledger(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.store = Store.in_memory(random.Random(3))  # noqa: S311
        self.now = NOW
        self.owner = 1
        self.jobs: dict[int, Job] = {}
        self.versions = dict.fromkeys(NAMES, 1)

    def teardown(self) -> None:
        self.store.close()

    def running(self) -> list[int]:
        return [job_id for job_id, job in self.jobs.items() if job.state == "running"]

    def live(self, rule: str, name: str) -> Job | None:
        found = [
            job
            for job in self.jobs.values()
            if (job.rule, job.name) == (rule, name) and job.state in LIVE
        ]
        assert len(found) <= 1
        return found[0] if found else None

    def is_known(self, rule: str, name: str) -> bool:
        version = self.versions[name]
        return any(
            (job.rule, job.name, job.version) == (rule, name, version) and not job.forgotten
            for job in self.jobs.values()
        )

    # What happens

    @rule(rule=st.sampled_from(RULES), name=st.sampled_from(NAMES), again=st.booleans())
    def drop(self, rule: str, name: str, again: bool) -> None:
        live, known = self.live(rule, name), self.is_known(rule, name)
        wanted = again or not known
        expected = int(wanted and (live is None or live.state == "waiting"))
        version = self.versions[name]

        queued = self.store.admit(
            rule,
            INBOX,
            [arrival(name, version=version)],
            RECIPE,
            DELIVERY,
            now=self.now,
            again=again,
        )

        assert queued == expected
        if queued and live is not None:
            live.version = version
        elif queued:
            (new,) = self.store._session.conn.execute("SELECT max(id) FROM job").fetchone()
            assert new not in self.jobs
            self.jobs[new] = Job(rule, name, version)

    @rule(name=st.sampled_from(NAMES))
    def replace(self, name: str) -> None:
        self.versions[name] += 1

    @rule(rule=st.sampled_from(RULES))
    def claim(self, rule: str) -> None:
        for ready in self.store.ready([rule], self.now)[:1]:
            order = self.store.claim(ready, str(self.owner), self.now)
            assert order
            job = self.jobs[order.job_id]
            assert (job.state, job.rule, job.name) == ("waiting", rule, order.source.name)
            assert order.fingerprint == arrival(job.name, version=job.version).fingerprint
            assert order.attempt == job.attempts + 1
            job.state, job.attempts = "running", order.attempt

    @precondition(lambda self: self.running())
    @rule(outcome=st.sampled_from(OUTCOMES), pick=st.integers(0, 9))
    def end(self, outcome: Any, pick: int) -> None:
        job_id = self.running()[pick % len(self.running())]
        job = self.jobs[job_id]
        state = self.store.record(job_id, outcome, self.now)
        if isinstance(outcome, Interrupted | Snoozed):
            job.attempts -= 1
        if isinstance(outcome, Retry):
            too_often = job.attempts >= retry.MAX_ATTEMPTS
            assert state == ("failed" if too_often else "waiting")
        if isinstance(outcome, Changed | Vanished):
            job.forgotten = True
        job.state = state

    @precondition(lambda self: self.running())
    @rule()
    def worker_dies(self) -> None:
        ids = self.running()
        poison = self.store.died(ids, "SIGSEGV", self.now)
        for job_id in ids:
            job = self.jobs[job_id]
            job.state = "failed" if job_id in poison else "waiting"
            job.attempts -= len(ids) > 1
        assert len(ids) == 1 or not poison

    @rule(published=st.booleans(), told=st.booleans())
    def daemon_dies(self, published: bool, told: bool) -> None:
        ids = self.running()
        for job_id in ids if told else []:
            self.store.identify(job_id, "c" * 64)
            self.store.publishing(job_id, result())
        self.owner += 1
        orphans = self.store.orphans(str(self.owner))
        assert [orphan.job_id for orphan in orphans] == ids
        for orphan in orphans:
            state = self.store.adopt(orphan, self.now, published=published)
            assert (state is JobState.DONE) == (published and told)
            self.jobs[orphan.job_id].state = state

    @rule(rule=st.sampled_from(["", *RULES]))
    def pause(self, rule: str) -> None:
        self.store.pause(rule, "by hand", self.now)
        assert self.store.ready([rule], self.now) == ()

    @rule(rule=st.sampled_from(["", *RULES]))
    def resume(self, rule: str) -> None:
        self.store.resume(rule)

    @rule(data=st.data())
    def try_again(self, data: st.DataObject) -> None:
        ids = data.draw(st.none() | st.lists(st.sampled_from([*self.jobs, 10**9]), unique=True))
        wanted = {"failed"} if ids is None else {"failed", "cancelled"}
        expected = []
        for job_id in sorted(self.jobs) if ids is None else ids:
            job = self.jobs.get(job_id)
            if job and job.state in wanted and self.live(job.rule, job.name) is None:
                expected.append(job_id)
                job.state, job.attempts, job.forgotten = "waiting", 0, False
        assert self.store.retry(ids, self.now) == expected

    @rule(seconds=st.sampled_from([1.0, 11.0, 700.0, 1e6, -3600.0, -1e8]))
    def clock_moves(self, seconds: float) -> None:
        self.now += seconds

    # What holds at every moment

    @invariant()
    def the_store_agrees(self) -> None:
        rows = self.store._session.conn.execute("SELECT id, rule, path, state, attempts FROM job")
        seen = {row[0]: (row[1], row[2], row[3], row[4]) for row in rows}
        assert seen == {
            job_id: (job.rule, f"/inbox/{job.name}".encode(), job.state, job.attempts)
            for job_id, job in self.jobs.items()
        }

    @invariant()
    def no_job_runs_for_ever(self) -> None:
        assert all(0 <= job.attempts <= MOST_ATTEMPTS for job in self.jobs.values())

    @invariant()
    def nothing_is_lost(self) -> None:
        """What waits runs in the end, once nobody pauses it and time goes by."""
        waiting = {(j.rule, j.name) for j in self.jobs.values() if j.state == "waiting"}
        by_hand = {
            row[0]
            for row in self.store._session.conn.execute(
                "SELECT rule FROM pause WHERE until IS NULL"
            )
        }
        later = self.now + 2 * retry.LONGEST_S
        offered = {ready.rule for ready in self.store.ready(RULES, later)}
        free = set() if "" in by_hand else {rule for rule, _ in waiting} - by_hand
        assert offered == free

    @invariant()
    def the_next_wake_leads_somewhere(self) -> None:
        due = self.store.next_wake(self.now)
        assert due is None or self.now < due <= self.now + retry.LONGEST_S


TestLedger = Ledger.TestCase
TestLedger.settings = settings(
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
