"""A file that kills the worker, or keeps it for ever, between twenty good ones."""

import contextlib
import sqlite3
from pathlib import Path

import pytest
from crash_daemon import CheapDaemon, write_image

GOOD = 20
TIMEOUT_S = 1


@pytest.mark.parametrize(
    ("death", "reason"),
    [
        ("segfault", "it killed the worker 3 times (the worker died: killed by SIGSEGV)"),
        pytest.param(
            "oom",
            "it killed the worker 3 times (the worker died: killed by SIGKILL",
            marks=pytest.mark.soak,
        ),
        ("endless loop", "not done within the timeout of 1 s"),
    ],
)
def test_poison_fails_alone_and_its_neighbours_lose_nothing(
    tmp_path: Path, home: Path, death: str, reason: str
) -> None:
    daemon = CheapDaemon(tmp_path / "daemon", site="poison", home=home)
    for number in range(GOOD + 1):
        path = write_image(daemon.inbox / f"{number:02}.png", number)
        if number == GOOD // 2:
            path.write_bytes(path.read_bytes() + death.encode())
    daemon.configure({"photos": {"timeout": f"{TIMEOUT_S}s"}})
    try:
        daemon.start()
        pid = daemon.status()["daemon"]["pid"]
        daemon.wait_until(
            lambda: daemon.counts() == {"done": GOOD, "failed": 1}, "one failed, all else is done"
        )
        # A machine that is busy may not let it answer at once.
        daemon.wait_until(
            lambda: daemon.status()["daemon"]["pid"] == pid, "it is the same daemon that answers"
        )
    finally:
        daemon.end()
        daemon.show_log()

    with contextlib.closing(sqlite3.connect(daemon.dirs.store)) as conn:
        ((name, why),) = conn.execute("SELECT path, reason FROM job WHERE state = 'failed'")
        done = conn.execute("SELECT DISTINCT attempts, deaths FROM job WHERE state = 'done'")
        assert done.fetchall() == [(1, 0)]
    assert Path(name.decode()).name == f"{GOOD // 2:02}.png"
    assert why.startswith(reason)
    assert len(daemon.results()) == GOOD
