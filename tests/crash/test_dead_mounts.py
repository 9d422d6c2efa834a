"""Disks that do not answer any more, as a network mount whose server is gone: real FUSE mounts.

Whoever touches one is held by the kernel until the mount is ended, in state D.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from crash_daemon import CheapDaemon, write_image
from test_limits import Namespace, attempts, namespace, says

__all__ = ["namespace"]

_HANG = """
import ctypes, os, signal, sys
fd = os.open("/dev/fuse", os.O_RDWR)
options = f"fd={fd},rootmode=40000,user_id={os.getuid()},group_id={os.getgid()}"
libc = ctypes.CDLL(None, use_errno=True)
if libc.mount(b"dead", os.fsencode(sys.argv[1]), b"fuse.dead", 0, options.encode()):
    sys.exit(os.strerror(ctypes.get_errno()))
print("in", flush=True)
signal.pause()
"""
"""A server that never answers, mounted without any help of fusermount."""


@pytest.fixture
def hasty(tmp_path: Path, home: Path, namespace: Namespace) -> Iterator[CheapDaemon]:
    daemon = CheapDaemon(tmp_path / "daemon", site="hasty", home=home)
    daemon.prefix = namespace.enter
    yield daemon
    daemon.end()
    daemon.show_log()


@contextmanager
def dead(namespace: Namespace, *points: Path) -> Iterator[None]:
    """While it lasts, these folders hang; what lies beneath is there again afterwards."""
    servers = []
    try:
        for point in points:
            words = [*namespace.enter, sys.executable, "-c", _HANG, point]
            servers.append(subprocess.Popen(words, stdout=subprocess.PIPE, text=True))
            told = servers[-1].stdout
            assert told is not None
            if told.readline() != "in\n":
                pytest.skip("no FUSE mounts may be made here")
        yield
    finally:
        for server in servers:
            server.kill()
            server.communicate()
    for point in points:
        namespace.do("umount", "--lazy", point)


@pytest.mark.parametrize("first", ["the daemon", pytest.param("the fault", marks=pytest.mark.soak)])
def test_a_disk_that_does_not_answer_holds_up_its_own_rule_alone(
    hasty: CheapDaemon, namespace: Namespace, first: str
) -> None:
    archive = hasty.folder / "archive"
    archive.mkdir()
    rules: dict[str, dict[str, object]] = {
        "good": {"on_success": "delete"},
        "moving": {"on_success": {"move": str(archive)}},
        "nas": {},
        "writing": {},
    }
    for name, rule in rules.items():
        (hasty.inbox / name).mkdir()
        (hasty.outbox / name).mkdir()
        rule["watch"], rule["output"] = str(hasty.inbox / name), str(hasty.outbox / name)
    hasty.configure(rules)
    if first == "the daemon":
        hasty.start()

    with dead(namespace, archive, hasty.inbox / "nas", hasty.outbox / "writing"):
        if first == "the fault":
            hasty.start()
        pid = hasty.status()["daemon"]["pid"]
        write_image(hasty.inbox / "moving" / "a.png", 1)
        write_image(hasty.inbox / "good" / "b.png", 2)
        hasty.wait_until(lambda: hasty.counts()["done"] == 2, "two are done")
        hasty.wait_until(says(hasty, str(archive), "does not answer"), "the archive is named")
        hasty.wait_until(says(hasty, "inbox", "nas", "has not answered"), "the inbox is named")
        good = write_image(hasty.inbox / "good" / "c.png", 3)
        hasty.wait_until(lambda: not good.exists(), "a good rule goes on to its end")
        assert (hasty.inbox / "moving" / "a.png").exists()
        write_image(hasty.inbox / "writing" / "d.png", 4)
        waits = says(hasty, "rule writing waits", str(hasty.outbox / "writing"), "not answer")
        hasty.wait_until(waits, "the output is named")
        good = write_image(hasty.inbox / "good" / "e.png", 5)
        hasty.wait_until(lambda: not good.exists(), "a good rule has a worker again")
    write_image(hasty.inbox / "nas" / "f.png", 6)

    hasty.wait_until(lambda: hasty.counts() == {"done": 6}, "all are done")
    assert attempts(hasty) == {"good": [1, 1, 1], "moving": [1], "nas": [1], "writing": [1]}
    hasty.wait_until((archive / "a.png").exists, "the source is where it belongs")
    hasty.wait_until(lambda: not hasty.status()["problems"], "nothing is said any more")
    assert hasty.status()["daemon"]["pid"] == pid
