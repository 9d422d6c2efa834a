"""A store in memory, and a queue with two words: drop and claim."""

import random
from collections.abc import Iterator

import pytest

from support.builders import DELIVERY, INBOX, NOW, RECIPE, arrival
from upscaled.job import Order
from upscaled.store.jobs import Store


class Queue:
    def __init__(self, store: Store) -> None:
        self.store = store

    def drop(self, *names: str, rule: str = "photos", version: int = 1, **more: object) -> int:
        """The number of files queued."""
        arrivals = [arrival(name, version=version) for name in names]
        options = {"recipe": RECIPE, "delivery": DELIVERY, "now": NOW} | more
        return self.store.admit(rule, INBOX, arrivals, **options)

    def claim(self, now: float = NOW, *, rule: str = "photos", suspect: bool = False) -> Order:
        """The next job of the rule, running."""
        ready = [r for r in self.store.ready([rule], now) if r.suspect == suspect]
        assert ready, "nothing is ready"
        order = self.store.claim(ready[0], "me", now)
        assert order is not None
        return order

    def names(self, now: float = NOW, *rules: str) -> list[str]:
        """What could be claimed now, rule by rule."""
        rows = {r.job_id for r in self.store.ready(rules or ["photos"], now)}
        return [self.path(job_id).rpartition("/")[2] for job_id in sorted(rows)]

    def path(self, job_id: int) -> str:
        path = self.column(job_id, "path")
        assert isinstance(path, bytes)
        return path.decode()

    def column(self, job_id: int, name: str) -> object:
        sql = f"SELECT {name} FROM job WHERE id = ?"  # noqa: S608 (a literal of the tests)
        return self.store._session.conn.execute(sql, (job_id,)).fetchone()[0]

    def events(self, job_id: int) -> list[str]:
        sql = "SELECT event FROM history WHERE job_id = ? ORDER BY id"
        return [row[0] for row in self.store._session.conn.execute(sql, (job_id,))]


@pytest.fixture
def store() -> Iterator[Store]:
    store = Store.in_memory(random.Random(1))  # noqa: S311 (repeatable delays)
    yield store
    store.close()


@pytest.fixture
def queue(store: Store) -> Queue:
    return Queue(store)
