"""Noise away by restoration networks as spandrel builds them, through the real engine."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from spandrel.architectures.DnCNN import DnCNN
from spandrel.architectures.NAFNet import NAFNet
from spandrel.architectures.SCUNet import SCUNet

from upscaled.engine.upscaler import open_upscaler
from upscaled.image.picture import Picture
from upscaled.pipeline.stages.workflow import WorkflowOutputs, WorkflowStages, open_flow
from upscaled.recipe import Recipe, StageRecipe

Make = Callable[[], torch.nn.Module]
NETWORKS: dict[str, Make] = {
    "NAFNet": lambda: NAFNet(width=4, enc_blk_nums=[1, 1], dec_blk_nums=[1, 1]),
    "DnCNN": lambda: DnCNN(in_nc=3, out_nc=3, nc=8, nb=9, act_mode="R"),
}
TILE_PX = 64
SIZE_PX = (70, 100)
"""Height and width: four tiles of three sizes."""


def saved(path: Path, make: Make) -> Path:
    torch.manual_seed(1)
    torch.save(make().state_dict(), path)
    return path


@pytest.fixture(params=NETWORKS)
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return saved(tmp_path / f"{request.param}.pth", NETWORKS[request.param])


def photograph(dtype: type[np.uint8] | type[np.uint16]) -> Picture:
    rng = np.random.default_rng(1)
    most = np.iinfo(dtype).max
    return Picture(rng.integers(most // 4, most // 4 * 3, (*SIZE_PX, 3), dtype=dtype))


def cleaning(file: Path, strength: float = 1.0, tile_px: int | None = TILE_PX) -> WorkflowStages:
    stage = StageRecipe(
        "image-denoise", "clean", model=str(file), numbers=(("strength", strength),)
    )
    recipe = Recipe("", stages=(stage,), result="clean")
    return open_flow(
        recipe,
        WorkflowOutputs(),
        lambda _: open_upscaler(file, device="cpu", precision="fp32", tile_px=tile_px),
    )


def cleaned(picture: Picture, flow: WorkflowStages) -> Picture:
    told: list[float] = []
    result = flow(
        picture,
        progress=lambda done, total: told.append(done / total),
        cancelled=lambda: False,
    )
    assert told == sorted(told)
    assert result.colour.shape == picture.colour.shape
    assert result.colour.dtype == picture.colour.dtype
    return result


def test_every_kind_of_picture_goes_through(file: Path) -> None:
    plain = photograph(np.uint8)
    whole, flow = cleaned(plain, cleaning(file)), cleaning(file)
    assert not np.array_equal(whole.colour, plain.colour)
    assert np.array_equal(cleaned(plain, flow).colour, whole.colour), "it is deterministic"

    half = cleaned(plain, cleaning(file, 0.5)).colour.astype(float)
    middle = (plain.colour.astype(float) + whole.colour) / 2
    assert np.abs(half - middle).max() <= 0.5

    deep = Picture(plain.colour.astype(np.uint16) * 257)
    # In 8 bits it is rounded twice: after the network, and after the colour fix.
    assert np.abs(cleaned(deep, flow).colour / 257 - whole.colour).max() < 1.5

    alpha = np.tile(np.arange(SIZE_PX[1], dtype=np.uint8), (SIZE_PX[0], 1))
    seen = cleaned(replace(plain, alpha=alpha), flow)
    assert seen.alpha is not None
    assert np.array_equal(seen.alpha, alpha)

    gray = replace(plain, colour=plain.colour[..., :1].repeat(3, axis=2), gray=True)
    colourless = cleaned(gray, flow)
    assert colourless.gray
    assert (colourless.colour == colourless.colour[..., :1]).all()

    tiny = Picture(plain.colour[:3, :5].copy())
    assert cleaned(tiny, flow).colour.shape == (3, 5, 3)


def test_tiles_are_hardly_seen(file: Path) -> None:
    plain = photograph(np.uint8)
    tiled = cleaned(plain, cleaning(file)).colour.astype(float)
    whole = cleaned(plain, cleaning(file, tile_px=512)).colour.astype(float)
    # NAFNet looks at the mean of all that it gets, which is a tile's or the picture's.
    assert np.abs(tiled - whole).mean() < 1.5


def test_a_transformer_takes_a_deep_gray_picture_with_alpha(tmp_path: Path) -> None:
    file = saved(tmp_path / "scunet.pth", lambda: SCUNet(config=[1] * 7))
    deep = photograph(np.uint16)
    gray = deep.colour[:30, :50, :1].repeat(3, axis=2)
    picture = Picture(gray, alpha=gray[..., 0], gray=True)
    result = cleaned(picture, cleaning(file))
    assert (result.colour == result.colour[..., :1]).all()
    assert not np.array_equal(result.colour, gray)
    assert result.alpha is not None
    assert np.array_equal(result.alpha, gray[..., 0])
