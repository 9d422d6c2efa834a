"""The patches of CONTRIBUTING.md fit this code, and do what is said of them."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git applies the patches")

Run = Callable[..., subprocess.CompletedProcess[str]]


def patch_of(section: str) -> str:
    text = PAGE.partition(f"\n### {section}\n")[2]
    found = re.search(r"^```diff\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert found is not None, section
    return found[1]


@pytest.fixture
def walked(tmp_path: Path) -> Callable[[str], Run]:
    """`walked(section)` is this code with the patch of that section, to run Python in."""

    def walk(section: str) -> Run:
        tree = tmp_path / "tree"
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "daemon", tree / "daemon", ignore=ignored)
        applied = subprocess.run(
            ["git", "apply", "-"],
            input=patch_of(section),
            cwd=tree,
            env=os.environ | {"GIT_CEILING_DIRECTORIES": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert applied.returncode == 0, applied.stderr

        def run(*words: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                [sys.executable, *words],
                env=os.environ | {"PYTHONPATH": str(tree / "daemon")},
                cwd=tmp_path,
                capture_output=True,
                text=True,
                timeout=100,
                check=False,
            )

        return run

    return walk


def test_a_key_of_output_reaches_the_encoder_and_is_shown(
    walked: Callable[[str], Run], tmp_path: Path
) -> None:
    run = walked("A key of `output:`")
    (tmp_path / "a.yml").write_text(
        "rules: {a: {watch: in, output: {folder: o, progressive: true}}}"
    )
    shown = run("-m", "upscaled", "config", "show", "--json", "--config", "a.yml")
    assert shown.returncode == 0, shown.stderr
    assert json.loads(shown.stdout)["rules"]["a"]["output"]["progressive"] is True
    program = """
import io
import numpy
from PIL import Image
from upscaled.image.encode.encode import encode
from upscaled.image.picture import Picture
from upscaled.recipe import OutputOptions, Recipe
pixels = Picture(numpy.zeros((8, 8, 3), numpy.uint8))
for wish in (False, True):
    content, _ = encode(pixels, "jpeg", OutputOptions(progressive=wish))
    print("progressive" in Image.open(io.BytesIO(content)).info)
print(Recipe("m").digest())
"""
    ran = run("-c", program)
    assert ran.returncode == 0, ran.stderr
    from upscaled.recipe import Recipe  # noqa: PLC0415 (this code's own, for comparison)

    assert ran.stdout.split() == ["False", "True", Recipe("m").digest()]


def test_a_format_is_written_and_chosen(walked: Callable[[str], Run], tmp_path: Path) -> None:
    run = walked("A format")
    (tmp_path / "a.yml").write_text("rules: {a: {watch: in, output: {folder: o, format: bmp}}}")
    assert run("-m", "upscaled", "config", "check", "--config", "a.yml").returncode == 0
    program = """
import numpy
from upscaled.formats import resolve_format
from upscaled.image.encode.encode import encode
from upscaled.image.picture import Picture
print(encode(Picture(numpy.zeros((8, 8, 3), numpy.uint8)), "bmp")[0][:2])
print(resolve_format("same", "BMP"))
"""
    ran = run("-c", program)
    assert ran.stdout.split() == ["b'BM'", "bmp"], ran.stderr


def test_a_check_of_doctor_is_among_its_findings(walked: Callable[[str], Run]) -> None:
    run = walked("A check of `upscaled doctor`")
    found = json.loads(run("-m", "upscaled", "doctor", "--json").stdout)
    assert "temporary" in {finding["topic"] for finding in found["findings"]}
