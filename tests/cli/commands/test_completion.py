"""The Tab key, in the real shells."""

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

from support.builders import DELIVERY, INBOX, RECIPE, arrival
from upscaled.cli.group import cli
from upscaled.dirs import find_dirs
from upscaled.outcomes import Failed
from upscaled.store.jobs import Store

BIN = Path(sys.executable).parent
CONFIG = "rules:\n  holidays: {watch: ~/a, output: ~/b}\n  scans: {watch: ~/c, output: ~/d}\n"


@pytest.fixture(autouse=True)
def configured(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = home / ".config" / "upscaled" / "upscaled.yml"
    file.parent.mkdir(parents=True)
    file.write_text(CONFIG)
    monkeypatch.setenv("PATH", f"{BIN}:{os.environ['PATH']}")


def offered(*words: str, incomplete: str = "") -> list[str]:
    items = ShellComplete(cli, {}, "upscaled", "_X").get_completions(list(words), incomplete)
    return [item.value for item in items]


def queue_two_one_of_which_fails() -> None:
    store = Store.open(find_dirs().store)
    store.admit("old rule", INBOX, [arrival("a.png"), arrival("b.png")], RECIPE, DELIVERY, now=1.0)
    ready = store.ready(["old rule"], 2.0)
    order = store.claim(ready[0], "me", 2.0)
    assert order is not None
    store.record(order.job_id, Failed("no image"), 3.0)
    store.close()


def test_rules_are_those_of_the_configuration(home: Path) -> None:
    assert offered("pause") == ["holidays", "scans"]
    assert offered("resume", incomplete="s") == ["scans"]
    assert offered("run", "--rule") == ["holidays", "scans"]
    other = home / "other.yml"
    other.write_text(CONFIG.replace("scans", "negatives"))
    assert offered("pause", "--config", str(other)) == ["holidays", "negatives"]


def test_job_ids_are_those_that_the_command_can_take() -> None:
    queue_two_one_of_which_fails()
    assert offered("retry") == ["1"]
    assert "1" in offered("show")


def test_with_a_broken_configuration_the_rules_of_the_jobs_are_offered(home: Path) -> None:
    (home / ".config" / "upscaled" / "upscaled.yml").write_text("rulez: [")
    assert offered("pause") == []
    queue_two_one_of_which_fails()
    assert offered("pause") == ["old rule"]


def test_models_are_those_that_have_a_name() -> None:
    assert "realesrgan-x4plus" in offered("models", "pull", incomplete="realesrgan-x")
    assert offered("run", "--model", incomplete="realesrgan-x4plus-") == ["realesrgan-x4plus-anime"]


def test_a_damaged_database_offers_nothing_and_says_nothing() -> None:
    store = find_dirs().store
    store.parent.mkdir(parents=True)
    store.write_bytes(b"x" * 10_000)
    assert offered("show") == []


def test_no_key_loads_torch() -> None:
    code = (
        "import sys; from click.shell_completion import ShellComplete;"
        "from upscaled.cli.group import cli; c = ShellComplete(cli, {}, 'upscaled', '_X');"
        "[c.get_completions(w, '') for w in ([], ['pause'], ['show'], ['models', 'pull'])];"
        "assert not {'torch', 'numpy', 'PIL', 'cv2', 'spandrel'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def needs(shell: str) -> str:
    path = shutil.which(shell)
    if path is None:
        pytest.skip(f"{shell} is not installed")
    return path


def type_into(command: list[str], lines: list[bytes], keys: bytes, expected: bytes) -> bytes:
    """All that a shell on a terminal shows until `expected` comes, after `keys` were typed."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ["TERM"] = "dumb"
        os.execv(command[0], command)  # noqa: S606 (a shell is what is tested)
    seen = b""
    try:
        for line in [*lines, b"echo rea''dy\n"]:
            os.write(terminal, line)
        seen = read_until(terminal, b"ready", seen)
        os.write(terminal, keys)
        return read_until(terminal, expected, b"")
    finally:
        os.kill(pid, 9)
        os.close(terminal)
        os.waitpid(pid, 0)


def read_until(terminal: int, expected: bytes, seen: bytes, timeout_s: float = 30) -> bytes:
    deadline = time.monotonic() + timeout_s
    while expected not in seen:
        if time.monotonic() > deadline or not select.select([terminal], [], [], timeout_s)[0]:
            pytest.fail(f"{expected!r} did not come: {seen!r}")
        seen += os.read(terminal, 4096)
    return seen


def test_bash_completes_a_rule() -> None:
    bash = needs("bash")
    script = b"source <(upscaled completion bash)\n"
    seen = type_into([bash, "--norc", "-i"], [script], b"upscaled pause hol\t", b"holidays")
    assert b"Traceback" not in seen


def test_zsh_completes_a_rule() -> None:
    zsh = needs("zsh")
    lines = [b"autoload -Uz compinit; compinit -u -D\n", b'eval "$(upscaled completion zsh)"\n']
    seen = type_into([zsh, "-f", "-i"], lines, b"upscaled pause hol\t", b"holidays")
    assert b"Traceback" not in seen


def test_fish_completes_a_rule_and_a_job() -> None:
    fish = needs("fish")
    queue_two_one_of_which_fails()
    script = (
        "upscaled completion fish | source; "
        "complete -C 'upscaled pause hol'; complete -C 'upscaled retry '"
    )
    ran = subprocess.run(
        [fish, "--no-config", "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.stderr == ""
    words = [line.split("\t")[0] for line in ran.stdout.splitlines()]
    assert words == ["holidays", "1"]
    assert "no image" in ran.stdout
