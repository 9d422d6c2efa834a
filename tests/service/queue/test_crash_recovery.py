"""What a killed daemon left half done is finished, or given back."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.builders import NOW, RECIPE
from upscaled.delivery import Delivery
from upscaled.job import Arrival, Fingerprint, Order
from upscaled.outcomes import Result
from upscaled.output import durable
from upscaled.service.queue.crash_recovery import recover, run_mark
from upscaled.store.jobs import Store

CONTENT = b"a whole result"


class Wreck:
    """A store with one job that ran when its daemon was killed."""

    def __init__(self, folder: Path) -> None:
        self.outbox = folder / "out"
        self.outbox.mkdir()
        self.store = Store.in_memory()
        found = Arrival(folder / "caf\udce9.png", Fingerprint(1, 2, 3, 4))
        self.store.admit("photos", folder, [found], RECIPE, Delivery(self.outbox), now=NOW)
        (ready,) = self.store.ready(["photos"], NOW)
        order = self.store.claim(ready, "the dead", NOW)
        assert order
        self.order: Order = order

    def announced(self, content: bytes = CONTENT) -> Path:
        path = self.outbox / "caf\udce9_4x.png"
        digest = hashlib.sha256(content).hexdigest()
        self.store.identify(self.order.job_id, "c" * 64)
        self.store.publishing(self.order.job_id, Result(path, digest, 4, 4, 4))
        return path

    def recover(self) -> str:
        recover(self.store, "the living", NOW)
        (state,) = self.store._session.conn.execute("SELECT state FROM job").fetchone()
        return str(state)


@pytest.fixture
def wreck(tmp_path: Path) -> Iterator[Wreck]:
    wreck = Wreck(tmp_path)
    yield wreck
    wreck.store.close()


def test_a_job_whose_result_stands_is_done(wreck: Wreck) -> None:
    wreck.announced().write_bytes(CONTENT)
    assert wreck.recover() == "done"


@pytest.mark.parametrize("there", ["nothing", "other bytes", "a folder", "a link"])
def test_a_job_whose_result_does_not_stand_waits_again(wreck: Wreck, there: str) -> None:
    path = wreck.announced()
    if there == "other bytes":
        path.write_bytes(b"not ours")
    elif there == "a folder":
        path.mkdir()
    elif there == "a link":
        (wreck.outbox / "x").write_bytes(CONTENT)
        path.symlink_to(wreck.outbox / "x")
    assert wreck.recover() == "waiting"
    (ready,) = wreck.store.ready(["photos"], NOW)
    assert ready.suspect


def temporary(wreck: Wreck, path: Path) -> Path:
    return durable.temporary(path, f"{run_mark(wreck.store)}-{wreck.order.job_id}")


def test_a_name_that_was_only_claimed_gets_its_file(wreck: Wreck) -> None:
    """On file systems without a rename that spares what is there."""
    path = wreck.announced()
    path.write_bytes(b"")
    temporary(wreck, path).write_bytes(CONTENT)
    assert wreck.recover() == "done"
    assert [(p.name, p.read_bytes()) for p in wreck.outbox.iterdir()] == [(path.name, CONTENT)]


@pytest.mark.parametrize("part", [None, b"half"])
def test_a_claim_without_its_file_goes(wreck: Wreck, part: bytes | None) -> None:
    path = wreck.announced()
    path.write_bytes(b"")
    if part is not None:
        temporary(wreck, path).write_bytes(part)
    assert wreck.recover() == "waiting"
    assert not path.exists()


def test_a_job_that_announced_nothing_waits_again(wreck: Wreck) -> None:
    assert wreck.recover() == "waiting"


def test_a_result_that_cannot_be_made_durable_is_made_again(
    wreck: Wreck, monkeypatch: pytest.MonkeyPatch
) -> None:
    wreck.announced().write_bytes(CONTENT)

    def fail(_: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(durable.os, "fsync", fail)
    assert wreck.recover() == "waiting"


def test_after_a_recovery_there_is_nothing_to_recover(wreck: Wreck) -> None:
    wreck.recover()
    assert wreck.store.orphans("the living") == ()
    assert wreck.recover() == "waiting"
