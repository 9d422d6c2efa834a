"""Workflows on pictures: order, names of what fails, what else is made."""

import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from support.fakes import NearestUpscaler, NoLedger
from upscaled.config.resolve.workflow_builder import StageGraph
from upscaled.config.resolve.workflows import with_flow
from upscaled.delivery import Check, Delivery, Extra
from upscaled.errors import BadResult, JobError, ModelUnsupported, StopRequested
from upscaled.image.picture import Picture
from upscaled.job import Order
from upscaled.outcomes import Done
from upscaled.pipeline import run
from upscaled.pipeline.stages.workflow import WorkflowOutputs, open_flow
from upscaled.recipe import OutputOptions, Recipe, StageRecipe

PNG = OutputOptions("png")
UPSCALE = StageRecipe("image-upscale", "upscale", model="net")
DENOISE = StageRecipe("image-denoise", "denoise", ("upscale",), numbers=(("strength", 0.3),))
SHARPEN = StageRecipe(
    "image-sharpen",
    "sharpen",
    ("denoise",),
    numbers=(("radius", 1.0), ("amount", 0.8), ("threshold", 0.0)),
)
CHECK = StageRecipe("image-quality", "check", ("", "upscale"))
HALVE = StageRecipe("image-resize", "halve", ("upscale",), scale=0.5)


def shell(*command: str, timeout_s: float = 20) -> StageRecipe:
    return StageRecipe("shell", "mine", command=command, numbers=(("timeout_s", timeout_s),))


def with_pillow(code: str) -> StageRecipe:
    start = "import sys; from PIL import Image; image = Image.open(sys.argv[1]); "
    return shell(sys.executable, "-c", start + code, "{input}", "{output}")


def recipe(*stages: StageRecipe, result: str | None = None) -> Recipe:
    return Recipe("net", stages=stages, result=result or stages[-1].name, output=PNG)


def opened(_: Recipe) -> NearestUpscaler:
    return NearestUpscaler(2)


def ignore(_done: int, _total: int) -> None:
    pass


def never() -> bool:
    return False


def passed(picture: Picture, told: Recipe, side: WorkflowOutputs | None = None) -> Picture:
    flow = open_flow(told, side or WorkflowOutputs(), opened)
    plan = flow.plan(picture.width_px, picture.height_px)
    result = flow(picture, progress=ignore, cancelled=never)
    assert (result.width_px, result.height_px) == (plan.width_px, plan.height_px)
    return result


@pytest.fixture
def photograph() -> Picture:
    rng = np.random.default_rng(1)
    return Picture(rng.integers(0, 256, (20, 30, 3), dtype=np.uint8))


@pytest.fixture
def order(tmp_path: Path, photograph: Picture) -> Callable[..., Order]:
    source = tmp_path / "in" / "a.png"
    source.parent.mkdir()
    Image.fromarray(photograph.colour).save(source)

    def made(told: Recipe, **delivery: object) -> Order:
        folder = Delivery(tmp_path / "out", **delivery)  # type: ignore[arg-type]
        return Order(1, "r", source, Path(), None, told, folder)

    return made


def ordered(order: Order) -> Done:
    prepared = run.prepare(order, NoLedger(), mark="t")
    assert isinstance(prepared, run.Prepared)
    stage = run.open_stage(order, opened)
    worked = run.work(prepared, stage, progress=ignore, cancelled=never)
    return run.deliver(worked, NoLedger(), mark="t")


def test_each_stage_gets_what_the_one_before_it_gave(photograph: Picture) -> None:
    whole = passed(photograph, recipe(UPSCALE, DENOISE, SHARPEN))
    first = passed(photograph, recipe(UPSCALE))
    assert whole.colour.shape == (40, 60, 3)
    assert not np.array_equal(whole.colour, first.colour)
    assert np.array_equal(
        whole.colour, passed(photograph, recipe(UPSCALE, DENOISE, SHARPEN)).colour
    )


def test_any_stage_can_be_the_result(photograph: Picture) -> None:
    assert passed(photograph, recipe(UPSCALE, HALVE)).colour.shape == (20, 30, 3)
    assert passed(photograph, recipe(UPSCALE, HALVE, result="upscale")).colour.shape == (40, 60, 3)


def test_figures_compare_the_result_with_the_source(photograph: Picture) -> None:
    side = WorkflowOutputs()
    passed(photograph, recipe(UPSCALE, CHECK, result="upscale"), side)
    assert side.figures[0].psnr_db == 100
    assert set(side.seconds) == {"upscale", "check"}


def test_progress_only_grows_and_reaches_the_end(photograph: Picture) -> None:
    told: list[float] = []
    flow = open_flow(recipe(UPSCALE, DENOISE, SHARPEN), WorkflowOutputs(), opened)
    flow(photograph, progress=lambda done, total: told.append(done / total), cancelled=never)
    assert told == sorted(told)
    assert told[-1] == 1


