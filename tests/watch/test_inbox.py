"""An inbox on a real folder with real inotify: what arrives, and how, and only once."""

import os
import socket
import threading
import time
from pathlib import Path

import pytest

from conftest import Eventually
from upscaled.clock import SystemClock
from upscaled.watch.inbox import Inbox, InboxSpec
from watch.conftest import SETTLE_S, Watch


def put(path: Path, content: bytes = b"pixels") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def quiet() -> None:
    """Long enough for anything that would be delivered wrongly."""
    time.sleep(SETTLE_S * 2)


def test_files_that_were_there_before_the_start_are_delivered_once(
    watch: Watch, root: Path, eventually: Eventually
) -> None:
    put(root / "a.png")
    put(root / "deep" / "er" / "b.png")
    watched = watch()
    eventually(lambda: watched.names() == ["a.png", "deep/er/b.png"])
    assert all(batch.scanned for batch in watched.batches)
    watched.inbox.rescan()
    quiet()
    assert watched.names() == ["a.png", "deep/er/b.png"]
    assert watched.inbox.view().files == 2


def test_files_at_the_start_settle_like_all_others(watch: Watch, root: Path) -> None:
    path = put(root / "a.png")
    os.utime(path, (0, 0))
    watched = watch(settle_s=5.0)
    quiet()
    assert watched.names() == []
    assert watched.inbox.view().settling == 1


def test_a_written_file_is_delivered_one_window_after_its_close(
    watch: Watch, root: Path, eventually: Eventually
) -> None:
    watched = watch(settle_s=0.5)
    late_s = []
    for number in range(5):
        put(root / f"{number}.png")
        closed = time.monotonic()
        eventually(lambda n=number: len(watched.arrivals) == n + 1)
        late_s.append(time.monotonic() - closed - 0.5)
    assert min(late_s) >= -0.005
    assert sorted(late_s)[2] < 0.1
    assert not any(batch.scanned for batch in watched.batches)


def test_a_file_that_is_renamed_in_is_delivered(
    watch: Watch, root: Path, tmp_path: Path, eventually: Eventually
) -> None:
    watched = watch()
    put(tmp_path / "elsewhere.png").rename(root / "a.png")
    eventually(lambda: watched.names() == ["a.png"])


def test_a_file_that_is_linked_in_is_delivered_without_waiting_for_a_writer(
    watch: Watch, root: Path, tmp_path: Path, eventually: Eventually
) -> None:
    watched = watch(settle_s=1.0)
    (root / "a.png").hardlink_to(put(tmp_path / "elsewhere.png"))
    eventually(lambda: watched.names() == ["a.png"], 2.5)


def test_a_tree_that_is_moved_in_is_delivered_whole(
    watch: Watch, root: Path, tmp_path: Path, eventually: Eventually
) -> None:
    watched = watch()
    names = [f"tree/{a}/{b}.png" for a in "xyz" for b in range(10)]
    for name in names:
        put(tmp_path / name)
    (tmp_path / "tree").rename(root / "tree")
    eventually(lambda: watched.names() == sorted(names))
    put(root / "tree" / "x" / "later.png")
    eventually(lambda: "tree/x/later.png" in watched.names())


def test_files_born_in_a_new_folder_before_its_watch_are_delivered(
    watch: Watch, root: Path, eventually: Eventually
) -> None:
    watched = watch()
    names = []
    for number in range(40):
        folder = root / f"{number}" / "in" / "side"
        folder.mkdir(parents=True)
        put(folder / "a.png")
        names.append(f"{number}/in/side/a.png")
    eventually(lambda: watched.names() == sorted(names))


def test_a_file_that_is_copied_slowly_is_delivered_once_and_complete(
    watch: Watch, root: Path, eventually: Eventually
) -> None:
    watched = watch()
    with (root / "a.png").open("wb") as writer:
        for _ in range(12):
            writer.write(b"x" * 1000)
            writer.flush()
            time.sleep(SETTLE_S * 0.4)
        assert watched.names() == []
    eventually(lambda: watched.names() == ["a.png"])
    quiet()
    assert [each.fingerprint.size_bytes for each in watched.arrivals] == [12_000]


