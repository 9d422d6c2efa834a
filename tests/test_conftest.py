"""The habits that conftest.py keeps are kept: each is broken here once."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from upscaled.dirs import find_dirs

CONFTEST = Path(__file__).with_name("conftest.py")

LEAKS = {
    "thread": """
import threading, time
threading.Thread(target=time.sleep, args=(4,), name="forgotten", daemon=True).start()
""",
    "child": """
import subprocess
subprocess.Popen(["sleep", "60"])
""",
    "orphan": """
import subprocess
subprocess.run(["sh", "-c", "sleep 60 & exit"])
""",
}


def run_test(body: str, folder: Path) -> subprocess.CompletedProcess[str]:
    shutil.copy(CONFTEST, folder)
    source = "def test_it(eventually):\n" + "".join(f"    {line}\n" for line in body.splitlines())
    (folder / "test_it.py").write_text(source)
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", folder],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


@pytest.mark.parametrize("leak", LEAKS)
def test_a_leftover_fails_the_test_and_is_ended(leak: str, tmp_path: Path) -> None:
    ran = run_test(LEAKS[leak], tmp_path)
    assert "left behind: " in ran.stdout
    assert ran.returncode == 1


def test_what_ends_by_itself_is_no_leftover(tmp_path: Path) -> None:
    ran = run_test('import subprocess\nsubprocess.Popen(["sleep", "0.2"]).wait()', tmp_path)
    assert ran.returncode == 0, ran.stdout


def test_waiting_in_vain_fails_with_what_was_waited_for(tmp_path: Path) -> None:
    ran = run_test('eventually(lambda: False, timeout_s=0.05, what="the moon")', tmp_path)
    assert "not within 0.05 s: the moon" in ran.stdout
    assert ran.returncode == 1


def test_every_folder_is_inside_the_home_of_the_test(home: Path, tmp_path: Path) -> None:
    dirs = find_dirs()
    for folder in (Path.home(), dirs.config, dirs.state, dirs.data, dirs.cache):
        assert folder.is_relative_to(tmp_path)
    assert home == Path.home()
    assert dirs.runtime.is_relative_to(os.environ["XDG_RUNTIME_DIR"])
    assert len(str(dirs.socket)) < 100
