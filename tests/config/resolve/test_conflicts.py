"""Results must not come back as arrivals, by whatever name their folder is called."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from upscaled.config.problems import ConfigProblems
from upscaled.config.resolve.folder_relations import Place, mounts, place
from upscaled.config.settings import Settings

Load = Callable[..., Settings]

MOUNTINFO = r"""
22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw
30 22 8:2 / /home rw - ext4 /dev/sda2 rw
31 22 8:2 /me/in /srv/in rw - ext4 /dev/sda2 rw
32 22 8:2 /me/in/deep /srv/deep\040one rw - ext4 /dev/sda2 rw
33 22 0:40 / /nas rw - nfs4 host:/x rw
34 22 8:3 / /nas rw - ext4 /dev/sdb1 rw
not a line of it
"""


@pytest.mark.parametrize(
    ("path", "device", "on_device"),
    [
        ("/etc/x", "8:1", "/etc/x"),
        ("/home/me/in/a", "8:2", "/me/in/a"),
        ("/srv/in/a", "8:2", "/me/in/a"),
        ("/srv/deep one/b", "8:2", "/me/in/deep/b"),
        ("/nas/x", "8:3", "/x"),
    ],
)
def test_a_bind_mount_is_seen_through(path: str, device: str, on_device: str) -> None:
    assert place(Path(path), mounts(MOUNTINFO)) == Place(device, Path(on_device))


def test_a_folder_inside_a_bind_mounted_part_of_an_inbox_is_inside() -> None:
    known = mounts(MOUNTINFO)
    assert place(Path("/srv/deep one/out"), known).within(place(Path("/home/me/in"), known))
    assert not place(Path("/home/me/in2"), known).within(place(Path("/home/me/in"), known))


def test_without_proc_paths_are_compared() -> None:
    assert place(Path("/a/b/c"), ()).within(place(Path("/a/b"), ()))


def refused(load: Load, text: str) -> list[str]:
    with pytest.raises(ConfigProblems) as raised:
        load(text)
    return [problem.message for problem in raised.value.problems]


def test_an_output_behind_a_symlink_is_found(load: Load, tmp_path: Path) -> None:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "elsewhere").symlink_to("in/deep")
    (said,) = refused(load, "rules: {a: {watch: in, output: elsewhere/out}}")
    assert "lies inside its own inbox" in said


def test_an_inbox_that_is_a_symlink_is_found(load: Load, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "in").symlink_to("real")
    (said,) = refused(load, "rules: {a: {watch: in, output: real/out}}")
    assert "lies inside its own inbox" in said


def test_a_loop_over_two_rules_is_found(load: Load) -> None:
    said = refused(load, "rules: {a: {watch: a, output: b/x}, b: {watch: b, output: a/y}}")
    assert ["inbox of 'b'" in said[0], "inbox of 'a'" in said[1]] == [True, True]


def test_links_that_lead_in_a_circle_are_no_crash(load: Load, tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    settings = load("rules: {a: {watch: a, output: out}}")
    assert any("cannot be looked at" in note.message for note in settings.notices)


@pytest.mark.parametrize("recursive", [True, False])
def test_a_folder_below_counts_only_where_it_is_watched(load: Load, recursive: bool) -> None:
    text = f"rules: {{a: {{watch: in, output: in/out, recursive: {str(recursive).lower()}}}}}"
    if recursive:
        assert refused(load, text)
    else:
        assert load(text).rules


def test_neighbours_with_a_common_beginning_are_fine(load: Load) -> None:
    assert load("rules: {a: {watch: in, output: in-out}}").rules


def test_the_same_names_in_one_folder_are_noted(load: Load) -> None:
    text = """
        rules:
          a: {watch: in, output: out}
          b: {watch: in2, output: ./out/}
          c: {watch: in3, output: {folder: out, name: "{rule}.{ext}"}}
    """
    (note,) = [note for note in load(text).notices if "same names" in note.message]
    assert note.message.startswith("'a' and 'b'")


def test_a_rule_that_never_gets_a_file_is_noted(load: Load) -> None:
    text = """
        rules:
          a: {watch: in, output: out}
          b: {watch: in/deep, include: "*.png", output: out2}
    """
    (note,) = [note for note in load(text).notices if "never gets" in note.message]
    assert (note.line, "'b' never gets a file" in note.message) == (4, True)
    assert not [
        note
        for note in load(text.replace("a: {", "a: {include: '*.jpg', ")).notices
        if "never gets" in note.message
    ]


@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs unshare (util-linux)")
def test_a_real_bind_mount_is_found(tmp_path: Path) -> None:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "bound").mkdir()
    (tmp_path / "upscaled.yml").write_text("rules: {a: {watch: in, output: bound/out}}")
    code = (
        "import sys, pathlib; from upscaled.config.load import load_config\n"
        "try: load_config([pathlib.Path('upscaled.yml')], environment={'HOME': '/'})\n"
        "except Exception as error: print(error); sys.exit(78)"
    )
    script = 'mount --bind in/deep bound || exit 77; exec "$0" -c "$1"'
    done = subprocess.run(
        [
            "unshare",
            *([] if os.geteuid() == 0 else ["-r"]),
            "-m",
            "sh",
            "-c",
            script,
            sys.executable,
            code,
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if done.returncode not in (0, 78):
        pytest.skip(f"no mount namespace here: {done.stderr.strip()}")
    assert (done.returncode, "lies inside its own inbox" in done.stdout) == (78, True)


CHAIN = "a: {watch: a, output: b/x, allow_chain: true}"


def test_results_may_be_passed_on_where_the_rule_says_so(load: Load) -> None:
    assert load(f"rules: {{{CHAIN}, b: {{watch: b, output: c}}}}").rules
    (said,) = refused(load, "rules: {a: {watch: a, output: b/x}, b: {watch: b, output: c}}")
    assert "lies inside the inbox of 'b'" in said


@pytest.mark.parametrize(
    "others",
    [
        "b: {watch: b, output: a/y, allow_chain: true}",
        "b: {watch: b, output: c, allow_chain: true}, c: {watch: c, output: a, allow_chain: true}",
    ],
)
def test_a_circle_of_chains_is_refused(load: Load, others: str) -> None:
    assert all("would come back" in said for said in refused(load, f"rules: {{{CHAIN}, {others}}}"))


def test_moved_sources_are_never_passed_on(load: Load) -> None:
    moving = "a: {watch: a, output: out, allow_chain: true, on_success: {move: b}}"
    (said,) = refused(load, f"rules: {{{moving}, b: {{watch: b, output: c}}}}")
    assert "is the inbox of 'b'" in said


def test_every_folder_that_is_written_to_is_looked_at(load: Load) -> None:
    text = """
        rules:
          a:
            watch: in
            workflow: w
            output: out
            outputs: {first: in/more}
            quality_check: {on_low_quality: {review: in/review}}
        workflows: {w: {jobs: [{id: first}, {id: second, component: image-sharpener}]}}
    """
    said = refused(load, text)
    assert [message.split("/")[-1].split(" ")[0] for message in said if "own inbox" in message]
    assert sum("lies inside its own inbox" in message for message in said) == 2