def test_a_writer_that_pauses_longer_than_the_window_is_waited_for(
    watch: Watch, root: Path, eventually: Eventually
) -> None:
    watched = watch()
    with (root / "a.png").open("wb") as writer:
        for _ in range(3):
            writer.write(b"x" * 1000)
            writer.flush()
            time.sleep(SETTLE_S * 2.5)
        assert watched.names() == []
    eventually(lambda: watched.names() == ["a.png"])
    assert watched.arrivals[0].fingerprint.size_bytes == 3000


@pytest.mark.parametrize("was_there", [True, False])
def test_a_file_that_is_made_at_its_full_size_is_delivered_when_its_writer_closes_it(
    watch: Watch, root: Path, eventually: Eventually, was_there: bool
) -> None:
    watched = watch() if not was_there else None
    with (root / "a.bmp").open("wb") as stream:
        stream.truncate(1000)
        watched = watched or watch()
        # Long past the window in which a writer may pause: a laptop went to sleep.
        eventually(lambda: watched.inbox.view().settling == 1)
        time.sleep(SETTLE_S * 8)
        assert watched.names() == []
        stream.write(b"x" * 1000)
    eventually(lambda: watched.names() == ["a.bmp"])
    assert watched.arrivals[0].fingerprint.mtime_ns == (root / "a.bmp").stat().st_mtime_ns


def test_a_file_that_is_appended_to_by_one_process_after_another_is_delivered_once(
    watch: Watch, root: Path, eventually: Eventually
) -> None:
    watched = watch(settle_s=0.4)
    for _ in range(8):
        with (root / "a.png").open("ab") as writer:
            writer.write(b"x" * 100)
        time.sleep(0.1)
    assert watched.names() == []
    eventually(lambda: watched.names() == ["a.png"])
    assert watched.arrivals[0].fingerprint.size_bytes == 800


@pytest.mark.parametrize("way", ["in place", "by rename"])
def test_a_file_that_is_replaced_is_delivered_again(
    watch: Watch, root: Path, tmp_path: Path, eventually: Eventually, way: str
) -> None:
    watched = watch()
    put(root / "a.png", b"old")
    eventually(lambda: len(watched.arrivals) == 1)
    if way == "in place":
        put(root / "a.png", b"newer")
    else:
        put(tmp_path / "new", b"newer").rename(root / "a.png")
    eventually(lambda: len(watched.arrivals) == 2)
    old, new = (each.fingerprint for each in watched.arrivals)
    assert (old.size_bytes, new.size_bytes) == (3, 5)


def test_a_file_that_is_touched_but_not_changed_is_not_delivered_again(
    watch: Watch, root: Path, eventually: Eventually
) -> None:
    watched = watch()
    path = put(root / "a.png")
    eventually(lambda: len(watched.arrivals) == 1)
    path.chmod(0o600)
    path.open("rb+").close()
    watched.inbox.rescan()
    quiet()
    assert len(watched.arrivals) == 1


def test_a_temporary_file_is_passed_over_until_it_has_its_final_name(
    watch: Watch, root: Path, eventually: Eventually
) -> None:
    watched = watch()
    partial = put(root / "a.png.part")
    put(root / ".hidden.png")
    put(root / "._a.png")
    quiet()
    assert watched.names() == []
    assert watched.inbox.view().files == 0
    partial.rename(root / "a.png")
    eventually(lambda: watched.names() == ["a.png"])


def test_hidden_files_are_delivered_where_they_are_welcome(
    watch: Watch, root: Path, eventually: Eventually
) -> None:
    put(root / ".hidden" / ".a.png")
    put(root / "._a.png")
    watched = watch(hidden=True)
    eventually(lambda: watched.names() == [".hidden/.a.png"])


def test_only_wanted_names_are_delivered_and_each_is_asked_about_once(
    watch: Watch, root: Path, eventually: Eventually
) -> None:
    asked: list[str] = []

    def wants(path: Path) -> bool:
        asked.append(str(path))
        return path.match("in/*.png")

    put(root / "in" / "a.png")
    put(root / "in" / "a.txt")
    put(root / "b.png")
    watched = watch(wants=wants)
    eventually(lambda: watched.names() == ["in/a.png"])
    scanned_s = watched.inbox.view().last_scan_s
    asked.clear()
    watched.inbox.rescan()
    eventually(lambda: watched.inbox.view().last_scan_s != scanned_s)
    assert asked == []


