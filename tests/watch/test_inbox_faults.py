"""The known ways in which watching fails silently; none of them loses a file here."""

import contextlib
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from watchdog.observers.inotify_c import InotifyEvent, InotifyFD

from conftest import Eventually
from upscaled.watch import schedule
from upscaled.watch.root import RootState
from watch.conftest import Watch

CHILD = Path(__file__).with_name("child.py")
QUEUED_EVENTS = Path("/proc/sys/fs/inotify/max_queued_events")
NAMESPACE = ["unshare", "-Urm"]
NO_PRIVILEGES = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]
HOURS_S = 7200.0


class Child:
    def __init__(self, root: Path, prefix: list[str], spec: dict[str, Any]) -> None:
        words = [*prefix, sys.executable, str(CHILD), str(root), json.dumps(spec)]
        self.program = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, command: str) -> Any:
        assert self.program.stdin is not None
        assert self.program.stdout is not None
        self.program.stdin.write(command + "\n")
        self.program.stdin.flush()
        return json.loads(self.program.stdout.readline())

    def end(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            self.program.communicate(timeout=10)


Start = Callable[..., Child]


@pytest.fixture
def child(root: Path) -> Iterator[Start]:
    """`child(*prefix, **spec)`: an inbox in a process that is not started yet ("start")."""
    started: list[Child] = []

    def start(*prefix: str, **spec: Any) -> Child:
        spec = {"settle_s": 0.1, "rescan_s": HOURS_S, **spec}
        started.append(Child(root, list(prefix), spec))
        return started[-1]

    yield start
    for each in started:
        each.end()


def needs(words: list[str], why: str) -> None:
    answer = subprocess.run([*words, "true"], capture_output=True, text=True, check=False)
    if answer.returncode:
        pytest.skip(f"{why}: {answer.stderr.strip()}")


def fill(root: Path, names: list[str]) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"pixels")


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Roots are checked every 0.1 s."""
    monkeypatch.setattr(schedule, "ROOT_CHECK_S", 0.1)


def test_an_overflow_of_the_event_queue_loses_no_file(
    child: Start, root: Path, eventually: Eventually
) -> None:
    inbox = child()
    inbox.ask("start")
    eventually(lambda: inbox.ask("view")[2])
    count = int(QUEUED_EVENTS.read_text()) // 2 + 1000  # each file is a create and a close
    inbox.program.send_signal(signal.SIGSTOP)
    try:
        for number in range(count):
            os.close(os.open(root / f"{number}.png", os.O_CREAT | os.O_WRONLY, 0o600))
            os.truncate(root / f"{number}.png", 1)
        fill(root, ["folder born in the dark/a.png"])
    finally:
        inbox.program.send_signal(signal.SIGCONT)
    eventually(lambda: inbox.ask("count") >= count + 1, 30)
    assert len(set(inbox.ask("names"))) == count + 1
    fill(root, ["folder born in the dark/b.png"])
    eventually(lambda: "folder born in the dark/b.png" in inbox.ask("names"))


def test_folders_beyond_the_watch_limit_are_polled_until_it_is_raised(
    child: Start, root: Path, eventually: Eventually
) -> None:
    needs(NAMESPACE, "needs user namespaces")
    before = [f"{number}/sub/before.png" for number in range(20)]
    after = [f"{number}/sub/after.png" for number in range(20)]
    fill(root, before)
    inbox = child(*NAMESPACE, poll_s=0.3)
    inbox.ask("limit max_inotify_watches=8")
    inbox.ask("start")
    eventually(lambda: inbox.ask("names") == sorted(before))
    _, reason, _, _ = inbox.ask("view")
    assert "and 32 other folders" in reason
    assert "user.max_inotify_watches is 8" in reason
    assert "sudo sysctl user.max_inotify_watches=524288" in reason
    assert not inbox.ask("well")
    fill(root, [*after, "new/folder/a.png"])
    eventually(lambda: inbox.ask("names") == sorted([*before, *after, "new/folder/a.png"]))

    inbox.ask("limit max_inotify_watches=1000")
    eventually(lambda: inbox.ask("view")[:2] == ["inotify", None])


def test_an_inbox_without_an_inotify_instance_polls_until_it_gets_one(
    child: Start, root: Path, eventually: Eventually
) -> None:
    needs(NAMESPACE, "needs user namespaces")
    fill(root, ["a.png"])
    inbox = child(*NAMESPACE, poll_s=0.3)
    inbox.ask("limit max_inotify_instances=0")
    inbox.ask("start")
    eventually(lambda: inbox.ask("names") == ["a.png"])
    fill(root, ["sub/b.png"])
    eventually(lambda: inbox.ask("names") == ["a.png", "sub/b.png"])
    watched_by, reason, _, _ = inbox.ask("view")
    assert watched_by == "polled"
    assert "sudo sysctl user.max_inotify_instances=1024" in reason

    inbox.ask("limit max_inotify_instances=10")
    eventually(lambda: inbox.ask("view")[:2] == ["inotify", None])
    fill(root, ["sub/c.png"])
    eventually(lambda: inbox.ask("names") == ["a.png", "sub/b.png", "sub/c.png"])


def test_a_process_that_may_open_no_more_files_says_so_and_goes_on_when_it_may(
    child: Start, root: Path, eventually: Eventually
) -> None:
    fill(root, ["sub/a.png"])
    inbox = child(poll_s=0.2)
    inbox.ask("files 3")
    inbox.ask("start")
    eventually(lambda: "may open no more files" in (inbox.ask("view")[1] or ""))
    assert inbox.ask("names") == []
    inbox.ask("files 256")
    eventually(lambda: inbox.ask("names") == ["sub/a.png"])
    eventually(lambda: inbox.ask("view")[:2] == ["inotify", None])


def test_a_network_mount_below_a_local_root_is_polled_and_the_rest_is_watched(
    child: Start, root: Path, eventually: Eventually
) -> None:
    needs(NAMESPACE, "needs user namespaces")
    (root / "nas").mkdir()
    inbox = child(*NAMESPACE, poll_s=0.5)
    inbox.ask("mounts cifs")
    assert inbox.ask(f"shell mount -t tmpfs none '{root}/nas'") == 0
    inbox.ask("start")
    eventually(lambda: inbox.ask("view")[2])
    watched_by, reason, _, _ = inbox.ask("view")
    assert watched_by == "inotify"
    assert f"{root}/nas: looked through every 0.5 s" in reason
    assert "does not see changes on cifs" in reason
    assert inbox.ask("well"), "polling it is no trouble"
    inbox.ask(f"shell mkdir '{root}/nas/deep'; echo x > '{root}/nas/deep/a.png'")
    fill(root, ["local.png"])
    eventually(lambda: inbox.ask("names") == ["local.png", "nas/deep/a.png"])

    assert inbox.ask(f"shell umount '{root}/nas'") == 0
    fill(root, ["nas/below the mount.png"])
    eventually(lambda: "nas/below the mount.png" in inbox.ask("names"))
    eventually(lambda: inbox.ask("view")[:2] == ["inotify", None])


def test_an_unmounted_root_is_not_an_emptied_one(
    child: Start, root: Path, tmp_path: Path, eventually: Eventually
) -> None:
    needs(NAMESPACE, "needs user namespaces")
    fill(tmp_path / "disk", ["a.png", "sub/b.png"])
    inbox = child(*NAMESPACE)
    assert inbox.ask(f"shell mount --bind disk '{root}'") == 0
    inbox.ask("start")
    eventually(lambda: inbox.ask("names") == ["a.png", "sub/b.png"])

    assert inbox.ask(f"shell umount '{root}'") == 0
    eventually(lambda: inbox.ask("view")[0] == "missing")
    assert "not mounted" in inbox.ask("view")[1]
    fill(root, ["below the mount.png"])
    fill(tmp_path / "disk", ["sub/while away.png"])
    assert inbox.ask(f"shell mount --bind disk '{root}'") == 0
    inbox.ask("rescan")
    eventually(lambda: "sub/while away.png" in inbox.ask("names"))
    assert inbox.ask("names") == ["a.png", "sub/b.png", "sub/while away.png"]
    assert inbox.ask("view")[3] == 3


def test_an_unreadable_folder_is_an_oddity_until_it_can_be_read(
    child: Start, root: Path, eventually: Eventually
) -> None:
    prefix: list[str] = []
    if os.geteuid() == 0:
        needs(NO_PRIVILEGES, "needs a root without its privileges")
        prefix = NO_PRIVILEGES
    fill(root, ["shut/a.png", "shut.png/b.png", "c.png"])
    for name in ("shut", "shut.png"):
        (root / name).chmod(0)
    try:
        inbox = child(*prefix)
        inbox.ask("start")
        eventually(lambda: inbox.ask("names") == ["c.png", "shut", "shut.png"])
        why = "is a directory that cannot be read (Permission denied)"
        assert inbox.ask("oddities") == {"shut": why, "shut.png": why}
        inbox.ask("rescan")
        fill(root, ["d.png"])
        eventually(lambda: inbox.ask("names") == ["c.png", "d.png", "shut", "shut.png"])
    finally:
        for name in ("shut", "shut.png"):
            (root / name).chmod(0o700)
    eventually(lambda: {"shut/a.png", "shut.png/b.png"} <= set(inbox.ask("names")))


def test_a_root_that_is_not_there_yet_is_waited_for(
    watch: Watch, tmp_path: Path, eventually: Eventually
) -> None:
    root = tmp_path / "not yet"
    watched = watch(root=root)
    eventually(lambda: watched.inbox.view().reason == "the inbox does not exist")
    view = watched.inbox.view()
    assert (view.watched_by, view.alive, view.first_scan_done) == ("missing", True, False)
    fill(root, ["sub/a.png"])
    eventually(lambda: watched.names() == ["sub/a.png"])
    assert watched.inbox.view().watched_by == "inotify"


def test_a_root_that_is_a_file_is_said_to_be_none(
    watch: Watch, tmp_path: Path, eventually: Eventually
) -> None:
    (tmp_path / "file").write_bytes(b"")
    watched = watch(root=tmp_path / "file")
    eventually(lambda: watched.inbox.view().reason == "the inbox is not a directory")


def test_a_root_that_is_deleted_and_made_again_is_watched_again(
    watch: Watch, root: Path, eventually: Eventually
) -> None:
    watched = watch()
    for number in range(3):
        fill(root, [f"sub/{number}.png"])
        eventually(lambda n=number: f"sub/{n}.png" in watched.names())
        shutil.rmtree(root)
        eventually(lambda: watched.inbox.view().watched_by == "missing")
        root.mkdir()
        eventually(lambda: watched.inbox.view().watched_by == "inotify")


def test_a_root_that_is_deleted_and_made_again_at_once_is_watched_again(
    watch: Watch, root: Path, eventually: Eventually
) -> None:
    watched = watch()
    for number in range(20):
        shutil.rmtree(root)
        fill(root, [f"sub/{number}.png"])
    fill(root, ["sub/last.png"])
    eventually(lambda: {"sub/19.png", "sub/last.png"} <= set(watched.names()))


def test_a_root_that_is_renamed_away_and_replaced_is_told_from_the_new_one(
    watch: Watch, root: Path, tmp_path: Path, eventually: Eventually
) -> None:
    watched = watch()
    root.rename(tmp_path / "old")
    fill(root, ["new.png"])
    fill(tmp_path / "old", ["stray.png"])
    eventually(lambda: watched.names() == ["new.png"])
    fill(root, ["later.png"])
    fill(tmp_path / "old", ["later stray.png"])
    eventually(lambda: watched.names() == ["later.png", "new.png"])


@pytest.mark.usefixtures("often")
def test_a_root_whose_parent_is_renamed_away_is_noticed_without_an_event(
    watch: Watch, tmp_path: Path, eventually: Eventually
) -> None:
    root = tmp_path / "parent" / "inbox"
    fill(root, ["a.png"])
    watched = watch(root=root)
    eventually(lambda: watched.names() == ["a.png"])
    (tmp_path / "parent").rename(tmp_path / "elsewhere")
    eventually(lambda: watched.inbox.view().watched_by == "missing")
    (tmp_path / "elsewhere").rename(tmp_path / "parent")
    fill(root, ["b.png"])
    eventually(lambda: watched.names() == ["a.png", "b.png"])


@pytest.mark.usefixtures("often")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_dead_reader_thread_is_replaced_and_what_it_missed_is_found(
    watch: Watch, root: Path, monkeypatch: pytest.MonkeyPatch, eventually: Eventually
) -> None:
    real = InotifyFD.handle_event

    def mortal(reader: InotifyFD, event: InotifyEvent) -> None:
        if event.name == b"deadly.png":
            raise RuntimeError("the reader dies of this")
        real(reader, event)

    monkeypatch.setattr(InotifyFD, "handle_event", mortal)
    watched = watch(rescan_s=HOURS_S)
    fill(root, ["deadly.png", "missed.png"])
    eventually(lambda: watched.names() == ["deadly.png", "missed.png"])
    fill(root, ["heard.png"])
    eventually(lambda: "heard.png" in watched.names())
    assert not watched.batches[-1].scanned


def test_an_inbox_that_dies_is_seen_to_be_dead_and_says_why(
    watch: Watch, root: Path, eventually: Eventually, caplog: pytest.LogCaptureFixture
) -> None:
    def wants(_path: Path) -> bool:
        raise RuntimeError("no such rule")

    watched = watch(wants=wants)
    fill(root, ["a.png"])
    eventually(lambda: not watched.inbox.view().alive)
    assert watched.inbox.view().reason == "the watching thread ended (RuntimeError: no such rule)"
    assert "no such rule" in caplog.text


def test_a_queue_that_refuses_files_is_told_of_and_gets_them_later(
    watch: Watch, root: Path, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = watch()

    def refuse(_batch: object) -> None:
        raise OSError("the queue's disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(watched.inbox._handover, "_deliver", refuse)
        fill(root, [f"{number}.png" for number in range(50)])
        trouble = "files cannot be queued (the queue's disk is full)"
        eventually(lambda: watched.inbox.view().reason == trouble)
    eventually(lambda: len(watched.names()) == 50)
    assert watched.inbox.view().reason is None


def test_more_hints_than_are_kept_lead_to_a_scan(
    watch: Watch, root: Path, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = watch(rescan_s=HOURS_S)
    monkeypatch.setattr("upscaled.watch.inbox.BACKLOG_HINTS", 0)
    fill(root, ["a.png"])

    def delivered() -> bool:
        watched.inbox._letters.put(None)  # a full backlog has letters that wake the inbox
        return watched.names() == ["a.png"]

    eventually(delivered)


@pytest.mark.usefixtures("often")
def test_a_suspend_of_the_machine_leads_to_a_scan(
    watch: Watch, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = watch(rescan_s=HOURS_S)
    before = watched.inbox.view().last_scan_s
    monkeypatch.setattr("upscaled.watch.inbox.suspended_s", lambda: 1e9)
    eventually(lambda: watched.inbox.view().last_scan_s != before)


@pytest.mark.parametrize("call", ["scandir", "stat"])
def test_a_folder_that_fails_to_be_read_is_not_taken_for_empty(
    watch: Watch,
    root: Path,
    eventually: Eventually,
    monkeypatch: pytest.MonkeyPatch,
    call: str,
) -> None:
    fill(root, ["sub/a.png"])
    watched = watch(poll_s=0.1)
    eventually(lambda: watched.names() == ["sub/a.png"])
    real = getattr(os, call)

    def failing(path: object, **options: object) -> object:
        if path == os.fsencode(root / "sub"):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(path, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, call, failing)
        watched.inbox.rescan()
        eventually(lambda: "Input/output error" in (watched.inbox.view().reason or ""))
        assert watched.inbox.view().files == 1
    eventually(lambda: watched.inbox.view().reason is None)
    assert watched.names() == ["sub/a.png"]


def test_a_root_that_vanishes_between_its_check_and_its_scan_is_looked_for(
    watch: Watch, root: Path, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    checks = 0

    def check(_path: bytes, _before: object, **_: object) -> RootState:
        nonlocal checks
        checks += 1
        if checks == 1:
            root.rmdir()
        else:
            root.mkdir(exist_ok=True)
        # A directory that is made anew may get the inode of the one before.
        return RootState((1, 1))

    monkeypatch.setattr("upscaled.watch.inbox.check_root", check)
    watched = watch(rescan_s=HOURS_S)
    fill(root, ["a.png"])
    eventually(lambda: watched.names() == ["a.png"])