def test_it_can_be_stopped_within_a_stage(photograph: Picture) -> None:
    flow = open_flow(recipe(DENOISE.__class__("image-denoise", "d", numbers=DENOISE.numbers)),
                     WorkflowOutputs(), opened)  # fmt: skip
    stopped = threading.Event()
    stopped.set()
    with pytest.raises(StopRequested):
        flow(photograph, progress=ignore, cancelled=stopped.is_set)


def test_a_network_for_denoising_makes_nothing_larger() -> None:
    wrong = StageRecipe("image-denoise", "denoise", model="net", numbers=(("strength", 1.0),))
    with pytest.raises(ModelUnsupported, match="stage 'denoise': net makes images larger"):
        open_flow(recipe(wrong), WorkflowOutputs(), opened)


def test_a_command_works_on_files(photograph: Picture) -> None:
    result = passed(photograph, recipe(with_pillow("image.rotate(180).save(sys.argv[2])")))
    assert np.array_equal(result.colour, photograph.colour[::-1, ::-1])


@pytest.mark.parametrize(
    ("command", "timeout_s", "message"),
    [
        (("no-such-command",), 20.0, "stage 'mine': no-such-command: No such file"),
        (("sh", "-c", "echo bad >&2; exit 3"), 20.0, "mine': sh ended with status 3: bad"),
        (("true",), 20.0, "true wrote no image"),
        (("sh", "-c", "echo no > {output}"), 20.0, "sh wrote no image: "),
        (("sh", "-c", "ln -s /etc/passwd {output}"), 20.0, "sh wrote no image"),
        (("sh", "-c", "kill -9 $$"), 20.0, "sh was killed by signal 9"),
        (("sh", "-c", "sleep 60 & sleep 60"), 0.3, "sh was not done within 0.3 s"),
    ],
)
def test_a_command_that_fails_is_told(
    photograph: Picture, command: tuple[str, ...], timeout_s: float, message: str
) -> None:
    with pytest.raises(JobError) as caught:
        passed(photograph, recipe(shell(*command, timeout_s=timeout_s)))
    assert message in caught.value.message


def test_one_stage_that_upscales_gives_the_bytes_of_its_component(
    order: Callable[..., Order],
) -> None:
    bare = Recipe("net", output=PNG)
    flow = with_flow(bare, StageGraph((UPSCALE,), "upscale"))
    first, second = (ordered(order(told, name=f"{i}.png")) for i, told in enumerate([bare, flow]))
    assert first.result.sha256 == second.result.sha256


def test_other_stages_have_results_too(order: Callable[..., Order], tmp_path: Path) -> None:
    extra = Extra("upscale", tmp_path / "more", "{stem}-{width}.{ext}", "webp")
    told = order(recipe(UPSCALE, DENOISE, SHARPEN), extras=(extra,))
    done = ordered(told)
    again = ordered(told)
    assert [path.name for path in (tmp_path / "more").iterdir()] == ["a-60.webp"]
    assert done.result == again.result
    assert set(done.stages_s) == {"upscale", "denoise", "sharpen"}


def test_figures_and_before_and_after_lie_beside_the_result(
    order: Callable[..., Order], tmp_path: Path
) -> None:
    for sheet in ("png", "html"):
        ordered(order(Recipe("net", output=PNG), check=Check(sidecar=True, sheet=sheet)))
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["a_2x.compare.html", "a_2x.compare.png", "a_2x.json", "a_2x.png"]
    assert '"psnr_db": 100.0' in (tmp_path / "out" / "a_2x.json").read_text()
    with Image.open(tmp_path / "out" / "a_2x.compare.png") as compared:
        assert compared.size == (60 + 8 + 60, 40)


BAD = Check(max_colour_drift=0.0, min_ssim=1.0, on_low_quality="warn")
RED = "Image.new('RGB', image.size, 'red').save(sys.argv[2])"
TINTED = recipe(with_pillow(RED))


def test_low_quality_is_said(order: Callable[..., Order]) -> None:
    done = ordered(order(TINTED, check=BAD))
    assert done.notes[0] == "low quality: the result is one single colour"
    assert any("colours drift by" in note for note in done.notes)
    assert done.figures["constant"] == 1


def test_low_quality_can_be_accepted(order: Callable[..., Order]) -> None:
    assert ordered(order(TINTED, check=Check(min_ssim=1.0, on_low_quality="accept"))).notes == ()


def test_low_quality_can_fail(order: Callable[..., Order], tmp_path: Path) -> None:
    with pytest.raises(BadResult, match="not good enough: the result is one single colour"):
        ordered(order(TINTED, check=Check(min_ssim=1.0, on_low_quality="fail")))
    assert not (tmp_path / "out").exists()