def test_excluded_folders_are_not_entered_by_whatever_way(
    watch: Watch, root: Path, tmp_path: Path, eventually: Eventually
) -> None:
    put(root / "out" / "a.png")
    put(tmp_path / "far" / "b.png")
    (root / "link").symlink_to(tmp_path / "far")
    put(root / "c.png")
    watched = watch(excluded=frozenset({root / "out", tmp_path / "far"}), follow_symlinks=True)
    put(root / "out" / "later.png")
    eventually(lambda: watched.names() == ["c.png"])
    quiet()
    assert watched.names() == ["c.png"]


def test_an_inbox_that_is_not_recursive_takes_its_own_files_only(
    watch: Watch, root: Path, eventually: Eventually
) -> None:
    put(root / "deep" / "a.png")
    watched = watch(recursive=False)
    put(root / "deep" / "b.png")
    put(root / "new" / "c.png")
    put(root / "d.png")
    eventually(lambda: watched.names() == ["d.png"])
    quiet()
    assert watched.names() == ["d.png"]


def test_what_can_never_be_an_image_is_delivered_as_an_oddity(
    watch: Watch, root: Path, eventually: Eventually
) -> None:
    put(root / "directory.jpg" / "inside.png")
    os.mkfifo(root / "pipe.png")
    (root / "dangling.png").symlink_to("nowhere")
    (root / "link.png").symlink_to(root / "directory.jpg" / "inside.png")
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(root)  # a socket's path holds 107 bytes at most
        try:
            server.bind("socket.png")
        finally:
            os.chdir(here)
    os.mkfifo(root / "pipe")
    (root / "folder").mkdir()
    watched = watch()
    expected = {
        "directory.jpg": "is a directory, not an image",
        "directory.jpg/inside.png": None,
        "pipe.png": "is a named pipe, not an image",
        "dangling.png": "is a symbolic link to nothing",
        "link.png": "is a symbolic link: put the file itself there",
        "socket.png": "is a socket, not an image",
    }
    eventually(lambda: watched.oddities() == expected)
    put(root / "directory.jpg" / "later.png")
    eventually(lambda: "directory.jpg/later.png" in watched.names())
    watched.inbox.rescan()
    quiet()
    assert len(watched.arrivals) == len(expected) + 1


def test_an_empty_file_is_an_oddity_after_a_long_wait_and_an_image_once_it_has_bytes(
    watch: Watch, root: Path, eventually: Eventually
) -> None:
    watched = watch(settle_s=0.05)
    put(root / "a.png", b"")
    quiet()
    assert watched.names() == []
    eventually(lambda: watched.oddities() == {"a.png": "is empty (0 bytes)"})
    put(root / "a.png", b"bytes")
    eventually(lambda: watched.oddities() == {"a.png": None})


def test_an_empty_file_that_reserves_the_name_of_a_download_is_no_oddity(
    watch: Watch, root: Path, eventually: Eventually
) -> None:
    watched = watch(settle_s=0.02)
    put(root / "a.png", b"")
    arriving = put(root / "a.png.part", b"half")
    time.sleep(0.6)
    assert watched.names() == []
    arriving.rename(root / "a.png")
    eventually(lambda: watched.oddities() == {"a.png": None})


def test_links_are_followed_on_request_and_a_loop_of_them_ends(
    watch: Watch, root: Path, tmp_path: Path, eventually: Eventually
) -> None:
    put(tmp_path / "far" / "a.png")
    (root / "tree").symlink_to(tmp_path / "far")
    (tmp_path / "far" / "loop").symlink_to(root)
    (root / "b.png").symlink_to(tmp_path / "far" / "a.png")
    watched = watch(follow_symlinks=True)
    eventually(
        lambda: (
            watched.oddities()
            == {
                "tree/a.png": None,
                "b.png": "is a symbolic link: put the file itself there",
            }
        )
    )
    put(tmp_path / "far" / "later.png")
    eventually(lambda: "tree/later.png" in watched.names())


def test_a_folder_that_is_seen_by_two_ways_is_watched_by_both(
    watch: Watch, root: Path, tmp_path: Path, eventually: Eventually
) -> None:
    (tmp_path / "far").mkdir()
    for name in ("one", "two"):
        (root / name).symlink_to(tmp_path / "far")
    watched = watch(follow_symlinks=True)
    put(tmp_path / "far" / "a.png")
    eventually(lambda: watched.names() == ["one/a.png", "two/a.png"])
    (root / "one").unlink()
    put(tmp_path / "far" / "b.png")
    eventually(lambda: watched.names() == ["one/a.png", "two/a.png", "two/b.png"])


