"""`upscaled run` in this process, with pixels repeated instead of a network."""

import json
import threading
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from support.fakes import NearestUpscaler
from upscaled.cli import batch
from upscaled.cli.input_files import from_json
from upscaled.cli.main import run
from upscaled.cli.screens.bars import Bars
from upscaled.dirs import find_dirs
from upscaled.errors import UsageError
from upscaled.recipe import Recipe

Run = Callable[..., tuple[int, list[str], str]]


class Residents:
    """One network for all recipes; the second image on the device waits for `gate`."""

    asked: list[Recipe]

    def __init__(self, *_: Any) -> None:
        self.tile_px = 64

    def get(self, recipe: Recipe) -> NearestUpscaler:
        self.asked.append(recipe)
        return NearestUpscaler(2)

    def report_learned(self, upscaler: NearestUpscaler) -> None:
        pass


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Recipe]:
    """What came to the device."""
    Residents.asked = []
    monkeypatch.setattr(batch, "Residents", Residents)
    monkeypatch.chdir(tmp_path)
    return Residents.asked


@pytest.fixture
def upscale(capfd: pytest.CaptureFixture[str]) -> Run:
    def call(*words: str | Path) -> tuple[int, list[str], str]:
        code = run(["run", *map(str, words)])
        told = capfd.readouterr()
        assert "Traceback" not in told.err
        return code, told.out.splitlines(), told.err

    return call


def picture(path: Path, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    Image.fromarray(rng.integers(0, 256, (12, 16, 3), np.uint8)).save(path)
    return path


# What is named


def test_input_as_json_names_an_image(upscale: Run, tmp_path: Path) -> None:
    source = picture(tmp_path / "a.png")
    code, made, _ = upscale("--input", json.dumps({"image": str(source)}))
    assert (code, made) == (0, [str(tmp_path / "a_2x.png")])


def test_input_as_json_names_several_beside_those_of_the_line(upscale: Run, tmp_path: Path) -> None:
    names = [str(picture(tmp_path / f"{n}.png", n)) for n in range(3)]
    code, made, _ = upscale(names[0], "--input", json.dumps({"images": names[1:]}), "-o", "out")
    assert (code, len(made), len(list((tmp_path / "out").iterdir()))) == (0, 3, 3)


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", "null", "3", "{}", '"a.png"', "[" * 100_000),
        *('{"image": 3}', '{"image": ""}', '{"image": null}', '{"images": []}'),
        *('{"images": "a.png"}', '{"images": [["a"]]}', '{"image": "a", "scale": 2}'),
        *('{"image": "a\\u0000b"}', '{"image": "\\ud800"}', '{"image": "a", "images": ["b"]}'),
    ],
)
def test_input_that_names_no_image_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        from_json(text)
    assert '{"image": "photo.png"}' in str(caught.value.hint)


def test_a_name_in_json_is_a_name_and_home_is_home(home: Path, tmp_path: Path) -> None:
    assert from_json('{"images": ["~/a.png", "-"]}') == (home / "a.png", tmp_path / "-")


def test_without_any_file_the_call_is_wrong(upscale: Run) -> None:
    code, made, told = upscale()
    assert (code, made) == (2, [])
    assert "upscaled run" in told


# Going on


def test_what_stands_already_is_skipped_and_said_so(
    upscale: Run, asked: list[Recipe], tmp_path: Path
) -> None:
    picture(tmp_path / "in" / "a.png", 1)
    first = upscale("in", "-o", "out")
    picture(tmp_path / "in" / "b.png", 2)
    code, made, told = upscale("in", "-o", "out")
    assert first[:2] == (0, [str(tmp_path / "out" / "a_2x.png")])
    assert code == 0
    assert sorted(made) == [str(tmp_path / "out" / f"{name}_2x.png") for name in "ab"]
    assert "a.png: skipped: done already (--force" in told
    assert "b.png" not in told
    assert len(asked) == 2


@pytest.mark.parametrize("change", ["source", "result", "gone", "recipe", "folder", "force"])
def test_what_is_not_the_same_any_more_is_done_again(
    upscale: Run, asked: list[Recipe], tmp_path: Path, change: str
) -> None:
    source = picture(tmp_path / "a.png", 1)
    upscale(source, "-o", "out")
    result, words = tmp_path / "out" / "a_2x.png", ["-o", "out"]
    match change:
        case "source":
            picture(source, 2)
        case "result":
            picture(result, 3)
        case "gone":
            result.unlink()
        case "recipe":
            words += ["--format", "webp"]
        case "folder":
            words = ["-o", "elsewhere"]
        case "force":
            words += ["--force"]
    code, made, told = upscale(source, *words)
    assert (code, len(made), told, len(asked)) == (0, 1, "", 2)
    unforced = [word for word in words if word != "--force"]
    assert upscale(source, *unforced)[2].count("skipped") == 1


