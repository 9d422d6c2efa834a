"""Faces through a small RestoreFormer with weights by chance, by the real engine."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from spandrel.architectures.RestoreFormer import RestoreFormer

from support.detector import write_detector
from upscaled.engine.upscaler import TorchUpscaler, open_upscaler
from upscaled.errors import ModelUnsupported
from upscaled.image.filters.face_finder import FaceFinder
from upscaled.image.picture import Picture
from upscaled.pipeline.stages.face_restoration import NONE_FOUND, TOO_LARGE
from upscaled.pipeline.stages.upscale import Upscaling
from upscaled.pipeline.stages.workflow import WorkflowOutputs, open_flow
from upscaled.recipe import Recipe, StageRecipe

Passed = Callable[..., tuple[Picture, WorkflowOutputs]]


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> TorchUpscaler:
    torch.manual_seed(1)
    small = RestoreFormer(
        n_embed=16,
        embed_dim=32,
        ch=32,
        ch_mult=(1, 1, 1, 1, 1, 1),
        num_res_blocks=1,
        attn_resolutions=(16,),
        z_channels=32,
        head_size=8,
    )
    path = tmp_path_factory.mktemp("network") / "faces.pth"
    torch.save(small.state_dict(), path)
    return open_upscaler(path, device="cpu", precision="fp32", tile_px=64)


@pytest.fixture
def passed(network: TorchUpscaler, tmp_path: Path) -> Passed:
    detector = write_detector(tmp_path / "yunet.onnx")

    def call(picture: Picture, strength: float = 1.0) -> tuple[Picture, WorkflowOutputs]:
        stage = StageRecipe(
            "image-face-restore",
            "faces",
            model="net",
            numbers=(("strength", strength),),
            detector=str(detector),
        )
        side = WorkflowOutputs()
        flow = open_flow(Recipe("", stages=(stage,), result="faces"), side, lambda _: network)
        told: list[float] = []
        result = flow(
            picture,
            progress=lambda done, total: told.append(done / total),
            cancelled=lambda: False,
        )
        assert told == sorted(told)
        assert told[-1] == 1
        return result, side

    return call


def portrait(dtype: type[np.uint8] | type[np.uint16] = np.uint8) -> Picture:
    colour = np.random.default_rng(1).integers(60, 200, (240, 320, 3), dtype=np.uint8)
    colour[96:128, 160:192] = (0, 0, 255)
    return Picture(colour.astype(dtype) * (np.iinfo(dtype).max // 255))


def test_a_face_changes_and_nothing_else_does(passed: Passed) -> None:
    alpha = np.full((240, 320), 200, np.uint8)
    picture = replace(portrait(), alpha=alpha)
    result, side = passed(picture)
    assert side.notes == {}
    changed = np.argwhere((result.colour != picture.colour).any(axis=2))
    assert len(changed) > 1000
    # The square of the face: 512 px of the network are 57 of the picture.
    (top, left), (bottom, right) = changed.min(axis=0), changed.max(axis=0)
    assert 80 <= top < 96
    assert 128 < bottom <= 145
    assert 145 <= left < 160
    assert 192 < right <= 210
    assert result.alpha is alpha
    assert np.array_equal(passed(picture)[0].colour, result.colour)
    assert np.array_equal(passed(picture, 0.0)[0].colour, picture.colour)


def test_depth_and_gray_stay(passed: Passed, monkeypatch: pytest.MonkeyPatch) -> None:
    deep, _ = passed(portrait(np.uint16))
    assert deep.colour.dtype == np.uint16
    assert (deep.colour[100:120, 164:188] % 257).any(), "more than 8 bits"

    # No face of the twin is gray: it is shown the coloured one.
    find, seen = FaceFinder.find, portrait()
    monkeypatch.setattr(FaceFinder, "find", lambda self, _: find(self, seen))
    gray = Picture(seen.colour[..., :1].repeat(3, axis=2), gray=True)
    result, _ = passed(gray)
    assert (result.colour == result.colour[..., :1]).all()
    assert not np.array_equal(result.colour, gray.colour)


def test_without_a_face_the_picture_stays_as_it_is_and_that_is_said(passed: Passed) -> None:
    plain = Picture(np.full((60, 80, 3), 90, np.uint8))
    result, side = passed(plain)
    assert np.array_equal(result.colour, plain.colour)
    assert tuple(side.notes) == (NONE_FOUND,)


def test_a_face_larger_than_the_network_makes_is_left_alone(
    passed: Passed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("upscaled.image.filters.face_finder._LOOK_PX", 64)
    large = Picture(portrait().colour[96:128, 160:192].repeat(40, axis=0).repeat(40, axis=1))
    result, side = passed(large)
    assert np.array_equal(result.colour, large.colour)
    assert tuple(side.notes) == (TOO_LARGE,)


def test_a_network_for_faces_upscales_no_whole_images(network: TorchUpscaler) -> None:
    with pytest.raises(ModelUnsupported, match="net restores faces"):
        Upscaling(network, Recipe("net"))


def test_a_network_for_images_restores_no_faces(tmp_path: Path) -> None:
    class Whole:
        scale = 1

    stage = StageRecipe(
        "image-face-restore",
        "faces",
        model="net",
        numbers=(("strength", 1.0),),
        detector=str(write_detector(tmp_path / "yunet.onnx")),
    )
    with pytest.raises(ModelUnsupported, match="'faces': net is not a network for faces"):
        open_flow(Recipe("", stages=(stage,), result="faces"), WorkflowOutputs(), lambda _: Whole())