def test_a_root_that_is_a_symlink_is_watched(
    watch: Watch, root: Path, tmp_path: Path, eventually: Eventually
) -> None:
    (tmp_path / "link").symlink_to(root)
    watched = watch(root=tmp_path / "link")
    put(root / "sub" / "a.png")
    eventually(lambda: watched.names() == ["sub/a.png"])
    assert watched.arrivals[0].path == tmp_path / "link" / "sub" / "a.png"


def test_names_that_are_not_utf_8_and_names_with_newlines_arrive_as_they_are(
    watch: Watch, root: Path, eventually: Eventually
) -> None:
    names = [b"caf\xe9.png", b"two\nlines.png", b"\xff\xfe\\.png", b" .png"]
    folder = os.fsencode(root) + b"/d\xe9j\xe0\n"
    os.mkdir(folder)  # noqa: PTH102 - bytes
    watched = watch()
    for name in names:
        Path(os.fsdecode(folder + b"/" + name)).write_bytes(b"x")
    eventually(lambda: len(watched.arrivals) == len(names))
    paths = {os.fsencode(each.path) for each in watched.arrivals}
    assert paths == {folder + b"/" + name for name in names}


def test_a_renamed_folder_and_what_comes_into_it_later_are_delivered_by_the_new_name(
    watch: Watch, root: Path, eventually: Eventually
) -> None:
    put(root / "old" / "sub" / "a.png")
    watched = watch()
    eventually(lambda: watched.names() == ["old/sub/a.png"])
    (root / "old").rename(root / "new")
    eventually(lambda: watched.names() == ["new/sub/a.png", "old/sub/a.png"])
    put(root / "new" / "sub" / "b.png")
    eventually(lambda: "new/sub/b.png" in watched.names())
    eventually(lambda: watched.inbox.view().files == 2)


def test_a_folder_that_is_moved_out_is_not_watched_any_more(
    watch: Watch, root: Path, tmp_path: Path, eventually: Eventually
) -> None:
    put(root / "sub" / "a.png")
    watched = watch()
    eventually(lambda: watched.names() == ["sub/a.png"])
    (root / "sub").rename(tmp_path / "away")
    eventually(lambda: watched.inbox.view().files == 0)
    put(tmp_path / "away" / "b.png")
    quiet()
    assert watched.names() == ["sub/a.png"]
    (tmp_path / "away").rename(root / "sub")
    eventually(lambda: watched.names() == ["sub/a.png", "sub/a.png", "sub/b.png"])


def test_a_file_to_be_settled_again_is_delivered_once_more_whatever_is_heard_of_it(
    watch: Watch, root: Path, eventually: Eventually
) -> None:
    path = put(root / "a.png")
    watched = watch(settle_s=0.5)
    eventually(lambda: watched.names() == ["a.png"])
    watched.inbox.resettle(path)
    eventually(lambda: watched.inbox.view().settling == 1)
    for mode in (0o600, 0o640, 0o644):
        path.chmod(mode)  # an event, and with it a look, each
    eventually(lambda: len(watched.names()) > 1)
    eventually(lambda: watched.inbox.view().settling == 0)
    assert watched.names() == ["a.png", "a.png"]


def test_thousands_of_files_come_in_few_batches(
    watch: Watch, root: Path, eventually: Eventually
) -> None:
    for number in range(3000):
        (root / f"{number}.png").touch()
        os.truncate(root / f"{number}.png", 1)
    watched = watch()
    eventually(lambda: len(watched.arrivals) == 3000)
    assert len(watched.batches) <= 12
    assert max(len(batch.arrivals) for batch in watched.batches) <= 1000


def test_an_idle_inbox_sleeps(watch: Watch, root: Path) -> None:
    put(root / "a.png")
    watch()
    quiet()
    before = time.process_time()
    time.sleep(1.0)
    assert time.process_time() - before < 0.02


def test_a_stop_is_quick_even_in_the_middle_of_a_settling_window(watch: Watch, root: Path) -> None:
    put(root / "a.png")
    watched = watch(settle_s=60.0)
    assert f"inbox:{root}" in [thread.name for thread in threading.enumerate()]
    started = time.monotonic()
    watched.inbox.stop()
    assert time.monotonic() - started < 0.5
    assert not watched.inbox.view().alive


def test_an_inbox_that_was_never_started_can_be_stopped(root: Path) -> None:
    Inbox(InboxSpec(root), lambda _batch: None, SystemClock()).stop()