def test_low_quality_can_lie_apart(order: Callable[..., Order], tmp_path: Path) -> None:
    apart = Check(on_low_quality="review", review_folder=tmp_path / "review", sidecar=True)
    done = ordered(order(TINTED, check=apart))
    assert done.result.path.parent == tmp_path / "review"
    assert len(list((tmp_path / "review").iterdir())) == 2
    assert not (tmp_path / "out").exists()


def test_a_file_of_somebody_else_beside_the_result_is_left_alone(
    order: Callable[..., Order], tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a_2x.json").write_text("mine")
    told = order(Recipe("net", output=PNG), check=Check(sidecar=True))
    for _ in range(2):
        ordered(told)
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["a_2x-2.json", "a_2x.json", "a_2x.png"]
    assert (tmp_path / "out" / "a_2x.json").read_text() == "mine"


def film(path: Path) -> None:
    frames = [Image.new("RGB", (8, 6), (40 * n, 90, 200)) for n in (1, 2, 2, 3)]
    for n, frame in enumerate(frames):
        frame.putpixel((n % 3, 2), (255, 255, 0))
    frames[2] = frames[1]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=[40, 200, 80, 70])


def test_the_sheet_of_an_animation_shows_its_first_frame(
    order: Callable[..., Order], tmp_path: Path
) -> None:
    check = Check(sidecar=True, sheet="png")
    told = order(Recipe("net"), check=check)
    film(told.source)
    ordered(told)
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["a_2x.compare.png", "a_2x.json", "a_2x.png"]
    with (
        Image.open(tmp_path / "out" / "a_2x.compare.png") as sheet,
        Image.open(told.source) as moving,
    ):
        before, first = np.asarray(sheet), np.asarray(moving.convert("RGB"))
    assert np.array_equal(before[:, 16 + 8 :], first.repeat(2, axis=0).repeat(2, axis=1))


@pytest.mark.parametrize("form", ["same", "webp"])
def test_another_stage_of_an_animation_gives_all_its_frames(
    order: Callable[..., Order], tmp_path: Path, form: str
) -> None:
    extra = Extra("upscale", tmp_path / "more", "{stem}.{ext}", form)
    told = order(replace(recipe(UPSCALE, HALVE), output=OutputOptions()), extras=(extra,))
    film(told.source)
    done = ordered(told)
    (path,) = (tmp_path / "more").iterdir()
    with Image.open(path) as made, Image.open(told.source) as source:
        assert made.n_frames == source.n_frames >= 3
        for number in range(source.n_frames):
            made.seek(number)
            source.seek(number)
            larger = np.asarray(source.convert("RGB")).repeat(2, axis=0).repeat(2, axis=1)
            assert np.abs(np.asarray(made.convert("RGB")).astype(int) - larger).mean() < 4
    assert (done.result.width_px, done.notes) == (8, ())
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a_1x.png"]


def test_a_format_of_one_picture_gets_the_first_frame_and_says_so(
    order: Callable[..., Order], tmp_path: Path
) -> None:
    extra = Extra("upscale", tmp_path / "more", "{stem}.{ext}", "jpeg")
    told = order(replace(recipe(UPSCALE, HALVE), output=OutputOptions()), extras=(extra,))
    film(told.source)
    done = ordered(told)
    with Image.open(tmp_path / "more" / "a.jpg") as first:
        assert first.size == (16, 12)
    assert done.notes == (
        "'upscale': jpeg holds one picture: only the first of its 3 frames was upscaled",
    )


def test_pages_of_other_sizes_and_depths_come_back_from_every_stage(
    order: Callable[..., Order], tmp_path: Path
) -> None:
    extra = Extra("upscale", tmp_path / "more", "{stem}.{ext}")
    told = order(replace(recipe(UPSCALE, HALVE), output=OutputOptions()), extras=(extra,))
    pages = [Image.new("L", (8, 6), 120), Image.new("RGBA", (5, 9), (0, 90, 0, 70))]
    path = told.source.with_suffix(".tif")
    pages[0].save(path, save_all=True, append_images=pages[1:])
    ordered(replace(told, source=path))
    with Image.open(tmp_path / "more" / "a.tif") as made:
        assert (made.size, made.mode) == ((16, 12), "L")
        made.seek(1)
        assert made.size == (10, 18)
        assert made.convert("RGBA").getpixel((3, 3)) == (0, 90, 0, 70)


def test_an_extra_has_a_quality_of_its_own(order: Callable[..., Order], tmp_path: Path) -> None:
    extras = [Extra("upscale", tmp_path / str(q), "a.jpg", "jpeg", q) for q in (10, 95)]
    for extra in extras:
        ordered(order(recipe(UPSCALE, HALVE), extras=(extra,)))
    low, high = ((tmp_path / str(q) / "a.jpg").stat().st_size for q in (10, 95))
    assert low < high / 1.5
