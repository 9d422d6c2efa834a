"""Disks that are full, out of inodes or read-only, and too few files to open: in namespaces.

The daemon is the real one with a twin for its network; the faults are the kernel's own. Each test
puts the fault there, sees its reason in `status`, lifts it, and lets the daemon mend itself.
"""

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from crash_daemon import CheapDaemon, write_image

NOBODY_BUT_ROOT = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
FILES = 12
SIZE_PX = 48
"""Its result is of 9 kB: seven fit on 64 kB."""


_QUERY = """
import json, sqlite3, sys
rows = sqlite3.connect(sys.argv[1], uri=True).execute(sys.argv[2])
print(json.dumps(rows.fetchall()))
"""


class Namespace:
    """Mounts of its own, which last as long as its holder."""

    def __init__(self) -> None:
        self.holder = subprocess.Popen(
            ["unshare", *NOBODY_BUT_ROOT, "--mount", "sh", "-c", "echo in; exec sleep infinity"],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.holder.stdout is not None
        self.works = self.holder.stdout.readline() == "in\n"
        user = ["--user", "--preserve-credentials"] if NOBODY_BUT_ROOT else []
        self.enter = ("nsenter", "--target", str(self.holder.pid), "--mount", *user)

    def do(self, *words: str | Path) -> None:
        subprocess.run([*self.enter, *words], check=True, timeout=10)

    def mount(self, folder: Path, options: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.do("mount", "-t", "tmpfs", "-o", options, "tmpfs", folder)

    def remount(self, folder: Path, options: str) -> None:
        self.do("mount", "-o", f"remount,{options}", folder)

    def seen(self, path: Path) -> Path:
        """The path under which it is met from outside."""
        return Path(f"/proc/{self.holder.pid}/root", *path.parts[1:])

    def query(self, database: Path, sql: str) -> Any:
        """From inside: SQLite resolves what `seen` gives to a path of the outside."""
        words = [*self.enter, sys.executable, "-c", _QUERY, database.as_uri() + "?mode=ro", sql]
        return json.loads(subprocess.check_output(words, timeout=10))

    def end(self) -> None:
        self.holder.kill()
        self.holder.communicate()


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    namespace = Namespace()
    try:
        if not namespace.works:
            pytest.skip("no namespaces of one's own may be made here")
        yield namespace
    finally:
        namespace.end()


@pytest.fixture
def cheap(tmp_path: Path, home: Path, namespace: Namespace) -> Iterator[CheapDaemon]:
    daemon = CheapDaemon(tmp_path / "daemon", home=home)
    daemon.prefix = namespace.enter
    yield daemon
    daemon.end()
    daemon.show_log()


def says(daemon: CheapDaemon, *words: str) -> Callable[[], bool]:
    """Whether `status` names this as a problem now."""

    def is_said() -> bool:
        problems = [problem["what"] for problem in daemon.status()["problems"]]
        return any(all(word in what for word in words) for what in problems)

    return is_said


def attempts(daemon: CheapDaemon) -> dict[str, list[int]]:
    """Of all jobs that are done, by rule."""
    found: dict[str, list[int]] = {}
    with contextlib.closing(sqlite3.connect(f"file:{daemon.dirs.store}?mode=ro", uri=True)) as conn:
        for rule, count in conn.execute("SELECT rule, attempts FROM job WHERE state = 'done'"):
            found.setdefault(rule, []).append(count)
    return found


def test_what_a_full_or_read_only_disk_holds_up_is_done_when_there_is_room(
    cheap: CheapDaemon, namespace: Namespace
) -> None:
    faults = {"bytes": "size=64k", "inodes": "nr_inodes=4", "readonly": "size=9m"}
    rules: dict[str, Any] = {}
    for name, options in faults.items():
        namespace.mount(cheap.outbox / name, options)
        inbox = cheap.inbox / name
        rules[name] = {"watch": str(inbox), "output": str(cheap.outbox / name)}
        for number in range(FILES):
            write_image(inbox / f"{number}.png", number, SIZE_PX)
    namespace.remount(cheap.outbox / "readonly", "ro")
    cheap.configure(rules)
    cheap.start()

    full = "No space left on device"
    cheap.wait_until(says(cheap, "bytes", full), "no room for bytes")
    cheap.wait_until(says(cheap, "inodes", full), "no room for names")
    cheap.wait_until(says(cheap, "readonly", "Read-only file system"), "read-only")
    assert cheap.counts()["failed"] == 0
    namespace.remount(cheap.outbox / "bytes", "size=9m")
    namespace.remount(cheap.outbox / "inodes", "nr_inodes=999")
    namespace.remount(cheap.outbox / "readonly", "rw")

    cheap.wait_until(lambda: cheap.counts()["done"] == 3 * FILES, "all are done")
    assert attempts(cheap) == dict.fromkeys(faults, [1] * FILES)
    for name in faults:
        outbox = namespace.seen(cheap.outbox / name)
        assert cheap.results(outbox) == sorted(f"{number}_4x.png" for number in range(FILES))
    assert not says(cheap, "")()


def test_a_full_disk_under_the_queue_stops_the_work_and_loses_nothing(
    cheap: CheapDaemon, namespace: Namespace
) -> None:
    state = cheap.dirs.state
    namespace.mount(state, "size=16m")
    cheap.configure()
    cheap.start()
    cheap.wait_until(cheap.is_ready, "it is ready")
    pid = cheap.status()["daemon"]["pid"]
    namespace.do("sh", "-c", f"head -c 32m /dev/zero > '{state}/ballast' 2>/dev/null || true")
    for number in range(FILES):
        write_image(cheap.inbox / f"{number}.png", number)

    cheap.wait_until(says(cheap, "everything waits", "full"), "it says that the disk is full")
    namespace.do("rm", state / "ballast")

    def all_done() -> bool:
        rows = namespace.query(cheap.dirs.store, "SELECT state, attempts FROM job")
        return rows == [["done", 1]] * FILES

    cheap.wait_until(all_done, "all are done, at their first attempt")
    assert cheap.status()["daemon"]["pid"] == pid
    assert len(cheap.results()) == FILES
    assert not says(cheap, "everything waits")()
    cheap.send(signal.SIGTERM)
    assert cheap.wait_for_end() == 0


def test_a_disk_that_is_full_at_the_start_is_waited_for(
    cheap: CheapDaemon, namespace: Namespace
) -> None:
    state = cheap.dirs.state
    namespace.mount(state, "size=1m")
    namespace.do("sh", "-c", f"head -c 2m /dev/zero > '{state}/ballast' 2>/dev/null || true")
    cheap.configure()
    write_image(cheap.inbox / "a.png", 0)
    cheap.start()

    cheap.wait_until(says(cheap, "everything waits"), "it says why it waits")
    assert len(cheap.status()["problems"]) == 1
    namespace.do("rm", state / "ballast")
    cheap.wait_until(lambda: cheap.results() == ["a_4x.png"], "it goes on by itself")
    cheap.send(signal.SIGTERM)
    assert cheap.wait_for_end() == 0


def test_too_few_watches_are_named_in_status_and_every_file_is_done(
    cheap: CheapDaemon, namespace: Namespace
) -> None:
    limit = "/proc/sys/user/max_inotify_watches"
    cheap.prefix = (
        *namespace.enter,
        *("unshare", "--user", "--map-root-user"),
        *("sh", "-c", f'echo 8 > {limit} && exec "$@"', "sh"),
    )
    cheap.configure({"photos": {"poll": "1s"}})
    for number in range(20):
        write_image(cheap.inbox / str(number) / "a.png", number)
    cheap.start()

    cheap.wait_until(says(cheap, "user.max_inotify_watches is 8", "sysctl"), "the limit is named")
    cheap.wait_until(lambda: cheap.counts()["done"] == 20, "all are done")
    for number in range(20):
        write_image(cheap.inbox / str(number) / "b.png", 20 + number)
    cheap.wait_until(lambda: cheap.counts()["done"] == 40, "those that come later, too")
    assert attempts(cheap) == {"photos": [1] * 40}
    assert cheap.child is not None
    enter = ("nsenter", "--target", str(cheap.child.pid), "--user", "--preserve-credentials")
    subprocess.run([*enter, "sh", "-c", f"echo 1000 > {limit}"], check=True, timeout=10)
    cheap.wait_until(lambda: not cheap.status()["problems"], "it is mended by itself")


def test_thirty_two_open_files_are_enough(cheap: CheapDaemon) -> None:
    cheap.prefix = (*cheap.prefix, "prlimit", "--nofile=32")
    cheap.configure()
    for number in range(FILES):
        write_image(cheap.inbox / f"{number}.png", number)
    cheap.start()

    cheap.wait_until(lambda: cheap.counts()["done"] == FILES, "all are done")
    assert attempts(cheap) == {"photos": [1] * FILES}


def test_too_few_open_files_hold_the_work_up_and_cost_nothing(cheap: CheapDaemon) -> None:
    # Enough for the supervisor, and not for its worker.
    cheap.prefix = (*cheap.prefix, "prlimit", "--nofile=16:4096")
    cheap.configure()
    for number in range(FILES):
        write_image(cheap.inbox / f"{number}.png", number)
    cheap.spawn()

    # There may be none left for the control socket either.
    def lacks_files() -> bool:
        reasons = [inbox["reason"] for rule in cheap.status()["rules"] for inbox in rule["inboxes"]]
        # Whoever comes last gets none: the worker, or what watches the inbox.
        return "Too many open files" in cheap.log or "open no more files" in str(reasons)

    cheap.wait_until(lacks_files, "it says what it lacks")
    assert cheap.child is not None
    subprocess.run(["prlimit", f"--pid={cheap.child.pid}", "--nofile=4096:4096"], check=True)

    cheap.wait_until(lambda: cheap.counts()["done"] == FILES, "all are done")
    assert attempts(cheap) == {"photos": [1] * FILES}


def test_while_its_disks_are_not_mounted_a_rule_waits_and_nothing_is_written_beneath(
    cheap: CheapDaemon, namespace: Namespace
) -> None:
    disk = {"in": cheap.folder / "disk-in", "out": cheap.folder / "disk-out"}
    points = {"in": cheap.inbox / "nas", "out": cheap.outbox / "nas"}
    for name, folder in disk.items():
        folder.mkdir()
        points[name].mkdir()
        namespace.do("mount", "--bind", folder, points[name])
    # `points` as seen from here are what lies beneath: the mounts are the namespace's.
    cheap.configure({"photos": {"watch": str(points["in"]), "output": str(points["out"] / "deep")}})
    cheap.start()
    write_image(disk["in"] / "a.png", 1)
    cheap.wait_until(lambda: cheap.counts()["done"] == 1, "the first is done")
    assert cheap.results(disk["out"]) == ["deep/a_4x.png"]

    namespace.do("umount", points["out"])
    # What it lay on is known over a restart, too.
    cheap.kill_supervisor()
    cheap.start()
    write_image(disk["in"] / "b.png", 2)
    cheap.wait_until(says(cheap, str(points["out"]), "not mounted"), "it misses the output's disk")
    namespace.do("umount", points["in"])
    cheap.wait_until(says(cheap, "inbox", "not mounted"), "it misses the inbox's disk")
    assert list(points["out"].iterdir()) == []
    namespace.do("mount", "--bind", disk["out"], points["out"])
    cheap.call("resume", "photos")
    cheap.wait_until(
        says(cheap, "rule photos waits", str(points["in"]), "not mounted"),
        "it waits for its source",
    )
    namespace.do("mount", "--bind", disk["in"], points["in"])
    cheap.call("resume", "photos")

    cheap.wait_until(lambda: cheap.counts() == {"done": 2}, "both are done, and none cancelled")
    assert attempts(cheap) == {"photos": [1, 1]}
    assert cheap.results(disk["out"]) == ["deep/a_4x.png", "deep/b_4x.png"]
    assert list(points["out"].iterdir()) == []
