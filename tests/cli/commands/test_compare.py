"""`upscaled compare` in this process, with pixels repeated instead of a network."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFilter

from support.fakes import NearestUpscaler
from upscaled.cli import comparison
from upscaled.cli.main import run

Compare = Callable[..., tuple[int, str, str]]


@pytest.fixture
def compare(capfd: pytest.CaptureFixture[str]) -> Compare:
    def call(*words: str | Path) -> tuple[int, str, str]:
        code = run(["compare", *map(str, words)])
        told = capfd.readouterr()
        assert "Traceback" not in told.err
        return code, told.out, told.err

    return call


@pytest.fixture
def source(tmp_path: Path) -> Path:
    rng = np.random.default_rng(1)
    noise = Image.fromarray(rng.integers(0, 256, (40, 60, 3), np.uint8))
    noise.filter(ImageFilter.GaussianBlur(2)).save(path := tmp_path / "a.png")
    return path


@pytest.fixture
def result(source: Path) -> Path:
    with Image.open(source) as picture:
        picture.resize((120, 80), Image.Resampling.LANCZOS).save(path := source.with_name("b.png"))
    return path


@pytest.fixture
def crowded(result: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two images, and what is none."""
    monkeypatch.chdir(result.parent)
    Path("text.png").write_text("no image")
    Path("folder.png").mkdir()
    os.mkfifo("pipe")
    return result.parent


def test_a_good_result_has_better_figures_than_a_bad_one(
    compare: Compare, source: Path, result: Path
) -> None:
    with Image.open(result) as picture:
        bad = picture.filter(ImageFilter.GaussianBlur(5)).point(lambda v: min(v + 20, 255))
        bad.save(result.with_name("bad.png"))
    good, worse = (
        json.loads(compare(source, path, "--json")[1])
        for path in (result, result.with_name("bad.png"))
    )
    assert (good["schema_version"], good["sheet"]) == (1, None)
    assert good["source"] == {"name": str(source), "width_px": 60, "height_px": 40}
    (good,), (worse,) = good["results"], worse["results"]
    assert (good["name"], good["width_px"], good["notes"]) == (str(result), 120, [])
    assert good["psnr_db"] > 30 > worse["psnr_db"]
    assert good["ssim"] > worse["ssim"]
    assert worse["colour_drift"] > 15 > good["colour_drift"]
    code, screen, told = compare(source, result)
    assert (code, told) == (0, "")
    assert "120×80" in screen
    assert f"{good['psnr_db']:g}" in screen
    assert max(map(len, screen.splitlines())) <= 80


@pytest.mark.parametrize("suffix", [".png", ".html", ".HTML"])
def test_the_sheet_is_whole_and_replaces_an_older_one(
    compare: Compare, source: Path, result: Path, suffix: str
) -> None:
    sheet = source.with_name(f"sheet{suffix}")
    sheet.write_text("older")
    assert compare(source, result, "-o", sheet)[0] == 0
    if suffix == ".png":
        with Image.open(sheet) as picture:
            assert picture.size == (248, 80)
    else:
        assert "psnr_db" in sheet.read_text()
    assert sorted(path.name for path in source.parent.glob("*")) == sorted(
        ["a.png", "b.png", sheet.name, "home"]
    )


def test_what_cannot_be_compared_well_is_said(compare: Compare, source: Path, result: Path) -> None:
    assert "wrong way round" in compare(result, source)[2]
    Image.new("RGB", (50, 90)).save(flat := source.with_name("flat.png"))
    told = compare(source, flat)[2]
    assert "shape" in told
    assert "one single colour" in told


def test_two_models_stand_beside_each_other(
    compare: Compare, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Residents:
        def __init__(self, *_: Any) -> None:
            pass

        def get(self, recipe: Any) -> NearestUpscaler:
            return NearestUpscaler({"twice": 2, "thrice": 3}[recipe.model])

    monkeypatch.setattr(comparison, "Residents", Residents)
    code, screen, _ = compare(source, "-m", "twice", "-m", "thrice")
    assert code == 0
    assert screen.split()[:5] == ["twice", "thrice", "size", "(px)", "120×80"]
    sheet = source.with_name("sheet.png")
    report = json.loads(compare(source, "-m", "twice", "--json", "-o", sheet)[1])
    assert [each["name"] for each in report["results"]] == ["twice"]
    assert report["sheet"] == str(sheet)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["a.png"], 2, "compare with what"),
        (["a.png", "b.png", "-m", "x"], 2, "compare with what"),
        (["a.png", "-m", "x", "-m", "y", "-m", "z"], 2, "two models at most"),
        (["a.png", "none.png"], 2, "there is no file none.png"),
        (["a.png", "."], 2, "there is no file ."),
        (["a.png", "pipe"], 2, "there is no file pipe"),
        (["a.png", "text.png"], 1, "text.png: not an image"),
        (["a.png", "b.png", "-o", "b.png"], 2, "one of the images"),
        (["a.png", "b.png", "-o", "sheet.gif"], 2, ".png or .html"),
        (["a.png", "b.png", "-o", "none/sheet.png"], 2, "mkdir -p none"),
        (["a.png", "b.png", "-o", "folder.png"], 75, "cannot write folder.png"),
    ],
)
def test_what_cannot_be_done_is_a_sentence(
    compare: Compare, crowded: Path, words: list[str], code: int, said: str
) -> None:
    before = (crowded / "b.png").read_bytes()
    got, screen, told = compare(*words)
    assert (got, screen) == (code, "")
    assert said in told
    assert "→" in told
    assert (crowded / "b.png").read_bytes() == before
    assert not list(crowded.glob(".*"))