def test_each_name_of_the_same_bytes_has_a_result(
    upscale: Run, asked: list[Recipe], tmp_path: Path
) -> None:
    for name in ("a.png", "b.png"):
        picture(tmp_path / name, 1)
    for _ in range(2):
        code, made, _ = upscale("a.png", "b.png", "-o", "out")
        assert (code, len(set(made)), len(asked)) == (0, 2, 2)


@pytest.mark.parametrize("trouble", ["no database", "no folder"])
def test_without_a_place_to_remember_it_works_and_says_so(
    upscale: Run, tmp_path: Path, trouble: str
) -> None:
    results = find_dirs().results
    if trouble == "no database":
        results.parent.mkdir(parents=True)
        results.write_bytes(b"no database\n" * 500)
    else:
        results.parent.parent.mkdir(parents=True)
        results.parent.write_text("")
    code, made, told = upscale(picture(tmp_path / "a.png"))
    assert (code, len(made)) == (0, 1)
    assert "not remembered" in told


def test_one_that_fails_is_told_and_the_others_are_done(upscale: Run, tmp_path: Path) -> None:
    picture(tmp_path / "in" / "a.png")
    (tmp_path / "in" / "b.png").write_text("no image")
    picture(tmp_path / "in" / "c.png")
    code, made, told = upscale("in", "-o", "out")
    assert (code, len(made)) == (1, 2)
    assert "b.png: not an image" in told
    assert "1 of 3 failed" in told


def test_ctrl_c_finishes_what_is_being_done_and_says_how_to_go_on(
    upscale: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        picture(tmp_path / "in" / f"{number}.png", number)
    hear = batch.FileBatch._hear

    def interrupted(self: batch.FileBatch, message: Any) -> None:
        hear(self, message)
        if self.outcomes and not self._stopping.is_set():
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(batch.FileBatch, "_hear", interrupted)
        code, made, told = upscale("in", "-o", "out")
    assert code == 130
    assert made
    assert f"interrupted: {len(made)} of 3 were done" in told
    assert threading.active_count() < 4
    assert not list((tmp_path / "out").glob(".*"))
    assert len(set(upscale("in", "-o", "out")[1])) == 3


# Which recipe


CONFIG = """
components:
  large: {model: realesrgan-x4plus}
  sharp: {task: image-sharpen}
workflows:
  both:
    jobs:
      - {id: up, component: large, input: {image: "${input.image}"}}
      - {id: crisp, component: sharp, input: {image: "${up.output}"}}
rules:
  plain: {watch: ~/in, output: ~/out, component: large}
  fine: {watch: ~/fine, output: ~/out, workflow: both}
"""


@pytest.fixture
def config(home: Path) -> Path:
    path = home / "upscaled.yml"
    path.write_text(CONFIG)
    return path


@pytest.mark.parametrize("words", [["--workflow", "both"], ["--rule", "fine"]])
def test_a_workflow_is_taken_from_the_configuration(
    upscale: Run, config: Path, tmp_path: Path, words: list[str]
) -> None:
    source = picture(tmp_path / "a.png")
    code, made, told = upscale(source, "--config", config, *words)
    assert (code, made) == (0, [str(tmp_path / "a_2x.png")]), told
    plain = upscale(source, "--config", config, "-o", "plain")[1][0]
    assert Path(plain).read_bytes() != Path(made[0]).read_bytes()


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["--workflow", "none"], "workflows that rules use: both"),
        (["--workflow", "both", "--rule", "plain"], "workflows that rules use: none"),
        (["--rule", "none"], "rules: plain, fine"),
        (["--workflow", "both", "--model", "x"], "leave out --model"),
    ],
)
def test_a_name_that_is_not_there_is_told_with_those_that_are(
    upscale: Run, config: Path, tmp_path: Path, words: list[str], hint: str
) -> None:
    code, made, told = upscale(picture(tmp_path / "a.png"), "--config", config, *words)
    assert (code, made) == (2, [])
    assert hint in told


# Bars


def test_a_terminal_sees_how_many_are_done_and_what_is_being_done() -> None:
    screen = StringIO()
    # CI has a dumb one, on which nothing is redrawn.
    terminal = {"TERM": "xterm"}
    console = Console(file=screen, force_terminal=True, width=100, _environ=terminal)
    with Bars(3, console) as bars:
        bars.show(1, "[red]a.png", "upscale", 1, 2)
        bars._progress.refresh()
        assert "0 of 3" in screen.getvalue()
        assert "[red]a.png: upscale" in screen.getvalue()
        bars.end(1, 1)
        bars._progress.refresh()
    assert "1 of 3" in screen.getvalue()


def test_a_pipe_sees_no_bars() -> None:
    screen = StringIO()
    with Bars(3, Console(file=screen)) as bars:
        bars.show(1, "a.png", "upscale", 1, 2)
        bars.end(1, 1)
    assert screen.getvalue() == ""
