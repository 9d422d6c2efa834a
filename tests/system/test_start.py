"""`upscaled up` as people first meet it: no configuration, files there already, one at a time."""

import json
import os
import signal
from pathlib import Path

import pytest
from PIL import Image

from support.daemon_fixtures import Daemon, MakeDaemon, crop, is_upscaled, look

LINES_OF_A_SCREEN = 24


@pytest.fixture
def bare(make_daemon: MakeDaemon) -> Daemon:
    """Not configured, not started."""
    return make_daemon()


def test_without_a_configuration_it_does_what_lies_in_the_inbox_already(
    bare: Daemon, home: Path
) -> None:
    inbox, outbox = home / "Upscale" / "inbox", home / "Upscale" / "outbox"
    (inbox / "trip").mkdir(parents=True)
    there = [bare.drop("one.png", inbox=inbox), bare.drop("two.png", inbox=inbox / "trip")]

    bare.start()
    introduction = bare.log.partition(" watching")[0].splitlines()
    bare.wait_done(*there)

    assert len(introduction) < LINES_OF_A_SCREEN
    for said in (inbox, outbox, "realesrgan-x4plus"):
        assert str(said) in bare.log
    assert bare.results(outbox) == ["one_4x.png", "trip/two_4x.png"]
    assert is_upscaled(outbox / "one_4x.png", there[0])

    ran = bare.call("down")

    assert (ran.returncode, ran.stderr) == (0, "stopped\n")
    assert bare.wait_for_end() == 0
    assert not bare.dirs.socket.exists()

    late = bare.drop("late.png", inbox=inbox)
    bare.start()
    bare.wait_done(late)

    assert [job.file for job in bare.jobs()] == [*there, late], "nothing is done twice"
    assert bare.results(outbox) == ["late_4x.png", "one_4x.png", "trip/two_4x.png"]


def test_once_does_what_lies_in_the_inbox_and_ends(bare: Daemon) -> None:
    bare.configure()
    sources = [bare.drop(f"{number}.png") for number in range(3)]
    bare.drop("bad.png", b"no image")

    ran = bare.call("up", "--once", "--config", str(bare.config), timeout_s=100)

    assert ran.returncode == 1, "one of them failed"
    assert bare.results() == ["0_4x.png", "1_4x.png", "2_4x.png"]
    for source in sources:
        assert is_upscaled(bare.outbox / f"{source.stem}_4x.png", source)
    assert bare.call("status").returncode == 3
    assert sorted(job.state for job in bare.jobs()) == ["done", "done", "done", "failed"]
    assert bare.call("up", "--once", "--config", str(bare.config), timeout_s=100).returncode == 0


def test_once_says_so_where_something_still_waits(make_daemon: MakeDaemon) -> None:
    bare = make_daemon(bound_by_permissions=True)
    bare.configure()
    bare.drop("one.png")
    bare.outbox.chmod(0o555)

    bare.start("--once")
    code = bare.wait_for_end(timeout_s=60)
    bare.outbox.chmod(0o755)

    assert code == 75, "try again later"
    assert "still waiting: 1 (cannot write" in bare.log


def test_orders_reach_a_daemon_whose_socket_is_elsewhere_or_gone(bare: Daemon) -> None:
    bare.configure()
    bare.start()
    bare.wait_until(lambda: bare.status()["daemon"]["running"], "it runs")
    del bare.environ["XDG_RUNTIME_DIR"]

    assert bare.call("status", "--check").returncode == 0
    assert bare.call("down").returncode == 0
    assert bare.wait_for_end() == 0


def test_two_daemons_with_folders_of_their_own_share_an_output_folder(
    make_daemon: MakeDaemon,
) -> None:
    shared = make_daemon("shared").outbox
    daemons = [make_daemon(name) for name in ("first", "second")]
    for daemon in daemons:
        daemon.configure({"photos": {"output": str(shared)}})
        daemon.start()
    pids = [daemon.status()["daemon"]["pid"] for daemon in daemons]
    assert len(set(pids)) == 2

    sources = [
        daemon.drop("photo.png", crop(40 * number, 30)) for number, daemon in enumerate(daemons)
    ]
    jobs = [daemon.wait_done(source)[0] for daemon, source in zip(daemons, sources, strict=True)]

    assert daemons[0].results(shared) == ["photo_4x-2.png", "photo_4x.png"]
    for job in jobs:
        assert job.output is not None
        assert is_upscaled(job.output, job.file)
    assert [len(daemon.jobs()) for daemon in daemons] == [1, 1]


def test_a_second_daemon_for_the_same_folders_says_which_one_runs(daemon: Daemon) -> None:
    pid = daemon.status()["daemon"]["pid"]

    ran = daemon.call("up", "--config", str(daemon.config))

    assert ran.returncode == 1
    assert f"(pid {pid})" in ran.stderr
    assert "upscaled down" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert daemon.status()["daemon"]["pid"] == pid

    # The kernel lets go of a dead one's lock, whatever its file says.
    daemon.send(signal.SIGKILL)
    daemon.wait_for_end()
    assert (daemon.dirs.state / "lock").read_text().splitlines()[0] == str(pid)
    daemon.start()
    assert daemon.status()["daemon"]["pid"] != pid


def test_commands_for_a_daemon_that_does_not_run_say_so(bare: Daemon) -> None:
    bare.configure()
    config = ("--config", str(bare.config))

    for words in (["status"], ["status", "--check"], ["down"], ["scan"], ["resume"]):
        ran = bare.call(*words, *config)
        assert (words, ran.returncode) == (words, 3)
        assert "not running" in ran.stdout + ran.stderr
        assert "upscaled up" in ran.stdout + ran.stderr

    report = json.loads(bare.call("status", "--json", *config).stdout)
    assert report["daemon"] == {"running": False, "pid": None}


def test_run_does_files_and_folders_without_a_daemon(bare: Daemon) -> None:
    album = bare.folder / "album" / "summer"
    album.mkdir(parents=True)
    crop(0, 0).save(album / "beach.png")
    crop(60, 60).save(album.parent / "sea.jpg", quality=95)
    (album.parent / "notes.txt").write_text("not for us")
    (album.parent / "broken.png").write_text("not an image")
    os.mkfifo(album / "pipe.png")
    crop(20, 20).save(single := bare.folder / "single.png")
    before = {path: look(path) for path in (single, *album.parent.rglob("*"))}

    ran = bare.call("run", str(single), str(album.parent), "-o", "large", timeout_s=100)

    assert ran.returncode == 1
    large = bare.folder / "large"
    done = [large / "single_4x.png", large / "sea_4x.jpg", large / "summer" / "beach_4x.png"]
    assert sorted(ran.stdout.splitlines()) == sorted(map(str, done))
    assert bare.results(large) == ["sea_4x.jpg", "single_4x.png", "summer/beach_4x.png"]
    assert "broken.png: not an image" in ran.stderr
    assert "1 of 4 failed" in ran.stderr
    assert "Traceback" not in ran.stderr
    with Image.open(large / "sea_4x.jpg") as picture:
        assert picture.format == "JPEG"
    assert is_upscaled(large / "single_4x.png", single)
    assert is_upscaled(large / "summer" / "beach_4x.png", album / "beach.png")
    assert {path: look(path) for path in before} == before, "sources stay as they are"
    assert not bare.dirs.store.exists(), "nothing is queued"
